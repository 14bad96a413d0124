"""A part of a data set that stays on the disk: pictures are decoded when they are read."""

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray
from PIL import ImageOps
from torch import Tensor
from torch.utils.data import DataLoader

from nstkit.cores import cores
from nstkit.errors import UserError, first_line
from nstkit.pictures.read import read_picture


def read_square(path: Path, size_px: int) -> NDArray[np.uint8]:
    """Return a picture (S, S, 3), sRGB, 0 to 255: the shorter side scaled to `size_px`, cropped at the centre.

    Grey, palette, transparent and 16-bit pictures become RGB of 8 bits (`nstkit.pictures.read.read_picture`).

    Raises:
        UserError: for a file that is not a whole picture.
        MemoryError: which says nothing about the file.
    """
    return np.array(ImageOps.fit(read_picture(path), (size_px, size_px)))


@dataclass(frozen=True)
class LabelledFiles:
    """Picture files and their classes; used like `nstkit.datasets.arrays.LabelledImages`, but for `images`.

    Attributes:
        root: folder that the names start from.
        names: (N,), paths below `root` with forward slashes, StringDType (a million take 100 MB, shared by workers).
        labels: (N,), class indices.
        size_px: side of the square pictures that are read.
    """

    root: Path
    names: np.ndarray
    labels: Int64[Tensor, "n"]
    size_px: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where `read` puts its batches."""
        return self.labels.device

    def read(
        self, order: Int64[Tensor, "m"], batch_size: int
    ) -> Iterator[tuple[UInt8[Tensor, "b h w 3"], Int64[Tensor, "b"]]]:
        """Yield the pictures at `order` and their labels, `batch_size` at a time; the last batch may be smaller.

        Worker processes, one less than there are cores, decode ahead, two batches each. The pictures are those that
        reading the same files into memory gives, bit for bit.

        Args:
            order: (M,), indices of this part, on any device.
            batch_size: pictures a batch, at least 1.

        Raises:
            UserError: when a file cannot be read any more, or a worker has died.
        """
        order = order.cpu()
        labels = self.labels[order.to(self.device)].split(batch_size)
        loader = DataLoader(
            _Decoder(self.root, self.names, self.size_px),
            batch_size,
            sampler=order.tolist(),
            num_workers=min(cores() - 1, len(labels)),
            collate_fn=_stack,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # the loader draws a seed: not from the training's random numbers
        )
        for images, batch_labels in zip(_one_line_errors(loader), labels, strict=False):
            yield images.to(self.device, non_blocking=True), batch_labels

    def take(self, index: Int64[Tensor, "m"]) -> "LabelledFiles":
        """Return the files at `index`."""
        return replace(self, names=self.names[index.cpu().numpy()], labels=self.labels[index.to(self.device)])

    def join(self, other: "LabelledFiles") -> "LabelledFiles":
        """Return the files of both, these first. Of two roots, such as DIR/train and DIR/val, the new one is DIR."""
        assert self.size_px == other.size_px
        root = Path(os.path.commonpath([self.root, other.root]))
        names = np.concatenate([self._names_below(root), other._names_below(root)])
        return replace(self, root=root, names=names, labels=torch.cat([self.labels, other.labels]))

    def _names_below(self, root: Path) -> np.ndarray:
        if root == self.root:
            return self.names
        return np.strings.add(np.array(f"{self.root.relative_to(root).as_posix()}/", self.names.dtype), self.names)

    def to(self, device: torch.device) -> "LabelledFiles":
        """Return the same, read onto a device."""
        return replace(self, labels=self.labels.to(device))


class _Decoder(torch.utils.data.Dataset[Tensor | str]):
    """What a worker process holds."""

    def __init__(self, root: Path, names: np.ndarray, size_px: int) -> None:
        self.root, self.names, self.size_px = root, names, size_px

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor | str:
        try:
            return torch.from_numpy(read_square(self.root / str(self.names[index]), self.size_px))
        except UserError as error:  # as text: an exception would arrive with the worker's traceback in its message
            return str(error)


def _stack(pictures: list[Tensor | str]) -> Tensor | str:
    broken = next((picture for picture in pictures if isinstance(picture, str)), None)
    return torch.stack([picture for picture in pictures if isinstance(picture, Tensor)]) if broken is None else broken


def _one_line_errors(loader: DataLoader[Tensor | str]) -> Iterator[Tensor]:
    with warnings.catch_warnings():
        # Python warns of fork in a process with threads; a worker only decodes and touches none of their locks.
        warnings.filterwarnings("ignore", message=".*multi-threaded", category=DeprecationWarning)
        batches = iter(loader)
    try:
        for images in batches:
            if isinstance(images, str):
                raise UserError(f"{images} It was readable when the data set was loaded.")
            yield images
    except RuntimeError as error:
        if "worker" not in str(error):
            raise
        raise UserError(
            f"a process that reads pictures has ended ({first_line(error)}): too little memory or /dev/shm?"
        ) from error
