"""L-BFGS kept inside the range of colours, one evaluation of the loss a call."""

import math
from collections import deque
from collections.abc import Generator

import torch
from torch import Tensor

from transfer.painting.optimizers.wolfe import strong_wolfe
from transfer.painting.settings import LineSearch

RECENT = 5  # losses, the highest of which a new one may not exceed
BACKTRACKS = 4  # times a step is shortened before the memory is dropped
FIRST_STEP = 0.01  # root mean square change of a parameter by the first step, as a share of its range


def span_of(bounds: tuple[float, float] | None) -> float:
    """Return how far parameters can move, 1 for those without bounds."""
    return 1.0 if bounds is None else bounds[1] - bounds[0]


class ProjectedLbfgs:
    """L-BFGS on the parameters that are free to move; the others rest on the border of the range.

    Source: Bertsekas 1982, "Projected Newton methods with simple constraints" (which pixels are free);
    Nocedal 1980 (two-loop recursion); Grippo, Lampariello, Lucidi 1986 (a loss may exceed the last one, not the
    highest of the last few, which bfloat16's noise would trip).
    Differs: torch.optim.LBFGS leaves the range, and clamping its result costs up to a tenth of the loss.
    """

    def __init__(
        self,
        parameters: Tensor,
        lr: float,
        *,
        history: int = 30,
        line_search: LineSearch = "backtrack",
        bounds: tuple[float, float] | None = (0.0, 1.0),
    ) -> None:
        """Take the parameters, which are changed in place; `lr` is a factor on every step."""
        self._parameters, self._lr = parameters, lr
        self._lowest, self._highest = bounds or (-math.inf, math.inf)
        self._first_step = FIRST_STEP * span_of(bounds)
        self._pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=history)
        self._losses: deque[float] = deque(maxlen=RECENT)
        self._backtracks = 0
        self._point, self._gradient, self._direction = parameters.detach(), parameters.detach(), parameters.detach()
        self._length = lr
        self._is_wolfe = line_search == "wolfe"
        self._search: Generator[float, tuple[float, float], float] | None = None

    @torch.no_grad()
    def update(self, loss: float, gradient: Tensor) -> None:
        """Move the parameters on, or elsewhere along the last direction if the loss there was not good enough."""
        if self._search is not None:
            accepted = self._search_on(loss, gradient)
            if accepted is None:
                return
            loss, gradient = accepted
        elif self._losses and not loss <= max(self._losses) and self._backtracks < BACKTRACKS:
            self._backtracks += 1
            self._length /= 4
            self._move()
            return
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss}")
        if self._losses:
            self._remember(self._parameters - self._point, gradient - self._gradient)
        self._losses.append(loss)
        self._backtracks = 0
        self._point, self._gradient = self._parameters.detach().clone(), gradient.clone()
        self._choose_direction()
        if self._is_wolfe:
            self._trials: dict[float, tuple[float, Tensor]] = {0.0: (loss, self._gradient)}
            self._search = strong_wolfe(loss, self._slope(gradient), self._length)
            self._length = next(self._search)
        self._move()

    def _search_on(self, loss: float, gradient: Tensor) -> tuple[float, Tensor] | None:
        """Return loss and gradient of the point that the line search accepts, None while it goes on."""
        assert self._search is not None
        self._trials[self._length] = (loss, gradient)
        try:
            self._length = self._search.send((loss, self._slope(gradient)))
        except StopIteration as end:
            self._search, self._length = None, end.value
            if self._length == 0:
                self._pairs.clear()  # or the next search would try the same lengths of the same direction
            self._move()
            return self._trials[self._length]
        self._move()
        return None

    def _slope(self, gradient: Tensor) -> float:
        """Return the change of the loss along the direction, where the range does not stop it."""
        moves = ((self._parameters > self._lowest) | (self._direction > 0)) & (
            (self._parameters < self._highest) | (self._direction < 0)
        )
        return (gradient * self._direction * moves).sum().item()

    def _remember(self, step: Tensor, change: Tensor) -> None:
        if self._backtracks == BACKTRACKS:
            self._pairs.clear()
        curvature = torch.dot(step.flatten(), change.flatten()).item()
        if curvature > 1e-8 * (step.norm() * change.norm()).item():
            self._pairs.append((step, change, 1 / curvature))

    def _choose_direction(self) -> None:
        at_border = ((self._point <= self._lowest) & (self._gradient > 0)) | (
            (self._point >= self._highest) & (self._gradient < 0)
        )
        free_gradient = self._gradient.masked_fill(at_border, 0)
        direction = (-self._newton_step(free_gradient)).masked_fill(at_border, 0)
        self._length = self._lr
        if not self._pairs:
            size = direction.square().mean().sqrt().item()
            self._length *= self._first_step / size if size > 0 else 0
        self._direction = direction

    def _newton_step(self, gradient: Tensor) -> Tensor:
        """Return the inverse Hessian's estimate times the gradient."""
        result, shares = gradient.clone(), []
        for step, change, inverse in reversed(self._pairs):
            share = inverse * torch.dot(step.flatten(), result.flatten())
            result -= share * change
            shares.append(share)
        if self._pairs:
            _, change, inverse = self._pairs[-1]
            result /= inverse * change.square().sum()
        for (step, change, inverse), share in zip(self._pairs, reversed(shares), strict=True):
            result += (share - inverse * torch.dot(change.flatten(), result.flatten())) * step
        return result

    def _move(self) -> None:
        moved = self._point + self._length * self._direction
        self._parameters.copy_(moved.clamp_(self._lowest, self._highest))
