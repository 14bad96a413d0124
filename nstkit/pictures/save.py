"""Pictures into whole files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from nstkit.errors import UserError
from nstkit.files import write_atomically, writing
from nstkit.pictures.kinds import SAVED
from nstkit.pictures.srgb import SRGB_ICC


def save_picture(picture: Image.Image, path: Path, texts: Mapping[str, str] | None = None) -> None:
    """Write a picture atomically, in the format of its suffix, marked as sRGB.

    `texts` go into a PNG as text chunks; other formats do not take them.

    Raises:
        UserError: for an unknown suffix or a place that cannot be written.
    """
    if path.suffix.lower() not in SAVED:
        raise UserError(f"{path}: unknown picture format '{path.suffix}'. Allowed: {', '.join(SAVED)}.")
    picture_format = Image.registered_extensions()[path.suffix.lower()]
    options: dict[str, Any] = {"icc_profile": SRGB_ICC}
    if picture_format == "PNG":
        options["pnginfo"] = chunks = PngImagePlugin.PngInfo()
        for name, text in (texts or {}).items():
            chunks.add_itxt(name, text)
    elif picture_format in ("JPEG", "WEBP"):
        options |= {"quality": 95} | ({"subsampling": 0} if picture_format == "JPEG" else {})
    with writing(path):
        write_atomically(path, lambda file: picture.save(file, format=picture_format, **options))
