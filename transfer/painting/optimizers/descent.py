"""torch's first-order optimizers on a canvas: Adam, NAdam and SGD."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from transfer.painting.optimizers.lbfgs import FIRST_STEP, span_of
from transfer.painting.settings import Optimizer


class Descent:
    """torch's Adam, NAdam or SGD, with the parameters clamped to their range after each step."""

    def __init__(
        self,
        parameters: Tensor,
        kind: Callable[..., torch.optim.Optimizer],
        lr: float | None,
        *,
        decay: float = 1.0,
        bounds: tuple[float, float] | None = (0.0, 1.0),
        **constants: Any,
    ) -> None:
        """Take the parameters, which are changed in place.

        `lr` None is found from the first gradient; `decay` is a factor on it after each step; `constants` are those of
        the kind, such as `betas`.
        """
        self._parameters, self._bounds, self._decay = parameters, bounds, decay
        self._optimizer = kind([parameters], lr=math.nan if lr is None else lr, **constants)

    @torch.no_grad()
    def update(self, loss: float, gradient: Tensor) -> None:
        """Move the parameters on."""
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss}")
        group = self._optimizer.param_groups[0]
        if math.isnan(group["lr"]):
            size = gradient.square().mean().sqrt().item()
            group["lr"] = FIRST_STEP * span_of(self._bounds) / size if size > 0 else 0.0
        self._parameters.grad = gradient
        self._optimizer.step()
        group["lr"] *= self._decay
        if self._bounds is not None:
            self._parameters.clamp_(*self._bounds)

    def carry_over(self, smaller: "Descent") -> None:
        """Take over the rate and the moments that were reached on a smaller picture, enlarged.

        Source: crowsonkb/style-transfer-pytorch, scale_adam.
        """
        self._optimizer.param_groups[0]["lr"] = smaller._optimizer.param_groups[0]["lr"]
        size = (self._parameters.shape[2], self._parameters.shape[3])
        for state in smaller._optimizer.state.values():
            self._optimizer.state[self._parameters] = {
                name: _enlarge(name, value, size) if value.ndim == 4 else value for name, value in state.items()
            }


def _enlarge(name: str, moment: Tensor, size: tuple[int, int]) -> Tensor:
    if name == "exp_avg":
        return functional.interpolate(moment, size, mode="bicubic")
    return functional.interpolate(moment, size, mode="bilinear")  # of squares, which bicubic would make negative


DESCENTS: dict[Optimizer, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "nadam": torch.optim.NAdam,
    "sgd": torch.optim.SGD,
}
