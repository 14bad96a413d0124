"""Which files are pictures, and which lie in a folder."""

from collections.abc import Iterable
from pathlib import Path

from nstkit.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")


def list_pictures(paths: Iterable[Path]) -> list[Path]:
    """Return the files given and, for each folder given, the pictures in it in alphabetical order."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        members = sorted(member for member in path.iterdir() if member.suffix.lower() in SUFFIXES)
        if not members:
            raise UserError(f"{path.absolute()}: no picture in this folder. Pictures end in {', '.join(SUFFIXES)}.")
        found += members
    return found
