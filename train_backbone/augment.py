"""Random crop and flip of a batch, as one indexing operation on pictures that lie in memory as bytes."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor


@dataclass(frozen=True)
class EpochPlan:
    """Order and augmentation of every picture of one epoch.

    Drawn for the whole epoch at once from (seed, epoch) alone, so neither the batch size nor the number of processes
    nor a resume changes what happens to a picture.
    """

    order: Int64[Tensor, "n"]
    shift: Int64[Tensor, "n 2"]
    is_flipped: Bool[Tensor, "n"]


def plan_epoch(count: int, size_px: int, seed: int, epoch: int, device: torch.device) -> EpochPlan:
    """Return the plan: a permutation, shifts of up to an eighth of the side, and flips of half of the pictures."""
    generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
    reach = size_px // 8
    order = torch.randperm(count, generator=generator)
    shift = torch.randint(-reach, reach + 1, (count, 2), generator=generator)
    is_flipped = torch.rand(count, generator=generator) < 0.5
    return EpochPlan(order.to(device), shift.to(device), is_flipped.to(device))


def crop_and_flip(
    images: UInt8[Tensor, "n h w 3"],
    index: Int64[Tensor, "b"],
    shift: Int64[Tensor, "b 2"],
    is_flipped: Bool[Tensor, "b"],
) -> UInt8[Tensor, "b h w 3"]:
    """Return the pictures at `index`, shifted by (dy, dx) pixels with mirrored borders, some of them mirrored."""
    height, width = images.shape[1:3]
    rows = mirror(torch.arange(height, device=images.device) + shift[:, :1], height)
    columns = torch.arange(width, device=images.device).expand(len(index), width)
    columns = torch.where(is_flipped[:, None], columns.flip(1), columns)
    columns = mirror(columns + shift[:, 1:], width)
    return images[index[:, None, None], rows[:, :, None], columns[:, None, :]]


def mirror(position: Int64[Tensor, "..."], size: int) -> Int64[Tensor, "..."]:
    """Return positions brought back into 0 ... size - 1 by reflection at the border pixels."""
    position = position.abs()
    return torch.where(position >= size, 2 * (size - 1) - position, position)


def normalise(
    images: UInt8[Tensor, "b h w 3"], mean: Float[Tensor, "3"], std: Float[Tensor, "3"]
) -> Float[Tensor, "b 3 h w"]:
    """Return the network's input, float32 with the channels last in memory."""
    return ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)
