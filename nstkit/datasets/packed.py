"""Picture files decoded once: into an array kept beside them, or only checked where they stay on the disk.

Files that are no whole pictures are left out with one warning, unless a class loses all of its pictures or more than a
tenth of all are lost: then something is wrong with the data.
"""

import contextlib
import hashlib
import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Bool, UInt8
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from nstkit.datasets.arrays import check_pictures_fit
from nstkit.datasets.files import read_square
from nstkit.errors import UserError
from nstkit.files import write_atomically

READING = 2  # raised whenever other pixels are read from the same file: what was packed before is made anew
MAX_UNREADABLE = 0.1  # share of all files
NAMED = 3  # so many are named in a message


def read_packed(
    root: Path, names: np.ndarray, size_px: int
) -> tuple[UInt8[np.ndarray, "m s s 3"], Bool[np.ndarray, "n"]]:
    """Return the readable pictures (M, S, S, 3) among `names` below `root`, and which of the names they are (N,).

    They are kept in `root/.nstkit-<size>px.npz`; a changed list of files, sizes or dates makes it anew.
    """
    packed, fingerprint = root / f".nstkit-{size_px}px.npz", _fingerprint(root, names)
    found = _load(packed, fingerprint, len(names), size_px)
    if found is not None:
        return found["images"], found["is_readable"]
    check_pictures_fit(len(names), size_px)
    images = np.empty((len(names), size_px, size_px, 3), np.uint8)  # filled in place: no second copy

    def read(index: int) -> None:
        images[index] = read_square(root / str(names[index]), size_px)

    is_readable, is_final = _try_all(read, len(names))
    if not is_readable.all():
        images = images[is_readable]
    if is_final:
        _save(packed, fingerprint, is_readable, images)
    return images, is_readable


def check_files(root: Path, names: np.ndarray) -> Bool[np.ndarray, "n"]:
    """Return which of the names below `root` are readable pictures (N,): each is decoded once, the result is kept.

    Kept in `root/.nstkit-checked.npz`, anew when a list of files, sizes or dates changes. It takes as long as an epoch
    of reading, and saves a training from ending at a broken file days later.
    """
    packed, fingerprint = root / ".nstkit-checked.npz", _fingerprint(root, names)
    found = _load(packed, fingerprint, len(names))
    if found is not None:
        return found["is_readable"]
    is_readable, is_final = _try_all(lambda index: read_square(root / str(names[index]), 1), len(names))
    if is_final:
        _save(packed, fingerprint, is_readable)
    return is_readable


def leave_out(
    root: Path, names: np.ndarray, labels: NDArray[np.int64], classes: tuple[str, ...], is_readable: NDArray[np.bool_]
) -> None:
    """Warn once of the unreadable files.

    Raises:
        UserError: where a class has no readable picture, or more than a tenth of all files are unreadable.
    """
    broken = names[~is_readable]
    if not len(broken):
        return
    first = ", ".join(map(str, broken[:NAMED])) + (", ..." if len(broken) > NAMED else "")
    told = f"{root}: {len(broken)} of {len(names)} files are not readable pictures ({first})"
    left = np.bincount(labels[is_readable], minlength=len(classes))
    if empty := [name for name, count in zip(classes, left, strict=True) if count == 0]:
        raise UserError(f"{told}; none is left in class {', '.join(empty[:NAMED])}. Replace or remove them.")
    if len(broken) > MAX_UNREADABLE * len(names):
        raise UserError(f"{told}, more than {MAX_UNREADABLE:.0%}. Replace or remove them.")
    warnings.warn(f"{told}; they are left out.", stacklevel=2)


def _try_all(read: Callable[[int], object], count: int) -> tuple[NDArray[np.bool_], bool]:
    """Return which of `count` pictures can be read (N,), and whether that would be the same at the next attempt."""
    refused: list[int] = []

    def is_readable(index: int) -> bool:
        try:
            read(index)
        except UserError as error:
            if getattr(error.__cause__, "errno", None) is not None:
                refused.append(index)  # by the system, which says nothing of the picture: rights, a network drive
            return False
        return True

    with ThreadPoolExecutor() as pool:
        # On a terminal only, and only where it takes long.
        progress = tqdm(pool.map(is_readable, range(count)), "pictures", count, leave=False, disable=None, delay=2)
        return np.fromiter(progress, bool, count), not refused


def _fingerprint(root: Path, names: np.ndarray) -> str:
    digest = hashlib.sha256(f"{READING} {Image.__version__}\n".encode())  # decoders change, too
    for name in names:
        facts = os.stat(f"{root}/{name}")
        digest.update(f"{name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _load(packed: Path, fingerprint: str, count: int, size_px: int | None = None) -> dict[str, np.ndarray] | None:
    """Return what is packed of these `count` files, with `images` where a size is given. None where it does not fit."""
    if not os.path.isfile(packed):  # opening a pipe would wait for ever
        return None
    try:
        with open(packed, "rb") as file, np.load(file) as arrays:
            if str(arrays["fingerprint"]) != fingerprint:
                return None
            found = {"is_readable": arrays["is_readable"]} | ({} if size_px is None else {"images": arrays["images"]})
    except Exception:  # whatever is wrong with it, it is made anew
        return None
    is_readable, images = found["is_readable"], found.get("images")
    if is_readable.dtype != bool or is_readable.shape != (count,):
        return None
    if images is not None and (images.dtype, images.shape) != (np.uint8, (is_readable.sum(), size_px, size_px, 3)):
        return None
    return found


def _save(packed: Path, fingerprint: str, is_readable: np.ndarray, images: np.ndarray | None = None) -> None:
    def write(file: BinaryIO) -> None:
        if images is None:
            np.savez(file, fingerprint=fingerprint, is_readable=is_readable)
        else:
            np.savez(file, fingerprint=fingerprint, images=images, is_readable=is_readable)

    with contextlib.suppress(OSError):  # a read-only data folder: the pictures are read again next time
        write_atomically(packed, write)
