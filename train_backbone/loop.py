"""The training loop. It knows no files and no screen: it hands a small record to one callback."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.profiler import record_function

from nstkit.config import Precision
from nstkit.hardware import autocast, memory_format_of
from nstkit.settings import known
from train_backbone.adversarial import perturbed
from train_backbone.config import TrainConfig
from train_backbone.evaluate import evaluate
from train_backbone.feed import Batch, Feed
from train_backbone.training import LOWEST_SCALE, Training
from train_backbone.watchdog import Death

STEPS_A_RECORD = 20


@dataclass(frozen=True)
class Record:
    """What the loop reports: every few steps, and at the end of each epoch.

    Attributes:
        step: optimizer steps done.
        epoch: epochs done.
        scalars: by tag, such as `train/loss`.
        kept_epoch: the part of an epoch that is done now, such as 0.3, where a checkpoint of it is to be kept.
        is_before_validation: whether the steps of the epoch are done and its validation follows.
        is_epoch_end: whether the validation has been measured.
        is_best: whether every earlier epoch had a lower validation top-1.
        death: what the watchdog saw, where it has rolled the training back to `step`.
    """

    step: int
    epoch: int
    scalars: dict[str, float] = field(default_factory=dict)
    kept_epoch: float | None = None
    is_before_validation: bool = False
    is_epoch_end: bool = False
    is_best: bool = False
    death: str = ""


def train(
    training: Training, feed: Feed, config: TrainConfig, precision: Precision, report: Callable[[Record], None]
) -> None:
    """Train until `max_steps`, or until validation stalls for `early_stop` epochs.

    Args:
        training: is changed; it may be at any step.
        feed: gives the pictures, on the device of the network.
        config: resolved settings.
        precision: fp32, bf16 or fp16.
        report: called in every process, with the same numbers.

    Raises:
        UserError: when the network dies more than `retries` times.
    """
    is_final_fit = config.progress.final_fit is not None
    # The second: a state that was saved after the last step of an epoch still has to be validated.
    while not is_done(training, config) or training.batch:
        started = time.perf_counter()
        try:
            train_epoch(training, feed, config, precision, report)
        except Death as death:
            training.roll_back(death, config.progress.retries)
            report(Record(training.step, training.epoch, death=f"{death}; now {training.rate:.2g}"))
            continue
        train_s = time.perf_counter() - started
        rate = training.rate
        # A final fit has seen the validation pictures: the rate is replayed, and the last epoch counts.
        val = {} if is_final_fit else validate(training, feed, precision)
        top1 = val.get("top1", 0.0)
        training.schedule.step_epoch(top1)
        is_best = is_final_fit or top1 > training.best_top1
        training.best_top1 = max(top1, training.best_top1)
        measured = {f"val/{name}": value for name, value in val.items()}
        training.end_epoch({**measured, "lr": rate, "rate_factor": training.rate_factor})
        scalars = {**measured, "time/epoch_s": train_s}
        report(Record(training.step, training.epoch, scalars, is_epoch_end=True, is_best=is_best))


def is_done(training: Training, config: TrainConfig) -> bool:
    """Return whether no further epoch is due."""
    recipe = config.recipe
    return training.step >= known(recipe.max_steps) or has_stalled(training.history, recipe.early_stop)


def has_stalled(history: list[dict[str, Any]], patience: int | None) -> bool:
    """Return whether the best validation top-1 is `patience` epochs old or older."""
    top1 = [epoch["val/top1"] for epoch in history if "val/top1" in epoch]
    return patience is not None and bool(top1) and len(top1) - 1 - top1.index(max(top1)) >= patience


def validate(training: Training, feed: Feed, precision: Precision) -> dict[str, float]:
    """Return the measures of the validation pictures, over all processes."""
    return evaluate(training.measured, feed.data.val, feed.data, precision, feed.ranks)


def train_epoch(
    training: Training, feed: Feed, config: TrainConfig, precision: Precision, report: Callable[[Record], None]
) -> None:
    """Do what is left of an epoch, or of the run if that is less."""
    started, first = time.perf_counter(), training.batch
    device = feed.data.train.device
    memory_format = memory_format_of(training.model.parameters())
    training.model.train()
    last = min(feed.batches_an_epoch, first + known(config.recipe.max_steps) - training.step)
    if first >= last:
        return
    kept = kept_steps(config.progress.keep_epochs, feed.batches_an_epoch)
    sums = torch.zeros(4, device=device)  # of what `train_step` returns
    for batch in feed.read(training.epoch, first, training.step):
        sums += train_step(training, batch, config, precision, memory_format, feed.ranks.rank, feed.data.std)
        if training.step in kept:
            report(Record(training.step, training.epoch, kept_epoch=kept[training.step]))
        steps = (training.batch - 1) % STEPS_A_RECORD + 1
        if steps == STEPS_A_RECORD or training.batch == last:
            loss, top1, norm, skipped = feed.ranks.mean(sums / steps).tolist()
            sums.zero_()
            norm = norm / (1 - skipped) if skipped < 1 else 0.0
            if config.progress.retries:
                training.watchdog.look(training.step, loss, norm)
            scalars = {"train/loss": loss, "train/top1": top1, "opt/grad_norm": norm, "opt/lr": training.rate}
            if training.scaler.is_enabled():
                scalars |= {"opt/loss_scale": training.scaler.get_scale(), "opt/skipped_steps": skipped * steps}
            pictures = (training.batch - first) * feed.batch_size
            scalars["time/images_per_s"] = pictures / (time.perf_counter() - started)
            report(Record(training.step, training.epoch, scalars, is_before_validation=training.batch == last))
        if training.batch == last:
            return


def kept_steps(epochs: Sequence[float | int], steps_an_epoch: int) -> dict[int, float]:
    """Return behind which step each part of an epoch is done; whole epochs are left out, as they end in a validation.

    Example:
        >>> kept_steps((0, 0.1, 0.3, 1, 2.5), 20)
        {2: 0.1, 6: 0.3, 50: 2.5}
    """
    return {max(1, round(epoch * steps_an_epoch)): epoch for epoch in epochs if epoch % 1}


def train_step(
    training: Training,
    batch: Batch,
    config: TrainConfig,
    precision: Precision,
    memory_format: torch.memory_format,
    rank: int = 0,
    std: Sequence[float] = (1.0, 1.0, 1.0),
) -> Tensor:
    """Do one optimizer step; return four numbers, (4,). `std` is what the pictures were divided by.

    They are the loss, the share of correct pictures, the norm of the gradient before it is clipped, and 1 where float16
    overflowed, so that the weights stayed as they were; then the norm is 0.
    """
    # What the network draws, such as dropout, follows from the step: a resume needs no random states.
    torch.manual_seed((config.run.seed * 1_000_003 + training.step * 4099 + rank) % 2**63)
    device, parts, forward = batch.images.device, config.recipe.accumulate, training.forward
    training.optimizer.zero_grad()
    seen = torch.zeros(2, device=device)
    for index, part in enumerate(split(batch, parts)):
        # Gradients are exchanged once, with the last part.
        is_last = index == parts - 1
        with nullcontext() if is_last or not isinstance(forward, DistributedDataParallel) else forward.no_sync():
            images = part.images.contiguous(memory_format=memory_format)
            if config.augmentation.adversarial:
                images = harder(training.model, part, images, config, precision, std)
            with (
                record_function("forward"),
                autocast(device, precision),
                admits_small_pictures(training.model, images.shape[2]),
            ):
                logits = forward(images).float()
            loss = target_loss(logits, part, config.recipe.label_smoothing)
            with record_function("backward"):
                training.scaler.scale(loss / parts).backward()
        seen += torch.stack([loss.detach(), (logits.argmax(1) == part.labels).float().mean()]) / parts
    with record_function("optimizer"):
        norm, is_skipped = update(training, config.recipe.clip)
    training.step, training.batch = training.step + 1, training.batch + 1
    return torch.cat([seen, norm[None], norm.new_full((1,), is_skipped)])


def harder(
    network: nn.Module, part: Batch, images: Tensor, config: TrainConfig, precision: Precision, std: Sequence[float]
) -> Tensor:
    """Return the pictures of a part of a batch after an adversarial step; see `perturbed`."""
    with autocast(images.device, precision), admits_small_pictures(network, images.shape[2]):
        return perturbed(
            network,
            images,
            lambda logits: target_loss(logits, part, config.recipe.label_smoothing),
            config.augmentation.adversarial,
            std,
        )


@contextmanager
def admits_small_pictures(model: nn.Module, side_px: int) -> Iterator[None]:
    """Let pooling layers keep the last row and column of odd maps, for pictures under 32 px.

    Otherwise the fifth pooling of a VGG would leave nothing of them.
    """
    poolings = [module for module in model.modules() if isinstance(module, nn.MaxPool2d)] if side_px < 32 else []
    before = [pooling.ceil_mode for pooling in poolings]
    for pooling in poolings:
        pooling.ceil_mode = True
    yield
    for pooling, mode in zip(poolings, before, strict=True):
        pooling.ceil_mode = mode


def split(batch: Batch, parts: int) -> list[Batch]:
    """Return the batch in equal parts."""
    if parts == 1:
        return [batch]
    columns = [getattr(batch, name) for name in Batch.__dataclass_fields__]
    chunks = [[None] * parts if column is None else column.chunk(parts) for column in columns]
    return [Batch(*values) for values in zip(*chunks, strict=True)]


def target_loss(logits: Tensor, batch: Batch, label_smoothing: float) -> Tensor:
    """Return the mean cross-entropy to the labels; a mixed picture has two, each with its share."""
    if batch.share is None or batch.partner_labels is None:
        return functional.cross_entropy(logits, batch.labels, label_smoothing=label_smoothing)
    first, partner = (
        functional.cross_entropy(logits, labels, label_smoothing=label_smoothing, reduction="none")
        for labels in (batch.labels, batch.partner_labels)
    )
    return torch.lerp(partner, first, batch.share).mean()


def update(training: Training, clip: float) -> tuple[Tensor, bool]:
    """Let the optimizer, the schedule and the average take one step.

    Returns:
        The norm of the gradient before it was clipped, and whether the step was skipped, as float16 overflowed.
    """
    optimizer, scaler = training.optimizer, training.scaler
    scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(training.model.parameters(), clip or float("inf"))
    scaler.step(optimizer)
    scale = scaler.get_scale()
    scaler.update()
    is_skipped = scaler.is_enabled() and scaler.get_scale() < scale
    if is_skipped:
        norm = torch.zeros_like(norm)
        scaler.update(max(scaler.get_scale(), LOWEST_SCALE))
    training.schedule.step_batch()
    if training.averaged is not None:
        training.averaged.update_parameters(training.model)
    return norm, is_skipped
