"""What is written into a picture file beside the picture: texts by name, among them the settings that made it.

PNG has text chunks. JPEG, WebP and TIFF have one text, the `ImageDescription` of EXIF and TIFF, which holds all of them
as JSON; other formats take none. No torch here, so that `--config picture.png` answers at once.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from nstkit.errors import UserError

DESCRIPTION = 0x010E  # EXIF 2.3 and TIFF 6.0, ImageDescription
DESCRIBED = ("JPEG", "WEBP", "TIFF")
EXIF_BYTES = 60_000  # of the 65,533 that a JPEG has for all of it
SETTINGS = "nstkit"
"""The text that holds what made a picture: JSON with `settings` by name, and what came of them."""


def save_options(
    picture_format: str, texts: Mapping[str, str], exif: Mapping[int, Any] | None = None
) -> dict[str, Any]:
    """Return the keyword arguments by which Pillow writes texts and EXIF into a file; none for one that takes none.

    Texts that are too long for a JPEG's or WebP's EXIF are left out, with a warning.

    Args:
        picture_format: as Pillow names it.
        texts: by name.
        exif: by tag, see `nstkit.exif`.
    """
    options: dict[str, Any] = {}
    written = Image.Exif()
    for tag, value in (exif or {}).items():
        if isinstance(value, dict):
            written.get_ifd(tag).update(value)  # where a TIFF is written from; all others from the next
        written[tag] = value
    if picture_format == "PNG" and texts:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        for name, text in texts.items():
            options["pnginfo"].add_itxt(name, text)
    elif picture_format in DESCRIBED and texts:
        described = describe(texts)
        if picture_format == "TIFF" or len(described) <= EXIF_BYTES:
            written[DESCRIPTION] = described
        else:
            warnings.warn(
                f"the settings ({len(described)} bytes) do not fit into a {picture_format}; a PNG takes them",
                stacklevel=3,
            )
    if len(written) and picture_format in (*DESCRIBED, "PNG"):
        options["exif"] = written
    return options


def describe(texts: Mapping[str, str]) -> str:
    """Return texts by name as the one text that they are in a file of most formats."""
    return json.dumps(dict(texts))  # in ASCII, which is all that EXIF and TIFF have


def read_texts(path: Path) -> dict[str, str]:
    """Return the texts in a picture file by name, none where it holds none or is no picture."""
    try:
        with Image.open(path) as picture:
            if picture.format == "PNG":
                picture.load()  # chunks may stand behind the pixels
                return {str(name): str(text) for name, text in getattr(picture, "text", {}).items()}
            texts = json.loads(str(picture.getexif().get(DESCRIPTION, "{}")))
    except MemoryError:
        raise
    except Exception:  # a file that is none, or that other programs wrote, makes Pillow raise anything
        return {}
    return {str(name): str(text) for name, text in texts.items()} if isinstance(texts, dict) else {}


def read_made_by(path: Path) -> dict[str, Any]:
    """Return what made a picture: `settings` by name among it.

    Raises:
        UserError: for a picture that does not say it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.jpg"
        ...     options = save_options("JPEG", {SETTINGS: '{"settings": {"steps": 7}}'})
        ...     Image.new("RGB", (8, 8)).save(path, **options)
        ...     read_made_by(path)
        {'settings': {'steps': 7}}
    """
    try:
        made_by = json.loads(read_texts(path).get(SETTINGS, ""))
        if isinstance(made_by, dict) and isinstance(made_by.get("settings"), dict):
            return made_by
    except ValueError:
        pass
    raise UserError(
        f"{path}: no picture with its settings inside. What this program saves as PNG, JPEG, WebP or TIFF has them."
    )
