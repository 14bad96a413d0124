"""Class folders of pictures, read once into arrays and kept packed beside them, or streamed from the disk.

Layouts: `DIR/train/<class>/...` with optional `DIR/val/` and `DIR/test/`, or `DIR/<class>/...` alone.
What is missing is split off the training pictures: 10 % for validation, 10 % for the test.

Grey, palette, transparent and 16-bit pictures become 8-bit RGB (transparent parts white). Files that are no whole
pictures are left out with one warning; see `nstkit.datasets.packed`.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nstkit.datasets.arrays import Dataset, LabelledImages, Part, build_dataset, split_off
from nstkit.datasets.files import LabelledFiles
from nstkit.datasets.names import Stream
from nstkit.datasets.packed import check_files, leave_out, read_packed
from nstkit.errors import UserError
from nstkit.memory import free_memory_bytes
from nstkit.pictures.kinds import SUFFIXES

HELD_OUT_FRACTION = 0.1


class Listing(NamedTuple):
    """The pictures under `root/<class>/`.

    Attributes:
        root: the folder of class folders.
        names: (N,), paths below `root` with forward slashes, in the order of the classes, then of the alphabet.
        labels: (N,), index of the class.
        classes: in alphabetical order.
    """

    root: Path
    names: np.ndarray
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


def load_folder(root: Path, size_px: int, stream: Stream = "auto") -> Dataset:
    """Return class folders as a data set of square pictures: the shorter side scaled to `size_px`, centre-cropped.

    Args:
        root: folder in one of the layouts above.
        size_px: side of the pictures.
        stream: off = read everything into memory; on = decode pictures when they are used; auto = on where the arrays
            would take more than half of the free memory. The parts and the pictures are the same.

    Raises:
        UserError: for a missing folder, fewer than two classes, an empty class, too many unreadable pictures, or parts
            whose classes differ.
    """
    listings: dict[str, Listing] = {}
    for split in ("train", "val", "test") if (root / "train").is_dir() else (".",):
        if split == "." or (root / split).is_dir():
            listings[split] = list_class_folders(root / split)
    classes = next(iter(listings.values())).classes
    for split, listing in listings.items():
        if odd := sorted(set(listing.classes) ^ set(classes)):
            raise UserError(
                f"{root / split}: its classes differ from those of {root / 'train'} ({', '.join(odd[:5])})."
            )
    is_streamed = use_stream(stream, sum(len(listing.names) for listing in listings.values()), size_px)
    parts = {split: read_listing(listing, size_px, is_streamed=is_streamed) for split, listing in listings.items()}
    train = parts.get("train") or parts["."]
    test, val = parts.get("test"), parts.get("val")
    needed = 1 + (test is None) + (val is None)
    counts = torch.bincount(train.labels, minlength=len(classes)).tolist()
    if few := [name for name, count in zip(classes, counts, strict=True) if count < needed]:
        raise UserError(f"{root}: fewer than {needed} pictures in class {', '.join(few[:5])}, too few to split.")
    if test is None:
        train, test = split_off(train, HELD_OUT_FRACTION)
    if val is None:
        train, val = split_off(train, HELD_OUT_FRACTION)
    return build_dataset("folder", classes, train, val, test)


def list_class_folders(root: Path, ignored: tuple[str, ...] = ()) -> Listing:
    """Return the pictures under `root/<class>/`, but for folders of the `ignored` names and hidden ones.

    Raises:
        UserError: for a missing folder, fewer than two classes, or a class without a picture.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder. Give a folder that holds one folder of pictures a class.")
    folders = (path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    classes = tuple(sorted(set(folders) - set(ignored)))
    if len(classes) < 2:
        found = f"one class ('{classes[0]}')" if classes else "no class folder"
        raise UserError(f"{root}: {found}; at least two are needed, each a folder of pictures.")
    files = [sorted(f"{name}/{member}" for member in _pictures_below(root / name)) for name in classes]
    if empty := [name for name, members in zip(classes, files, strict=True) if not members]:
        raise UserError(f"{root}: no picture in class {', '.join(empty[:5])}. Pictures end in {', '.join(SUFFIXES)}.")
    names = np.array([name for members in files for name in members], np.dtypes.StringDType())
    return Listing(root, names, np.repeat(np.arange(len(classes)), [len(members) for members in files]), classes)


def _pictures_below(folder: Path, inside: str = "") -> Iterator[str]:
    """Yield the paths of pictures below a folder. A million files are many: scandir asks the disk once a folder."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):  # macOS keeps notes beside pictures, `._a.jpg`
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _pictures_below(Path(entry.path), f"{inside}{entry.name}/")
            elif entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                yield inside + entry.name


def read_listing(listing: Listing, size_px: int, *, is_streamed: bool = False) -> Part:
    """Return the readable pictures of a listing, in memory or left on the disk.

    Raises:
        UserError: where too many of them are unreadable.
    """
    root, names, labels, classes = listing
    images, is_readable = (None, check_files(root, names)) if is_streamed else read_packed(root, names, size_px)
    leave_out(root, names, labels, classes, is_readable)
    names, kept = names[is_readable], torch.from_numpy(labels[is_readable])
    if images is None:
        return LabelledFiles(root, names, kept, size_px)
    return LabelledImages(torch.from_numpy(images), kept, names)


def use_stream(stream: Stream, count: int, size_px: int) -> bool:
    """Return whether `count` pictures are streamed; splitting the arrays needs them twice for a moment."""
    if stream == "auto":
        return count * size_px**2 * 3 > free_memory_bytes() / 2
    return stream == "on"
