"""Pictures into whole files."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from nstkit.embedded import describe, save_options
from nstkit.errors import UserError
from nstkit.files import write_atomically, writing
from nstkit.pictures.kinds import SAVED
from nstkit.pictures.srgb import SRGB_ICC
from nstkit.pictures.tensors import to_picture

BAND = 256  # rows that are made 16 bit at once: in float64 a whole large picture is eight times its file


def save_picture(
    picture: Image.Image | Float[Tensor, "1 3 h w"],
    path: Path,
    texts: Mapping[str, str] | None = None,
    exif: Mapping[int, Any] | None = None,
) -> None:
    """Write a picture atomically, in the format of its suffix, marked as sRGB.

    Args:
        picture: a tensor, sRGB in [0, 1], becomes a TIFF of 16 bit; all else has 8.
        path: of the file.
        texts: by name; they go into PNG, JPEG, WebP and TIFF, see `nstkit.embedded`.
        exif: by tag, into the same; into a TIFF of 16 bit only what stands at its head, see `nstkit.exif`.

    Raises:
        UserError: for an unknown suffix or a place that cannot be written.
    """
    if path.suffix.lower() not in SAVED:
        raise UserError(f"{path}: unknown picture format '{path.suffix}'. Allowed: {', '.join(SAVED)}.")
    texts = texts or {}
    picture_format = Image.registered_extensions()[path.suffix.lower()]
    with writing(path):
        if isinstance(picture, Tensor) and picture_format == "TIFF":
            whole = as_16_bit(picture, texts, exif or {})
            write_atomically(path, lambda file: file.write(whole))
            return
        shown = to_picture(picture) if isinstance(picture, Tensor) else picture
        options: dict[str, Any] = {"icc_profile": SRGB_ICC, **save_options(picture_format, texts, exif)}
        if picture_format in ("JPEG", "WEBP"):
            options |= {"quality": 95} | ({"subsampling": 0} if picture_format == "JPEG" else {})
        write_atomically(path, lambda file: shown.save(file, format=picture_format, **options))


def save_animation(
    frames: Sequence[Image.Image], path: Path, durations_ms: Sequence[int], texts: Mapping[str, str] | None = None
) -> None:
    """Write pictures of one size as an endless animation, atomically: GIF, which has 256 colours a frame, or WebP.

    Args:
        frames: at least one.
        path: of the file.
        durations_ms: how long each is shown.
        texts: by name; they go into a WebP.

    Raises:
        UserError: for a place that cannot be written.
    """
    picture_format = Image.registered_extensions()[path.suffix.lower()]
    options: dict[str, Any] = {"icc_profile": SRGB_ICC, "quality": 90, **save_options(picture_format, texts or {})}
    shown = {"save_all": True, "append_images": frames[1:], "duration": list(durations_ms), "loop": 0}
    with writing(path):
        write_atomically(path, lambda file: frames[0].save(file, format=picture_format, **shown, **options))


def as_16_bit(image: Float[Tensor, "1 3 h w"], texts: Mapping[str, str], exif: Mapping[int, Any]) -> bytes:
    """Return a picture as a TIFF file of 16 bit a colour, which Pillow cannot write.

    Args:
        image: sRGB in [0, 1]; what lies outside is clamped.
        texts: by name.
        exif: by tag; what is no text at the head of a file is left out.
    """
    levels = np.empty((*image.shape[2:], 3), np.uint16)
    for first in range(0, len(levels), BAND):
        band = image.detach()[0, :, first : first + BAND].clamp(0, 1).permute(1, 2, 0)
        levels[first : first + BAND] = band.double().mul(65535).round().cpu().numpy()
    file = io.BytesIO()  # it takes no file that it may only write
    tifffile.imwrite(
        file,
        levels,
        photometric="rgb",
        compression="zlib",
        iccprofile=SRGB_ICC,
        description=describe(texts) if texts else None,
        software="nstkit",
        extratags=[(tag, "s", 0, value, True) for tag, value in exif.items() if isinstance(value, str)],
        metadata=None,  # its own description of the axes would take the place of ours
    )
    return file.getvalue()
