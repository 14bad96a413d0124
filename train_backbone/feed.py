"""Batches as the network takes them: read, augmented, normalised, on the device."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional
from torch.profiler import record_function

from nstkit.datasets.arrays import Dataset
from nstkit.ranks import Ranks
from train_backbone.augment import EpochPlan, crop_and_flip, is_inside, mix, normalise, partner_of, plan_epoch
from train_backbone.config import TrainConfig
from train_backbone.trivial_augment import apply_operations


@dataclass(frozen=True)
class Batch:
    """This process's part of the pictures of one step.

    Attributes:
        images: normalised.
        labels: class of each picture, of the larger part where two are mixed.
        partner_labels: class of the other picture, None where none are mixed.
        share: of `labels` in the target, None likewise.
    """

    images: Float[Tensor, "b 3 h w"]
    labels: Int64[Tensor, "b"]
    partner_labels: Int64[Tensor, "b"] | None = None
    share: Float[Tensor, "b"] | None = None


@dataclass(frozen=True)
class Feed:
    """The training pictures in the order and augmentation of an epoch.

    Attributes:
        data: lies on the device, or is read onto it.
        config: resolved settings.
        ranks: each process gets its slice of every batch, so all together see what one alone would.
    """

    data: Dataset
    config: TrainConfig
    ranks: Ranks

    @property
    def batch_size(self) -> int:
        """Pictures a step over all processes: a data set smaller than a batch is one."""
        return min(self.config.batch_size, len(self.data.train))

    @property
    def batches_an_epoch(self) -> int:
        """Whole batches; the rest of the pictures is left out, others in each epoch."""
        return len(self.data.train) // self.batch_size

    def read(self, epoch: int, first: int, step: int) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `first` on, without end of the run in view.

        Args:
            epoch: counted from 0.
            first: number of the first batch.
            step: optimizer steps done before it, by which progressive resolution goes.
        """
        train, device = self.data.train, self.data.train.device
        mean, std = (torch.tensor(values, device=device) for values in (self.data.mean, self.data.std))
        plan = plan_epoch(len(train), self.data.size_px, self.config, epoch)
        places = torch.arange(first * self.batch_size, self.batches_an_epoch * self.batch_size)
        own = places.view(-1, self.batch_size)[:, self.ranks.take(self.batch_size)]
        rows = plan.take(own.flatten(), device)
        size = own.shape[1]
        for number, (images, labels) in enumerate(train.read(rows.order, size)):
            with record_function("augment"):
                row = rows.take(slice(number * size, (number + 1) * size), device)
                side_px = side_at(self.config, step + number, self.data.size_px)
                batch = prepare(images, labels, row, mean, std, side_px)
            yield batch


def side_at(config: TrainConfig, step: int, size_px: int) -> int:
    """Return the side of the pictures at a step: those of --progressive share the first half of the run."""
    sides = config.progressive
    stage = int(2 * len(sides) * step / config.max_steps)
    return sides[stage] if stage < len(sides) else size_px


def prepare(
    images: UInt8[Tensor, "b h w 3"],
    labels: Int64[Tensor, "b"],
    row: EpochPlan,
    mean: Float[Tensor, "3"],
    std: Float[Tensor, "3"],
    side_px: int,
) -> Batch:
    """Return pictures after all that `row` plans for them, at `side_px`."""
    images = crop_and_flip(images, row.shift, row.is_flipped).permute(0, 3, 1, 2).float() / 255
    if row.operation is not None:
        images = apply_operations(images, row.operation)
    images = normalise(images, mean, std)
    if row.erased is not None:
        images = images.masked_fill(is_inside(row.erased, *images.shape[2:]), 0)
    if side_px != images.shape[2]:
        images = functional.interpolate(images, side_px, mode="bilinear", antialias=True)
    if row.mixed is None:
        return Batch(images, labels)
    images, share = mix(images, row.mixed)
    partner_labels = labels[partner_of(len(labels), labels.device)]
    is_lesser = share < 0.5
    labels, partner_labels = (
        torch.where(is_lesser, partner_labels, labels),
        torch.where(is_lesser, labels, partner_labels),
    )
    return Batch(images, labels, partner_labels, torch.where(is_lesser, 1 - share, share))
