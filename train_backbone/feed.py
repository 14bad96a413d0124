"""Batches as the network takes them: read, augmented and normalised, on the device."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional
from torch.profiler import record_function

from nstkit.datasets.arrays import Dataset
from nstkit.ranks import Ranks
from nstkit.settings import known
from train_backbone.augment import (
    EpochPlan,
    crop_and_flip,
    draw_noise,
    is_inside,
    mix,
    normalise,
    partner_of,
    plan_epoch,
)
from train_backbone.config import TrainConfig
from train_backbone.trivial_augment import apply_operations


@dataclass(frozen=True)
class Batch:
    """This process's part of the pictures of one step.

    Attributes:
        images: normalised pictures.
        labels: class of each picture; where two are mixed, of the one with the larger share.
        partner_labels: class of the other picture. None where no pictures are mixed.
        share: how much of the target `labels` are. None where no pictures are mixed.
    """

    images: Float[Tensor, "b 3 h w"]
    labels: Int64[Tensor, "b"]
    partner_labels: Int64[Tensor, "b"] | None = None
    share: Float[Tensor, "b"] | None = None


@dataclass(frozen=True)
class Feed:
    """The training pictures in the order and augmentation of an epoch.

    Attributes:
        data: the data set, which lies on the device or is read onto it.
        config: resolved settings.
        ranks: the processes. Each gets its slice of every batch, so that together they see what one alone would see.
    """

    data: Dataset
    config: TrainConfig
    ranks: Ranks

    @property
    def batch_size(self) -> int:
        """Pictures in a step, over all processes. A data set that is smaller than a batch is one batch."""
        return min(self.config.recipe.batch_size, len(self.data.train))

    @property
    def batches_an_epoch(self) -> int:
        """Whole batches in an epoch. The pictures that are left out are others in each epoch."""
        return len(self.data.train) // self.batch_size

    def read(self, epoch: int, first: int, step: int) -> Iterator[Batch]:
        """Yield the batches of an epoch from number `first` on, also those behind the end of the run.

        Args:
            epoch: counted from 0.
            first: number of the first batch.
            step: optimizer steps done before it, on which the side of the pictures depends.
        """
        train, device = self.data.train, self.data.train.device
        mean, std = (torch.tensor(values, device=device) for values in (self.data.mean, self.data.std))
        config = self.config
        max_steps = known(config.recipe.max_steps)
        plan = plan_epoch(len(train), self.data.size_px, config.augmentation, seed=config.run.seed, epoch=epoch)
        places = torch.arange(first * self.batch_size, self.batches_an_epoch * self.batch_size)
        places_of_rank = places.view(-1, self.batch_size)[:, self.ranks.take(self.batch_size)]
        rows = plan.take(places_of_rank.flatten(), device)
        size = places_of_rank.shape[1]
        for index, (images, labels) in enumerate(train.read(rows.order, size)):
            with record_function("augment"):
                batch_rows = rows.take(slice(index * size, (index + 1) * size), device)
                side_px = side_at(config.augmentation.progressive, step + index, max_steps, self.data.size_px)
                batch = prepare(images, labels, batch_rows, mean, std, side_px, config.augmentation.noise)
            yield batch


def side_at(early_sides: Sequence[int], step: int, max_steps: int, size_px: int) -> int:
    """Return the side of the pictures at a step [px].

    Args:
        early_sides: smaller sides, which share the first half of the run.
        step: counted from 0.
        max_steps: of the whole run.
        size_px: full side.
    """
    stage = int(2 * len(early_sides) * step / max_steps)
    return early_sides[stage] if stage < len(early_sides) else size_px


def prepare(
    images: UInt8[Tensor, "b h w 3"],
    labels: Int64[Tensor, "b"],
    rows: EpochPlan,
    mean: Float[Tensor, "3"],
    std: Float[Tensor, "3"],
    side_px: int,
    noise_sd: float = 0.0,
) -> Batch:
    """Return pictures after all that the plan has for them.

    Args:
        images: sRGB, 0 to 255.
        labels: their classes.
        rows: their rows of the plan.
        mean: of each channel, in [0, 1].
        std: deviation of each channel.
        side_px: side of the pictures that are returned.
        noise_sd: deviation of the noise, for pictures in [0, 1]. It is added last and not cut off at black and white.
    """
    images = crop_and_flip(images, rows.shift, rows.is_flipped).permute(0, 3, 1, 2).float() / 255
    if rows.operation is not None:
        images = apply_operations(images, rows.operation)
    images = normalise(images, mean, std)
    if rows.erased is not None:
        images = images.masked_fill(is_inside(rows.erased, *images.shape[2:]), 0)
    if side_px != images.shape[2]:
        images = functional.interpolate(images, side_px, mode="bilinear", antialias=True)
    share = None
    if rows.mixed is not None:
        images, share = mix(images, rows.mixed)
    if rows.noise is not None:
        noise = draw_noise(rows.noise, tuple(images.shape[1:]), images.device)
        images = images + noise * (noise_sd / std)[:, None, None]
    if share is None:
        return Batch(images, labels)
    partner_labels = labels[partner_of(len(labels), labels.device)]
    is_lesser = share < 0.5
    labels, partner_labels = (
        torch.where(is_lesser, partner_labels, labels),
        torch.where(is_lesser, labels, partner_labels),
    )
    return Batch(images, labels, partner_labels, torch.where(is_lesser, 1 - share, share))
