"""A data set: three parts, each in memory or left on the disk, and how they are split off each other."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nstkit.datasets.files import LabelledFiles
from nstkit.errors import UserError, too_little_memory
from nstkit.memory import Demand, as_words, free_memory_bytes

RESIZED_PIXELS = 2**24  # at one time, as floats
SPLIT_SEED = 0  # apart from the training's seed, so that runs of several seeds are validated on the same pictures
SAMPLED_IMAGES, SAMPLED_FILES = 20_000, 2_000  # pictures that mean and deviation are taken from


@dataclass(frozen=True)
class LabelledImages:
    """Pictures in memory and their classes.

    Attributes:
        images: (N, H, W, 3), sRGB, 0 to 255. Channels last: a random crop then copies whole pixels.
        labels: (N,), class indices.
        names: (N,), what a picture is called where it comes from; numbers where nothing is given.
    """

    images: UInt8[Tensor, "n h w 3"]
    labels: Int64[Tensor, "n"]
    names: np.ndarray = field(default_factory=lambda: np.empty(0, np.dtypes.StringDType()))

    def __post_init__(self) -> None:
        """Number the pictures that have no names."""
        if not len(self.names):
            object.__setattr__(self, "names", np.arange(len(self.labels)).astype(np.dtypes.StringDType()))

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
        index = index.to(self.device)
        return LabelledImages(self.images[index], self.labels[index], self.names[index.cpu().numpy()])

    def join(self, other: "LabelledImages") -> "LabelledImages":
        """Return the pictures of both, these first."""
        images, labels = torch.cat([self.images, other.images]), torch.cat([self.labels, other.labels])
        return LabelledImages(images, labels, np.concatenate([self.names, other.names]))

    def to(self, device: torch.device) -> "LabelledImages":
        """Return the same on a device.

        Raises:
            UserError: where the device has too little memory.
        """
        advice = f"read them from the disk with --stream on, or lower --image-size (now {self.size_px})."
        with too_little_memory(f"{as_words(self.images.nbytes)} of pictures do not fit on {device}: {advice}"):
            return LabelledImages(self.images.to(device), self.labels.to(device), self.names)


Part = LabelledImages | LabelledFiles


@dataclass(frozen=True)
class Dataset:
    """Three disjoint parts, the class names, and the training part's mean and deviation per channel in [0, 1].

    Validation pictures come out of the public training set; the test set is looked at once, at the end.
    """

    name: str
    classes: tuple[str, ...]
    train: Part
    val: Part
    test: Part
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def size_px(self) -> int:
        """Side of the square pictures."""
        return self.train.size_px

    @property
    def split(self) -> str:
        """The SHA-256 of which picture lies in which part with which label: equal on every machine, at every size."""
        digest = hashlib.sha256()
        for part_name, part in (("train", self.train), ("val", self.val), ("test", self.test)):
            for name, label in zip(part.names, part.labels.tolist(), strict=True):
                digest.update(f"{part_name}\t{name}\t{label}\n".encode())
        return digest.hexdigest()

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures each part has."""
        return {"train": len(self.train), "val": len(self.val), "test": len(self.test)}

    def to(self, device: torch.device) -> "Dataset":
        """Return the same on a device."""
        return replace(self, train=self.train.to(device), val=self.val.to(device), test=self.test.to(device))


def build_dataset(name: str, classes: tuple[str, ...], train: Part, val: Part, test: Part) -> Dataset:
    """Return the data set with the training part's statistics filled in.

    Raises:
        UserError: for a label that is no index of `classes`.
    """
    for part_name, part in (("train", train), ("val", val), ("test", test)):
        wrong = part.labels[(part.labels < 0) | (part.labels >= len(classes))]
        if len(wrong):
            raise UserError(
                f"{name}: {len(wrong)} of {len(part)} labels in '{part_name}' are not 0 to {len(classes) - 1} (such as "
                f"{wrong[0].item()}): the files are damaged. Delete them and get them anew."
            )
    return Dataset(name, classes, train, val, test, *channel_statistics(train))


def channel_statistics(part: Part) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return mean and deviation per channel in [0, 1] of pictures at even distances: up to 20,000, of files 2,000."""
    count = min(len(part), SAMPLED_FILES if isinstance(part, LabelledFiles) else SAMPLED_IMAGES)
    sums, squares, pixels = np.zeros(3), np.zeros(3), 0
    for images, _ in part.read(torch.linspace(0, len(part) - 1, count, dtype=torch.float64).round().long(), 100):
        values = images.flatten(0, 2).double()
        sums += values.sum(0).cpu().numpy()
        squares += values.square().sum(0).cpu().numpy()
        pixels += len(values)
    mean = sums / pixels
    std = np.maximum(
        np.sqrt(np.maximum(squares / pixels - mean**2, 0)) / 255, 1e-3
    )  # a floor for pictures of one colour
    return _as_triple(mean / 255), _as_triple(std)


def _as_triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue


def split_off(part: Part, fraction: float) -> tuple[Part, Part]:
    """Return (rest, held out): a stratified share of each class, at least one picture, always the same ones."""
    labels = part.labels.cpu().numpy()
    random = np.random.default_rng(SPLIT_SEED)
    held_out: list[NDArray[np.int64]] = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        held_out.append(members[: max(1, round(len(members) * fraction))])
    is_held_out = np.zeros(len(labels), bool)
    is_held_out[np.concatenate(held_out)] = True
    return take_where(part, ~is_held_out), take_where(part, is_held_out)


def take_where(part: Part, is_taken: Bool[np.ndarray, "n"]) -> Part:
    """Return the pictures where `is_taken` (N,) is true, in their order."""
    return part.take(torch.from_numpy(np.flatnonzero(is_taken)))


def merge_validation(data: Dataset) -> Dataset:
    """Return the data set for a final fit: its training part holds the validation pictures as well, at the end.

    Its validation part is what it was: measures on it are now measures of training pictures and choose nothing, so the
    length of the training and its schedule have to be fixed before. Mean and deviation stay, `split` is another.
    """
    train, val = data.train, data.val
    if isinstance(train, LabelledFiles):
        assert isinstance(val, LabelledFiles)  # all parts are alike
        return replace(data, train=train.join(val))
    assert isinstance(val, LabelledImages)
    return replace(data, train=train.join(val))


def check_pictures_fit(count: int, size_px: int) -> None:
    """Raise `UserError` where so many pictures cannot be kept in memory, warn where they may not fit."""
    needed = 2 * count * size_px**2 * 3  # laying out or splitting the arrays takes them twice for a moment
    advice = "Lower --image-size; pictures in files can be left on the disk, with --stream on."
    Demand(f"Keeping {count:,} pictures of {size_px} px", needed, free_memory_bytes(), advice).check()


def resize_dataset(data: Dataset, size_px: int | None) -> Dataset:
    """Return the data set in memory with square pictures of another side; None = as they are."""
    if size_px is None or size_px == data.size_px:
        return data
    check_pictures_fit(sum(map(len, (data.train, data.val, data.test))), size_px)

    def resize(part: Part) -> LabelledImages:
        assert isinstance(part, LabelledImages)
        chunks = [
            functional.interpolate(chunk.permute(0, 3, 1, 2).float(), size_px, mode="bicubic", antialias=True)
            for chunk in part.images.split(max(1, RESIZED_PIXELS // size_px**2))
        ]
        images = torch.cat([chunk.round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous() for chunk in chunks])
        return replace(part, images=images)

    return replace(data, train=resize(data.train), val=resize(data.val), test=resize(data.test))
