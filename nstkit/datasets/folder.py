"""Class folders of pictures, read once into arrays and kept packed beside them.

Layouts: `DIR/train/<class>/...` with optional `DIR/val/` and `DIR/test/`, or `DIR/<class>/...` alone.
What is missing is split off the training pictures: 10 % for validation, 10 % for the test.
"""

import contextlib
import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageOps

from nstkit.datasets.arrays import Dataset, LabelledImages, build_dataset, split_off
from nstkit.errors import UserError
from nstkit.files import write_atomically
from nstkit.pictures import SUFFIXES, read_picture

HELD_OUT_FRACTION = 0.1


def load_folder(root: Path, size_px: int) -> Dataset:
    """Return class folders as a data set of square pictures: the shorter side scaled to `size_px`, centre-cropped.

    Raises:
        UserError: for a missing folder, fewer than two classes, an unreadable picture, or parts whose classes differ.
    """
    parts, classes = {}, ()
    for split in ("train", "val", "test") if (root / "train").is_dir() else (".",):
        if split == "." or (root / split).is_dir():
            parts[split], part_classes = read_class_folders(root / split, size_px)
            if classes and part_classes != classes:
                odd = ", ".join(sorted(set(classes) ^ set(part_classes))[:5])
                raise UserError(f"{root / split}: its classes differ from those of {root / 'train'} ({odd}).")
            classes = part_classes
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


def read_class_folders(root: Path, size_px: int) -> tuple[LabelledImages, tuple[str, ...]]:
    """Return the pictures under `root/<class>/`, with labels in alphabetical order of the classes, and the classes.

    The arrays are kept in `root/.nstkit-<size>px.npz`; a changed list of files, sizes or dates makes them anew.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder. Give a folder that holds one folder of pictures a class.")
    classes = tuple(sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")))
    if len(classes) < 2:
        found = f"one class ('{classes[0]}')" if classes else "no class folder"
        raise UserError(f"{root}: {found}; at least two are needed, each a folder of pictures.")
    files = [
        sorted(path for path in (root / name).rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        for name in classes
    ]
    if empty := [name for name, members in zip(classes, files, strict=True) if not members]:
        raise UserError(f"{root}: no picture in class {', '.join(empty[:5])}. Pictures end in {', '.join(SUFFIXES)}.")
    paths = [path for members in files for path in members]
    labels = np.repeat(np.arange(len(classes)), [len(members) for members in files])

    packed, fingerprint = root / f".nstkit-{size_px}px.npz", _fingerprint(root, paths)
    images = _read_packed(packed, fingerprint)
    if images is None:
        with ThreadPoolExecutor() as pool:
            images = np.stack(list(pool.map(lambda path: _read_square(path, size_px), paths)))
        with contextlib.suppress(OSError):  # a read-only data folder: the pictures are read again next time
            write_atomically(packed, lambda file: np.savez(file, images=images, fingerprint=fingerprint))
    return LabelledImages(torch.from_numpy(images), torch.from_numpy(labels)), classes


def _read_square(path: Path, size_px: int) -> NDArray[np.uint8]:
    return np.asarray(ImageOps.fit(read_picture(path), (size_px, size_px)))


def _fingerprint(root: Path, paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        facts = path.stat()
        digest.update(f"{path.relative_to(root)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _read_packed(packed: Path, fingerprint: str) -> NDArray[np.uint8] | None:
    try:
        with open(packed, "rb") as file, np.load(file) as arrays:
            return arrays["images"] if str(arrays["fingerprint"]) == fingerprint else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
