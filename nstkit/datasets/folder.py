"""Class folders of pictures, read once into arrays and kept packed beside them, or streamed from the disk.

Layouts: `DIR/train/<class>/...` with optional `DIR/val/` and `DIR/test/`, or `DIR/<class>/...` alone. The parts may be
called otherwise: see `nstkit.datasets.layout`. What is missing is split off the training pictures: 10 % for validation,
10 % for the test.

Grey, palette, transparent and 16-bit pictures become 8-bit RGB (transparent parts white). Files that are no whole
pictures are left out with one warning; see `nstkit.datasets.packed`.
"""

import os
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nstkit.datasets.arrays import Dataset, LabelledImages, Part, build_dataset, split_off
from nstkit.datasets.files import LabelledFiles
from nstkit.datasets.layout import check_not_nested, find_parts, list_folders, meant_instead, walk
from nstkit.datasets.names import Stream
from nstkit.datasets.packed import check_files, leave_out, read_packed
from nstkit.errors import UserError
from nstkit.memory import free_memory_bytes
from nstkit.names import is_utf8
from nstkit.pictures.kinds import SUFFIXES, foreign_hint, is_picture_name, tell_left_out

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
    if not root.is_dir():
        raise UserError(f"{root}: no such folder. Give a folder that holds one folder of pictures a class.")
    found = find_parts(root)
    listings = {part: list_class_folders(path) for part, path in (found or {"train": root}).items()}
    classes = listings["train"].classes
    for listing in listings.values():
        check_same_classes(listing, listings["train"])
    is_streamed = use_stream(stream, sum(len(listing.names) for listing in listings.values()), size_px)
    parts = {split: read_listing(listing, size_px, is_streamed=is_streamed) for split, listing in listings.items()}
    train, val, test = (parts.get(part) for part in ("train", "val", "test"))
    assert train is not None  # there are none without training pictures
    needed = 1 + (test is None) + (val is None)
    counts = torch.bincount(train.labels, minlength=len(classes)).tolist()
    if few := [name for name, count in zip(classes, counts, strict=True) if count < needed]:
        raise UserError(f"{root}: fewer than {needed} pictures in class {', '.join(few[:5])}, too few to split.")
    if test is None:
        train, test = split_off(train, HELD_OUT_FRACTION)
    if val is None:
        train, val = split_off(train, HELD_OUT_FRACTION)
    return build_dataset("folder", classes, train, val, test)


def check_same_classes(listing: Listing, other: Listing) -> None:
    """Raise `UserError` where a listing has other classes than that of the training pictures."""
    if odd := sorted(set(listing.classes) ^ set(other.classes)):
        raise UserError(f"{listing.root}: its classes differ from those of {other.root} ({', '.join(odd[:5])}).")


def list_class_folders(root: Path, ignored: tuple[str, ...] = ()) -> Listing:
    """Return the pictures under `root/<class>/`, without folders of the `ignored` names and clutter.

    Links are followed. One warning tells of pictures that are left out: of formats that are not read, beside the class
    folders, links to nothing.

    Raises:
        UserError: for a missing folder, fewer than two classes, a class without a picture, or folders that are none.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder. Give a folder that holds one folder of pictures a class.")
    classes = tuple(name for name in list_folders(root) if name not in ignored)
    if len(classes) < 2:
        raise UserError(f"{root}: {_told_of_too_few(root, classes)}")
    members: dict[str, list[str]] = {}
    odd = [(path, "beside the class folders") for path in sorted(_pictures_beside_folders(root))]
    for name in classes:
        if not is_utf8(name):
            raise UserError(f"{root}: the name of the folder {name} is not UTF-8. Rename it.")
        members[name], left_aside = _pictures_below(root / name)
        odd += [(f"{name}/{path}", reason) for path, reason in left_aside]
    told = tell_left_out(odd)
    if empty := [name for name, paths in members.items() if not paths]:
        raise UserError(
            f"{root}: no picture in class {', '.join(empty[:5])}{told and f' ({told})'}. Pictures end in "
            f"{', '.join(SUFFIXES)}."
        )
    check_not_nested(root, members)
    if told:
        warnings.warn(f"{root}: {told}", stacklevel=2)
    names = np.array([f"{name}/{path}" for name, paths in members.items() for path in paths], np.dtypes.StringDType())
    return Listing(root, names, np.repeat(np.arange(len(classes)), [len(paths) for paths in members.values()]), classes)


def _pictures_below(folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the paths of the pictures below a folder in alphabetical order, and those left aside with the reason."""
    pictures, left_aside = [], []
    for path, is_file in walk(folder):
        name = os.path.basename(path)
        if hint := foreign_hint(name):
            left_aside.append((path, hint))
        elif not is_picture_name(name):
            continue
        elif not is_file:
            left_aside.append((path, "not a file, or a link to nothing"))
        elif not is_utf8(path):
            left_aside.append((path, "its name is not UTF-8: rename it"))
        else:
            pictures.append(path)
    return sorted(pictures), left_aside


def _pictures_beside_folders(root: Path) -> list[str]:
    with os.scandir(root) as entries:
        return [entry.name for entry in entries if is_picture_name(entry.name) and not entry.is_dir()]


def _told_of_too_few(root: Path, classes: tuple[str, ...]) -> str:
    """Return what is wrong with a folder of fewer than two classes, and what to do."""
    found = f"one class ('{classes[0]}')" if classes else "no class folder"
    told = f"{found}; at least two are needed, each a folder of pictures."
    if (meant := meant_instead(root)) is not None:
        return f"{told} Did you mean {meant}?"
    if tables := sorted(path.name for path in root.iterdir() if path.suffix.lower() in (".csv", ".tsv")):
        return f"{told} Labels in a table ({tables[0]}) are not read: sort the pictures into {root}/<class>/."
    if count := len(_pictures_beside_folders(root)):
        return f"{told} Sort the {count} pictures in it into {root}/<class>/."
    return told


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
