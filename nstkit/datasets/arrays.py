"""A data set as arrays in memory, and its split into train, validation and test."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

SPLIT_SEED = 0  # apart from the training's seed, so that runs of several seeds are validated on the same pictures


@dataclass(frozen=True)
class LabelledImages:
    """Pictures and their classes.

    Attributes:
        images: (N, H, W, 3), sRGB, 0 to 255. Channels last: a random crop then copies whole pixels.
        labels: (N,), class indices.
    """

    images: UInt8[Tensor, "n h w 3"]
    labels: Int64[Tensor, "n"]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size_px(self) -> int:
        """Side of the square pictures."""
        return self.images.shape[1]

    @property
    def device(self) -> torch.device:
        """Where `read` puts its batches."""
        return self.images.device

    def read(
        self, order: Int64[Tensor, "m"], batch_size: int
    ) -> Iterator[tuple[UInt8[Tensor, "b h w 3"], Int64[Tensor, "b"]]]:
        """Yield the pictures at `order` and their labels, `batch_size` at a time; the last batch may be smaller.

        Args:
            order: (M,), indices of this part, on any device.
            batch_size: pictures a batch, at least 1.
        """
        order = order.to(self.device)
        for start in range(0, len(order), batch_size):
            index = order[start : start + batch_size]
            yield self.images[index], self.labels[index]

    def take(self, index: Int64[Tensor, "m"]) -> "LabelledImages":
        """Return the pictures at `index`."""
        return LabelledImages(self.images[index], self.labels[index])

    def to(self, device: torch.device) -> "LabelledImages":
        """Return the same on a device."""
        return LabelledImages(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Dataset:
    """Three disjoint parts, the class names, and the training part's mean and deviation per channel in [0, 1].

    Validation pictures come out of the public training set; the test set is looked at once, at the end.
    """

    name: str
    classes: tuple[str, ...]
    train: LabelledImages
    val: LabelledImages
    test: LabelledImages
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def size_px(self) -> int:
        """Side of the square pictures."""
        return self.train.size_px

    def to(self, device: torch.device) -> "Dataset":
        """Return the same on a device."""
        return replace(self, train=self.train.to(device), val=self.val.to(device), test=self.test.to(device))


def build_dataset(
    name: str, classes: tuple[str, ...], train: LabelledImages, val: LabelledImages, test: LabelledImages
) -> Dataset:
    """Return the data set with the training part's statistics filled in."""
    pixels = train.images[:: max(1, len(train) // 20_000)].reshape(-1, 3).numpy()
    mean = pixels.mean(axis=0, dtype=np.float64) / 255
    std = np.maximum(pixels.std(axis=0, dtype=np.float64) / 255, 1e-3)  # a floor for pictures of one colour
    return Dataset(name, classes, train, val, test, tuple(map(float, mean)), tuple(map(float, std)))


def split_off(part: LabelledImages, fraction: float) -> tuple[LabelledImages, LabelledImages]:
    """Return (rest, held out): a stratified share of each class, at least one picture, always the same ones."""
    labels = part.labels.numpy()
    random = np.random.default_rng(SPLIT_SEED)
    held_out: list[NDArray[np.int64]] = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        held_out.append(members[: max(1, round(len(members) * fraction))])
    is_held_out = np.zeros(len(labels), bool)
    is_held_out[np.concatenate(held_out)] = True
    index = torch.arange(len(labels))
    return part.take(index[~torch.from_numpy(is_held_out)]), part.take(index[torch.from_numpy(is_held_out)])


def resize_dataset(data: Dataset, size_px: int | None) -> Dataset:
    """Return the data set with square pictures of another side; None = as they are."""
    if size_px in (None, data.size_px):
        return data

    def resize(part: LabelledImages) -> LabelledImages:
        chunks = [
            functional.interpolate(chunk.permute(0, 3, 1, 2).float(), size_px, mode="bicubic", antialias=True)
            for chunk in part.images.split(1024)
        ]
        images = torch.cat([chunk.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous() for chunk in chunks])
        return LabelledImages(images, part.labels)

    return replace(data, train=resize(data.train), val=resize(data.val), test=resize(data.test))
