"""The learning rate: warm-up and plateau (stepped by validation), cosine or one cycle (stepped by batches)."""

import warnings
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR, ReduceLROnPlateau, SequentialLR

from train_backbone.config import Schedule

SMOOTHING = 0.5  # of the watched validation top-1, which is noisy by half a per cent on 5,000 pictures


class WarmupPlateau:
    """Linear warm-up, then torch's ReduceLROnPlateau on a smoothed value.

    torch's SequentialLR does not take ReduceLROnPlateau, so the warm-up is ours.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: int, patience: int) -> None:
        self._optimizer = optimizer
        self._peak = [group["lr"] for group in optimizer.param_groups]
        self._warmup_steps = warmup_steps
        self._step = 0
        self._smoothed: float | None = None
        self._plateau = ReduceLROnPlateau(
            optimizer, mode="max", factor=0.3, patience=patience, threshold=1e-3, threshold_mode="abs", min_lr=1e-6
        )
        self._warm()

    def _warm(self) -> None:
        if self._step < self._warmup_steps:
            for group, peak in zip(self._optimizer.param_groups, self._peak, strict=True):
                group["lr"] = peak * (self._step + 1) / self._warmup_steps

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

    def state_dict(self) -> dict[str, Any]:
        """Return the position, without settings: those of the resuming command hold."""
        plateau = self._plateau
        return {
            "step": self._step,
            "smoothed": self._smoothed,
            "best": float(plateau.best),
            "bad_epochs": int(plateau.num_bad_epochs),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a saved position. The optimizer's own state carries the current rate."""
        self._step, self._smoothed = state["step"], state["smoothed"]
        self._plateau.best, self._plateau.num_bad_epochs = state["best"], state["bad_epochs"]


class ByBatch:
    """A schedule of torch's that depends on the step alone."""

    def __init__(self, scheduler: OneCycleLR | SequentialLR, total_steps: int) -> None:
        self._scheduler, self._total_steps = scheduler, total_steps
        self._first = [group["lr"] for group in scheduler.optimizer.param_groups]

    def step_batch(self) -> None:
        """Go on by one optimizer step."""
        if self._scheduler.last_epoch < self._total_steps - 1:  # one more after the last step would raise
            self._scheduler.step()

    def step_epoch(self, val_top1: float) -> None:
        """Do nothing: validation has no say."""

    def state_dict(self) -> dict[str, Any]:
        """Return the position, without settings: those of the resuming command hold."""
        return {"last_epoch": self._scheduler.last_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go from the start to a saved position, so that the rates are those of this schedule and not of the saved."""
        for group, rate in zip(self._scheduler.optimizer.param_groups, self._first, strict=True):
            group["lr"] = rate
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch misses the optimizer's steps, which were done before the resume
            for _ in range(state["last_epoch"]):
                self.step_batch()


def build_schedule(
    kind: Schedule, optimizer: Optimizer, total_steps: int, warmup_steps: int, patience: int
) -> WarmupPlateau | ByBatch:
    """Return the schedule; the optimizer's rate when this is called is the highest one."""
    warmup_steps = max(1, min(warmup_steps, total_steps // 2))
    if kind == "plateau":
        return WarmupPlateau(optimizer, warmup_steps, patience)
    if kind == "onecycle":
        peak = [group["lr"] for group in optimizer.param_groups]
        return ByBatch(OneCycleLR(optimizer, peak, total_steps=max(total_steps, 2), cycle_momentum=False), total_steps)
    warmup = LinearLR(optimizer, start_factor=1 / (warmup_steps + 1), total_iters=warmup_steps)
    cosine = CosineAnnealingLR(optimizer, T_max=max(1, total_steps - warmup_steps))
    return ByBatch(SequentialLR(optimizer, [warmup, cosine], milestones=[warmup_steps]), total_steps)
