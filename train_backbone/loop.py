"""The training loop. It knows no files and no screen: it hands a small record to one callback."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from nstkit.config import Precision
from nstkit.datasets.arrays import Dataset
from nstkit.errors import UserError
from nstkit.hardware import autocast, memory_format_of
from train_backbone.augment import EpochPlan, crop_and_flip, normalise, plan_epoch
from train_backbone.config import TrainConfig
from train_backbone.evaluate import evaluate
from train_backbone.schedule import ByBatch, WarmupPlateau, build_schedule

STEPS_A_RECORD = 20


@dataclass
class Training:
    """All that changes while a network is trained."""

    model: nn.Module
    averaged: AveragedModel | None
    optimizer: torch.optim.Optimizer
    schedule: WarmupPlateau | ByBatch
    scaler: torch.amp.GradScaler
    step: int = 0
    epoch: int = 0
    best_top1: float = -1.0

    @property
    def measured(self) -> nn.Module:
        """The network that is validated and saved: the averaged one where there is one."""
        return self.model if self.averaged is None else self.averaged.module

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule, "scaler": self.scaler}
        return parts if self.averaged is None else {**parts, "averaged": self.averaged}

    def state_dict(self) -> dict[str, Any]:
        """Return all that resuming needs."""
        counters = {"step": self.step, "epoch": self.epoch, "best_top1": self.best_top1}
        return {**{name: part.state_dict() for name, part in self._parts().items()}, **counters}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a saved state."""
        # The optimizer's sums lie in memory as the weights did when they were saved. The fused step does not look: with
        # weights in another order it would mix the entries up.
        memory_format = memory_format_of(state["model"].values())
        for network in (self.model, self.averaged):
            if network is not None:
                network.to(memory_format=memory_format)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step, self.epoch, self.best_top1 = state["step"], state["epoch"], state["best_top1"]


@dataclass(frozen=True)
class Record:
    """What the loop reports: every few steps, and at the end of each epoch.

    Attributes:
        step: optimizer steps done.
        epoch: epochs done.
        scalars: by tag, such as `train/loss`.
        is_epoch_end: validation has been measured.
        is_best: no earlier epoch had a higher validation top-1.
    """

    step: int
    epoch: int
    scalars: dict[str, float] = field(default_factory=dict)
    is_epoch_end: bool = False
    is_best: bool = False


def prepare_training(model: nn.Module, config: TrainConfig, steps_an_epoch: int, precision: Precision) -> Training:
    """Return a training at step 0, from resolved settings."""
    device = next(model.parameters()).device
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=config.lr, fused=device.type in ("cuda", "cpu"))
    averaged = (
        AveragedModel(model, multi_avg_fn=warmed_up_average(config.ema), use_buffers=True) if config.ema else None
    )
    warmup_steps = round(config.warmup_epochs * steps_an_epoch)
    schedule = build_schedule(config.schedule, optimizer, config.max_steps, warmup_steps, config.patience)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
    return Training(model, averaged, optimizer, schedule, scaler)


def warmed_up_average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor | int], None]:
    """Return an exponential average whose early steps do not remember the random start: min(decay, (1+t)/(10+t))."""

    def update(averaged: list[Tensor], current: list[Tensor], steps: Tensor | int) -> None:
        weight = 1 - min(decay, (1 + int(steps)) / (10 + int(steps)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, weight)
        else:  # batch norm's counter
            torch._foreach_copy_(averaged, current)

    return update


def train(
    training: Training, data: Dataset, config: TrainConfig, precision: Precision, report: Callable[[Record], None]
) -> None:
    """Train until `config.max_steps`, reporting to `report`. `data` lies on the model's device.

    Raises:
        UserError: when the loss is no longer finite.
    """
    device = data.train.images.device
    memory_format = memory_format_of(training.model.parameters())
    mean, std = (torch.tensor(values, device=device) for values in (data.mean, data.std))
    batch_size = min(config.batch_size, len(data.train))
    steps_an_epoch = len(data.train) // batch_size
    while training.step < config.max_steps:
        started = time.perf_counter()
        training.model.train()
        plan = plan_epoch(len(data.train), data.size_px, config.seed, training.epoch, device)
        sums = torch.zeros(3, device=device)  # loss, correct, norm of the gradient
        batches = min(steps_an_epoch, config.max_steps - training.step)
        for batch in range(batches):
            images, labels = take_batch(data, plan, slice(batch * batch_size, (batch + 1) * batch_size))
            images = normalise(images, mean, std).contiguous(memory_format=memory_format)
            sums += train_step(training, images, labels, config, precision)
            steps = batch % STEPS_A_RECORD + 1
            if steps == STEPS_A_RECORD or batch == batches - 1:
                loss, correct, norm = (sums / steps).tolist()
                sums.zero_()
                if not math.isfinite(loss):
                    raise UserError(f"the loss is {loss} at step {training.step}: lower --lr (now {config.lr:g}).")
                scalars = {"train/loss": loss, "train/top1": correct / batch_size, "opt/grad_norm": norm}
                scalars["opt/lr"] = training.optimizer.param_groups[0]["lr"]
                scalars["time/images_per_s"] = (batch + 1) * batch_size / (time.perf_counter() - started)
                report(Record(training.step, training.epoch, scalars))
        train_s = time.perf_counter() - started
        val = evaluate(training.measured, data.val, mean, std, precision)
        training.epoch += 1
        training.schedule.step_epoch(val["top1"])
        is_best = val["top1"] > training.best_top1
        training.best_top1 = max(val["top1"], training.best_top1)
        scalars = {f"val/{name}": value for name, value in val.items()} | {"time/epoch_s": train_s}
        report(Record(training.step, training.epoch, scalars, is_epoch_end=True, is_best=is_best))


def take_batch(data: Dataset, plan: EpochPlan, where: slice) -> tuple[Tensor, Tensor]:
    """Return augmented pictures (B, H, W, 3), uint8, and their labels (B,)."""
    index = plan.order[where]
    images = crop_and_flip(data.train.images, index, plan.shift[where], plan.is_flipped[where])
    return images, data.train.labels[index]


def train_step(training: Training, images: Tensor, labels: Tensor, config: TrainConfig, precision: Precision) -> Tensor:
    """Do one optimizer step; return (3,): the loss, the number of correct pictures, the gradient's norm unclipped."""
    model, scaler = training.model, training.scaler
    with autocast(images.device, precision):
        logits = model(images)
    loss = functional.cross_entropy(logits.float(), labels, label_smoothing=config.label_smoothing)
    training.optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(training.optimizer)
    norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip)
    scaler.step(training.optimizer)
    scaler.update()
    training.schedule.step_batch()
    if training.averaged is not None:
        training.averaged.update_parameters(model)
    training.step += 1
    return torch.stack([loss.detach(), (logits.argmax(1) == labels).sum().float(), norm])
