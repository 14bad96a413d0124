"""Finished pictures in a folder. Each carries the key of its job and its numbers: one file, whole or not there."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from nstkit.embedded import SETTINGS, read_texts

if TYPE_CHECKING:
    from torch import Tensor

JOB = "job"
"""Under which the key stands among the numbers."""


class Store:
    """Keeps pictures as `NAME.png`; one process writes.

    Attributes:
        folder: of the pictures.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return where the picture of this name lies, or will."""
        return self.folder / f"{name}.png"

    def find(self, name: str, key: str) -> dict[str, Any] | None:
        """Return what was kept with a picture, None where there is none of that name that this job painted."""
        path = self.path(name)
        if not path.is_file():
            return None
        try:
            numbers = json.loads(read_texts(path).get(SETTINGS, ""))
        except ValueError:
            return None
        return numbers if isinstance(numbers, dict) and numbers.get(JOB) == key else None

    def keep(
        self,
        name: str,
        key: str,
        numbers: dict[str, Any],
        picture: "Image.Image | Tensor",
        exif: Mapping[int, Any] | None = None,
    ) -> Path:
        """Write a finished picture with its numbers, and what is kept of its photograph, inside; return its path."""
        from nstkit.pictures.save import save_picture  # imports torch, which `find` can do without

        save_picture(picture, self.path(name), as_texts({**numbers, JOB: key}), exif)
        return self.path(name)


def as_texts(numbers: dict[str, Any]) -> dict[str, str]:
    """Return the texts of a picture's file that say what made it."""
    return {"Software": "nstkit", SETTINGS: json.dumps(numbers)}
