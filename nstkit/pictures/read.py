"""A picture file in: rotation, colour profile, transparency and 16 bit."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from nstkit.errors import UserError
from nstkit.pictures.kinds import FORMATS

SRGB = ImageCms.createProfile("sRGB")
SRGB_ICC = ImageCms.ImageCmsProfile(SRGB).tobytes()


def read_picture(path: Path) -> Image.Image:
    """Return an RGB picture in sRGB, upright, on white where it was transparent.

    Raises:
        UserError: for a missing file or one that is not a whole picture.

    Example:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> from nstkit.pictures.save import save_picture
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "red.png"
        ...     save_picture(Image.new("RGB", (40, 30), "red"), path)
        ...     read_picture(path).size
        (40, 30)
    """
    try:
        with Image.open(path, formats=FORMATS) as picture:
            picture.load()
            return as_srgb(picture)
    except FileNotFoundError as error:
        raise UserError(
            f"{Path(path).absolute()}: no such picture. Give a picture file or a folder of them."
        ) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: not a readable picture ({error}). Allowed: {', '.join(FORMATS)}.") from error


def as_srgb(picture: Image.Image) -> Image.Image:
    """Return any Pillow picture as upright sRGB; transparent parts come to lie on white."""
    profile = picture.info.get("icc_profile")
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":  # Pillow saturates these to 255 instead of scaling
        values = np.asarray(picture, np.float64)
        scale = 65535 if picture.mode.startswith("I;16") or values.max() > 255 else 255
        picture = Image.fromarray(np.round(np.clip(values / scale, 0, 1) * 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    if picture.mode == "P":  # a profile describes colours, not the indices of a palette
        picture = picture.convert("RGB")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            picture = ImageCms.profileToProfile(picture, source, SRGB, outputMode="RGB") or picture
        except (ImageCms.PyCMSError, OSError):
            pass  # a broken or unfitting profile: the values are taken as sRGB
    return picture.convert("RGB")
