"""Which pictures are looked at, and how they reach a network."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from nstkit.datasets.arrays import Part

SEED = 0  # the same pictures for every network, so that they can be compared
BATCH_PIXELS = 256 * 64**2  # a batch holds fewer pictures where these are large
MAX_BATCH = 256


def stratified(labels: Int64[Tensor, " n"], limit: int | None) -> Int64[Tensor, " m"]:
    """Return the indices of at most `limit` pictures, each class by its share, always the same ones; None = all.

    Every beginning of the order is stratified too, and holds every class once it is as long as there are classes.

    Args:
        labels: (N,).
        limit: at least 1.
    """
    values = labels.cpu().numpy()
    order = np.random.default_rng(SEED).permutation(len(values))
    place = np.empty(len(values))
    for label in np.unique(values):
        members = order[values[order] == label]
        place[members] = np.arange(len(members)) / len(members)
    return torch.from_numpy(order[np.argsort(place[order], kind="stable")][:limit].copy())


def batches(
    part: Part, order: Int64[Tensor, " m"], device: torch.device, size_px: int | None = None
) -> Iterator[tuple[Float[Tensor, "b 3 h w"], Int64[Tensor, " b"]]]:
    """Yield pictures as sRGB in [0, 1] and their labels, in this order.

    Args:
        part: of a data set.
        order: indices of the part, (M,).
        device: where they shall be.
        size_px: side that they are scaled to. None = as they are.
    """
    side = size_px or part.size_px
    for images, labels in part.read(order, batch_size(side)):
        image = images.to(device).permute(0, 3, 1, 2).float() / 255
        if image.shape[-1] != side:
            image = functional.interpolate(image, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
        yield image, labels.to(device)


def first_batch(
    part: Part, order: Int64[Tensor, " m"], device: torch.device, size_px: int | None = None
) -> Float[Tensor, "b 3 h w"]:
    """Return the pictures of the first batch of `batches`; no others are read."""
    return next(iter(batches(part, order[: batch_size(size_px or part.size_px)], device, size_px)))[0]


def batch_size(size_px: int, at_most: int | None = None) -> int:
    """Return how many pictures of this side go through a network at once; `at_most` None = `MAX_BATCH`."""
    return max(1, min(MAX_BATCH if at_most is None else at_most, BATCH_PIXELS // size_px**2))
