"""Optimizers of a canvas whose values stay in [0, 1].

Each takes the loss and gradient at the canvas and moves the canvas on: one call is one evaluation, so that different
optimizers are compared by what they cost.
"""

import math
from collections import deque

import torch
from jaxtyping import Float
from torch import Tensor

from transfer.config import Optimizer

HISTORY = 10  # pairs of steps and gradient differences that L-BFGS remembers
RECENT = 5  # losses, the highest of which a new one may not exceed
BACKTRACKS = 4  # times a step is shortened before the memory is dropped
FIRST_STEP = 0.01  # root mean square change of a pixel by the first step, in [0, 1]


class ProjectedLbfgs:
    """L-BFGS on the pixels that are free to move; the others rest on the border of the range.

    Source: Bertsekas 1982, "Projected Newton methods with simple constraints" (which pixels are free);
    Nocedal 1980 (two-loop recursion); Grippo, Lampariello, Lucidi 1986 (a loss may exceed the last one, not the
    highest of the last few, which bfloat16's noise would trip).
    Differs: torch.optim.LBFGS leaves the range, and clamping its result costs up to a tenth of the loss.
    """

    def __init__(self, canvas: Float[Tensor, "1 3 h w"], lr: float) -> None:
        """Take the canvas, which is changed in place; `lr` is a factor on every step."""
        self._canvas, self._lr = canvas, lr
        self._pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=HISTORY)
        self._losses: deque[float] = deque(maxlen=RECENT)
        self._backtracks = 0

    @torch.no_grad()
    def update(self, loss: float, gradient: Tensor) -> None:
        """Move the canvas on, or back towards the last good one if the loss rose."""
        if self._losses and not loss <= max(self._losses) and self._backtracks < BACKTRACKS:
            self._backtracks += 1
            self._length /= 4
            self._move()
            return
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss}")
        if self._losses:
            self._remember(self._canvas - self._point, gradient - self._gradient)
        self._losses.append(loss)
        self._backtracks = 0
        self._point, self._gradient = self._canvas.clone(), gradient.clone()
        self._choose_direction()
        self._move()

    def _remember(self, step: Tensor, change: Tensor) -> None:
        if self._backtracks == BACKTRACKS:
            self._pairs.clear()
        curvature = torch.dot(step.flatten(), change.flatten()).item()
        if curvature > 1e-8 * (step.norm() * change.norm()).item():
            self._pairs.append((step, change, 1 / curvature))

    def _choose_direction(self) -> None:
        at_border = ((self._point <= 0) & (self._gradient > 0)) | ((self._point >= 1) & (self._gradient < 0))
        free_gradient = self._gradient.masked_fill(at_border, 0)
        direction = (-self._newton_step(free_gradient)).masked_fill(at_border, 0)
        self._length = self._lr
        if not self._pairs:
            size = direction.square().mean().sqrt().item()
            self._length *= FIRST_STEP / size if size > 0 else 0
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
        self._canvas.copy_((self._point + self._length * self._direction).clamp_(0, 1))


class ClampedAdam:
    """torch's Adam, the canvas clamped after each step.

    Source: Kingma and Ba 2015; betas (0.9, 0.99) as in crowsonkb/style-transfer-pytorch.
    """

    def __init__(self, canvas: Float[Tensor, "1 3 h w"], lr: float) -> None:
        """Take the canvas, which is changed in place."""
        self._canvas = canvas
        self._adam = torch.optim.Adam([canvas], lr=lr, betas=(0.9, 0.99))

    @torch.no_grad()
    def update(self, loss: float, gradient: Tensor) -> None:
        """Move the canvas on."""
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss}")
        self._canvas.grad = gradient
        self._adam.step()
        self._canvas.clamp_(0, 1)


def build_optimizer(name: Optimizer, canvas: Float[Tensor, "1 3 h w"], lr: float) -> ProjectedLbfgs | ClampedAdam:
    """Return the optimizer of a canvas."""
    return (ProjectedLbfgs if name == "lbfgs" else ClampedAdam)(canvas, lr)
