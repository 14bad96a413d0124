"""All that changes while a network is trained. It can be saved, brought back and rolled back."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import PARAM_LIST, AveragedModel

from nstkit.config import Precision
from nstkit.errors import UserError
from nstkit.hardware import memory_format_of
from nstkit.ranks import Ranks
from nstkit.settings import known
from train_backbone.config import TrainConfig
from train_backbone.schedule import BySteps, WarmupPlateau, build_schedule, replay_schedule
from train_backbone.watchdog import RATE_FACTOR, Death, Watchdog

# Of the float16 loss. Torch begins at 65,536 and halves it with each overflow, which costs a short run its steps.
FIRST_SCALE, LOWEST_SCALE = 1024.0, 1.0
SCALE_AFTER_OVERFLOW, STEPS_TO_DOUBLE_SCALE = 0.25, 100
PARTS = ("model", "optimizer", "schedule", "scaler", "watchdog", "averaged")
COUNTERS = ("step", "epoch", "batch", "best_top1", "rate_factor", "deaths", "history")


@dataclass
class Training:
    """A network in training.

    Attributes:
        forward: the network as it is called, which may be compiled or wrapped for several processes.
        batch: batches done in the current epoch.
        rate_factor: what the watchdog has multiplied the learning rate by.
        history: one plain dict an epoch.
    """

    model: nn.Module
    forward: nn.Module
    averaged: AveragedModel | None
    optimizer: torch.optim.Optimizer
    schedule: WarmupPlateau | BySteps
    scaler: torch.amp.GradScaler
    watchdog: Watchdog
    step: int = 0
    epoch: int = 0
    batch: int = 0
    best_top1: float = -1.0
    rate_factor: float = 1.0
    deaths: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    _snapshot: dict[str, Any] = field(default_factory=dict)

    @property
    def measured(self) -> nn.Module:
        """The network that is validated and saved: the averaged one where there is one."""
        return self.model if self.averaged is None else self.averaged.module

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self.optimizer.param_groups[0]["lr"]

    def _parts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in PARTS if getattr(self, name) is not None}

    def _own_state(self) -> dict[str, Any]:
        counters = {name: getattr(self, name) for name in COUNTERS}
        return {**{name: part.state_dict() for name, part in self._parts().items()}, **counters}

    def state_dict(self) -> dict[str, Any]:
        """Return all that resuming needs. There are no random states: every draw follows from (seed, epoch, step)."""
        # What a dying network would be rolled back to is, at the end of an epoch, the state itself.
        more = {"snapshot": self._snapshot} if self.batch else {}
        return {**self._own_state(), "threads": torch.get_num_threads(), **more}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a saved state. Settings, such as rates and decays, stay those of this training."""
        # The optimizer's sums lie in memory as the weights did when they were saved. The fused step does not look: with
        # weights in another order it would mix the entries up.
        memory_format = memory_format_of(state["model"].values())
        for network in (self.model, self.averaged):
            if network is not None:
                network.to(memory_format=memory_format)
        decays = [group["weight_decay"] for group in self.optimizer.param_groups]
        for name, part in self._parts().items():
            if name == "schedule":
                self._lower_rate(state["rate_factor"] / self.rate_factor)
            if state.get(name):  # an average that begins only now, a scaler that had nothing to scale
                part.load_state_dict(state[name])
        for group, decay in zip(self.optimizer.param_groups, decays, strict=True):
            group["weight_decay"] = decay
        for name in COUNTERS:
            setattr(self, name, copy.copy(state[name]))
        torch.set_num_threads(state.get("threads", torch.get_num_threads()))  # sums in other orders have other bits
        self._snapshot = state.get("snapshot") or copy.deepcopy(self._own_state())

    def _lower_rate(self, factor: float) -> None:
        if factor != 1:
            self.schedule.lower(factor)
            self.rate_factor *= factor

    def end_epoch(self, facts: dict[str, float]) -> None:
        """Count an epoch, keep its facts, and remember this as the state to roll back to."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.history.append({"epoch": self.epoch, "step": self.step, **facts})
        self._snapshot = copy.deepcopy(self._own_state())

    def roll_back(self, death: Death, retries: int) -> None:
        """Go back to the end of the last epoch with a lower rate; raise `UserError` after `retries` times.

        The rate drops as it does on a plateau: smaller steps keep a VGG without batch norm alive.
        """
        deaths, factor = self.deaths + 1, self.rate_factor * RATE_FACTOR
        if deaths > retries:
            raise UserError(
                f"{death}. It was rolled back {retries} times, down to a rate of {self.rate:.2g}. Train with --norm "
                f"batch, or --init lsuv, a smaller --lr and a longer --warmup-epochs."
            )
        self.load_state_dict(copy.deepcopy(self._snapshot))
        self.deaths = deaths
        self._lower_rate(factor / self.rate_factor)
        self._snapshot = copy.deepcopy(self._own_state())


def prepare_training(
    model: nn.Module,
    config: TrainConfig,
    steps_an_epoch: int,
    classes: int,
    precision: Precision,
    ranks: Ranks | None = None,
    replayed: list[float] | None = None,
) -> Training:
    """Return a training at step 0.

    Args:
        model: the network on its device, with its initial weights.
        config: resolved settings.
        steps_an_epoch: batches an epoch.
        classes: number of them.
        precision: fp32, bf16 or fp16.
        ranks: the processes that train it together. None = this one alone.
        replayed: rate over peak in each epoch of an earlier run, for a final fit.
    """
    recipe, max_steps = config.recipe, known(config.recipe.max_steps)
    device = next(model.parameters()).device
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=known(recipe.lr), fused=device.type in ("cuda", "cpu"))
    averaged = AveragedModel(model, use_buffers=True) if recipe.ema else None
    if averaged is not None:
        averaged.multi_avg_fn = warmed_up_average(known(recipe.ema), averaged)
    warmup_steps = max(1, min(round(recipe.warmup_epochs * steps_an_epoch), max_steps // 2))
    schedule = (
        build_schedule(recipe.schedule, optimizer, max_steps, warmup_steps, known(recipe.patience))
        if replayed is None
        else replay_schedule(optimizer, warmup_steps, steps_an_epoch, replayed)
    )
    scaler = torch.amp.GradScaler(
        device.type,
        init_scale=FIRST_SCALE,
        backoff_factor=SCALE_AFTER_OVERFLOW,
        growth_interval=STEPS_TO_DOUBLE_SCALE,
        enabled=precision == "fp16",
    )
    are_labels_random = config.data.label_noise > 0.5
    watchdog = Watchdog(classes, recipe.batch_size, warmup_steps, are_labels_random=are_labels_random)
    forward = torch.compile(model) if config.run.compile else model
    assert isinstance(forward, nn.Module)  # torch.compile says less of what it returns
    if ranks is not None and ranks.count > 1:
        forward = DistributedDataParallel(forward, device_ids=[device] if device.type == "cuda" else None)
    training = Training(model, forward, averaged, optimizer, schedule, scaler, watchdog)
    training._snapshot = copy.deepcopy(training._own_state())
    return training


def warmed_up_average(decay: float, network: AveragedModel) -> Callable[[PARAM_LIST, PARAM_LIST, Tensor | int], None]:
    """Return the update of an exponential average that soon forgets the random start.

    Its decay in step t is min(decay, (1 + t) / (10 + t)).
    """

    def update(averaged: PARAM_LIST, current: PARAM_LIST, _: Tensor | int) -> None:
        steps = int(network.n_averaged)  # it lies on the CPU; the copy handed over is on the GPU, which would wait
        weight = 1 - min(decay, (1 + steps) / (10 + steps))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, weight)
        else:  # batch norm's counter
            torch._foreach_copy_(averaged, current)

    return update
