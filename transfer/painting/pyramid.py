"""The sizes that are painted one after the other, and what each of them comes to."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nstkit.settings import known
from transfer.painting.settings import OptimizationSettings

SMALLEST_SCALE_PX = 64  # shorter side below which the pyramid does not begin
CONVERGED_OVER = 25  # evaluations over which the loss has to fall by `tolerance`


@dataclass(frozen=True)
class Scale:
    """One size of the pyramid.

    Attributes:
        size: (height, width).
        last_step: evaluation after which the next size begins.
        seconds: since the start of the painting, after which the next size begins.
    """

    size: tuple[int, int]
    last_step: int
    seconds: float


def plan_scales(size: tuple[int, int], settings: OptimizationSettings) -> list[Scale]:
    """Return the sizes that are painted one after the other, each half the next, and when each ends.

    The evaluations are shared out evenly, the seconds by the area, so that either gives the same pyramid.
    """
    count, steps = known(settings.scales), known(settings.steps)
    factors = [2**-k for k in reversed(range(count)) if k == 0 or min(size) / 2**k >= SMALLEST_SCALE_PX]
    areas = [factor**2 for factor in factors]
    limit_s = math.inf if settings.seconds is None else settings.seconds
    return [
        Scale(
            (max(1, round(size[0] * factor)), max(1, round(size[1] * factor))),
            round(steps * k / len(factors)),
            limit_s * sum(areas[:k]) / sum(areas),
        )
        for k, factor in enumerate(factors, start=1)
    ]


class Kept:
    """What a scale has come to: the canvas of the lowest loss, a running mean, or the last where losses do not compare.

    Attributes:
        image: (1, 3, H, W) in [0, 1], None before the first evaluation.
        scalars: its losses, None where it was not measured itself.
        last: the losses of the last evaluation.
        number: the evaluation that it comes from.
        seen: the last evaluation, those of earlier scales included.
        losses: the total loss of every evaluation of this scale.
    """

    def __init__(self, settings: OptimizationSettings, seen: int) -> None:
        self._average, self._is_comparable = settings.average, settings.jitter == 0
        self.image: Tensor | None = None
        self.scalars: dict[str, float] | None = None
        self.last: dict[str, float] = {}
        self.number = self.seen = seen
        self._first = seen + 1
        self.losses: list[float] = []

    @torch.no_grad()
    def take(self, image: Tensor, scalars: dict[str, float]) -> None:
        """Take one evaluation."""
        self.seen += 1
        self.last = scalars
        loss, lowest = scalars["loss/total"], min(self.losses, default=math.inf)
        self.losses.append(loss)
        if self.image is None:
            self.image = image.clone()
        elif self._average:
            # 1 / n at first: the mean of few must not lean on the very first.
            self.image.lerp_(image, max(1 - self._average, 1 / len(self.losses)))
        elif loss < lowest or not self._is_comparable:
            self.image.copy_(image)
        else:
            return
        self.scalars = scalars if self._is_comparable and not self._average else None
        self.number = self.seen

    @property
    def is_stuck(self) -> bool:
        """Whether several evaluations found no canvas that is better than the first."""
        return self.number == self._first < self.seen

    def is_converged(self, tolerance: float) -> bool:
        """Return whether the lowest loss fell by less than this share over the last evaluations."""
        if not tolerance or len(self.losses) <= CONVERGED_OVER:
            return False
        return min(self.losses) > (1 - tolerance) * min(self.losses[:-CONVERGED_OVER])
