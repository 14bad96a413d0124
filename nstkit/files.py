"""Files that are whole or not there: written under a temporary name, flushed to the disk, then renamed."""

import contextlib
import csv
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from nstkit.errors import UserError

UNFINISHED = re.compile(r"\..+\.[a-z0-9_]{8}\.nstkit-part")
"""The names that `write_atomically` gives to files until they are whole."""


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` with an open file and give it its final name only once all of it is on the disk.

    Whatever stood under `path` before stays as it was if anything fails. The folder is made if need be.

    Raises:
        OSError: when the folder cannot be written or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{_cut(path.name)}.", suffix=".nstkit-part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text atomically; what is no UTF-8 in a path is escaped."""
    write_atomically(path, lambda file: file.write(text.encode(errors="backslashreplace")))


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table atomically; a column for every key that any row has, in the order in which they first occur.

    Args:
        path: of the file.
        rows: values by column; where a row has none the cell is empty. What is no UTF-8 in a path is escaped.
    """
    table = io.StringIO()
    writer = csv.DictWriter(table, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, table.getvalue())


def check_writable(folder: Path) -> None:
    """Make the folder if need be and raise `UserError` where nothing can be written into it."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write a file or folder into `UserError`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path.absolute()}: cannot be written ({error.strerror or error}).") from error


def clear_unfinished(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder and the folders in it; no process may be writing."""
    for path in [*folder.glob(".*"), *folder.glob("*/.*")]:
        if UNFINISHED.fullmatch(path.name) and path.is_file():
            path.unlink()


def _cut(name: str) -> str:
    """Return the beginning of a file name: with what is added to it, it must not be longer than 255 bytes."""
    return os.fsdecode(os.fsencode(name)[:200])


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
