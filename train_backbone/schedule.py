"""The learning rate: warm-up and plateau (moved by validation), cosine or one cycle (moved by steps), or a replay.

Every schedule is a rate `peak x factor`, so that the watchdog can lower the peak and a resume can give another one.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from train_backbone.config import Schedule

SMOOTHING = 0.5  # of the watched validation top-1, which is noisy by half a per cent on 5,000 pictures
DROP = 0.3
LOWEST_RATE = 1e-6


class WarmupPlateau:
    """Linear warm-up, then torch's ReduceLROnPlateau on a smoothed value.

    torch's SequentialLR does not take ReduceLROnPlateau, so the warm-up is ours.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int, patience: int) -> None:
        self._optimizer = optimizer
        self._peak = optimizer.param_groups[0]["lr"]
        self._warmup_steps = warmup_steps
        self._step = 0
        self._smoothed: float | None = None
        self._plateau = ReduceLROnPlateau(
            optimizer, mode="max", factor=DROP, patience=patience, threshold=1e-3, threshold_mode="abs"
        )
        self._plateau.min_lrs = [min(LOWEST_RATE, self._peak)] * len(optimizer.param_groups)
        self._warm()

    @property
    def _rate(self) -> float:
        return self._optimizer.param_groups[0]["lr"]

    def _set(self, rate: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def _warm(self) -> None:
        if self._step < self._warmup_steps:
            self._set(self._peak * (self._step + 1) / self._warmup_steps)

    def step_batch(self) -> None:
        """Go on by one optimizer step."""
        self._step += 1
        self._warm()

    def step_epoch(self, val_top1: float) -> None:
        """Take the validation top-1 of a finished epoch; epochs inside the warm-up do not count."""
        if self._step < self._warmup_steps:
            return
        previous = val_top1 if self._smoothed is None else self._smoothed
        self._smoothed = SMOOTHING * previous + (1 - SMOOTHING) * val_top1
        self._plateau.step(self._smoothed)

    def lower(self, factor: float) -> None:
        """Multiply the peak and the current rate by `factor`."""
        self._peak *= factor
        self._set(self._rate * factor)

    def state_dict(self) -> dict[str, Any]:
        """Return the position. The settings are not part of it: those of the resuming command hold."""
        return {
            "step": self._step,
            "rate": self._rate,
            "peak": self._peak,
            "smoothed": self._smoothed,
            "best": float(self._plateau.best),
            "bad_epochs": int(self._plateau.num_bad_epochs),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved position: this schedule's peak, lowered as often as the saved one was."""
        self._step, self._smoothed = state["step"], state["smoothed"]
        self._plateau.best, self._plateau.num_bad_epochs = state["best"], state["bad_epochs"]
        is_same = self._peak == state["peak"]  # then no rounding: a resume is exact to the bit
        self._set(state["rate"] if is_same else state["rate"] * (self._peak / state["peak"]))
        self._warm()


class BySteps:
    """A rate that depends on the step alone: peak x shape(step)."""

    def __init__(self, optimizer: Optimizer, shape: Callable[[int], float]) -> None:
        self._optimizer, self._shape = optimizer, shape
        self._peak = optimizer.param_groups[0]["lr"]
        self._go_to(0)

    def _go_to(self, step: int) -> None:
        self._step = step
        for group in self._optimizer.param_groups:
            group["lr"] = self._peak * self._shape(step)

    def step_batch(self) -> None:
        """Go on by one optimizer step."""
        self._go_to(self._step + 1)

    def step_epoch(self, val_top1: float) -> None:
        """Do nothing: validation has no say."""

    def lower(self, factor: float) -> None:
        """Multiply the peak and the current rate by `factor`."""
        self._peak *= factor
        self._go_to(self._step)

    def state_dict(self) -> dict[str, Any]:
        """Return the position. The settings are not part of it: those of the resuming command hold."""
        return {"step": self._step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved position of this schedule."""
        self._go_to(state["step"])


def cosine(step: int, total_steps: int, warmup_steps: int) -> float:
    """Return the factor of a linear warm-up followed by half a cosine down to 0 (Loshchilov and Hutter 2017, eq. 5)."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return (1 + math.cos(math.pi * min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps)))) / 2


def one_cycle(step: int, total_steps: int) -> float:
    """Return the factor of one cycle: a cosine up from 1/25 over 30 % of the steps, then one down to 1/250,000.

    Source: Smith and Topin 2018, with the numbers of torch's OneCycleLR.
    """
    low, lowest, top = 1 / 25, 1 / 25e4, max(1e-9, 0.3 * total_steps - 1)
    if step <= top:
        return low + (1 - low) * (1 - math.cos(math.pi * step / top)) / 2
    share = min(1.0, (step - top) / max(1, total_steps - 1 - top))
    return lowest + (1 - lowest) * (1 + math.cos(math.pi * share)) / 2


def build_schedule(
    kind: Schedule, optimizer: Optimizer, total_steps: int, warmup_steps: int, patience: int
) -> WarmupPlateau | BySteps:
    """Return a schedule.

    Args:
        kind: which one.
        optimizer: its rate when this is called is the highest one.
        total_steps: of the run.
        warmup_steps: of the linear rise, 1 or more. onecycle does not need them.
        patience: epochs without progress before plateau lowers the rate.
    """
    if kind == "plateau":
        return WarmupPlateau(optimizer, warmup_steps, patience)
    last = total_steps - 1
    if kind == "onecycle":
        return BySteps(optimizer, lambda step: one_cycle(min(step, last), total_steps))
    return BySteps(optimizer, lambda step: cosine(min(step, last), total_steps, warmup_steps))


def replay_schedule(optimizer: Optimizer, warmup_steps: int, steps_an_epoch: int, ratios: Sequence[float]) -> BySteps:
    """Return a schedule that lowers the rate where an earlier run did, after the same warm-up.

    Args:
        optimizer: its rate when this is called is the highest one.
        warmup_steps: of the linear rise.
        steps_an_epoch: of the new run.
        ratios: rate over peak in each epoch of the earlier run.
    """

    def shape(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        return ratios[min(step // steps_an_epoch, len(ratios) - 1)]

    return BySteps(optimizer, shape)
