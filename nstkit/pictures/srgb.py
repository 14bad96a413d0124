"""Any Pillow picture as upright 8-bit sRGB: rotation, colour profile, transparency, more than 8 bit."""

import io
import struct

import numpy as np
from PIL import Image, ImageCms

from nstkit.pictures.levels import find_white, to_8_bit

SRGB = ImageCms.createProfile("sRGB")
SRGB_ICC = ImageCms.ImageCmsProfile(SRGB).tobytes()
ORIENTATION = 0x0112
_UPRIGHT = {  # EXIF 2.3, tag 274: what makes a picture upright that is stored in this way
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def as_srgb(picture: Image.Image, size: tuple[int, int] | None = None) -> Image.Image:
    """Return a picture of any mode as upright sRGB; transparent parts come to lie on white.

    Of several frames or pages it is the current one, which is the first of a picture just opened.

    Args:
        picture: stays as it is.
        size: width and height that it is scaled to [px], before it is turned upright; None = as it is.

    Raises:
        ValueError: for values of which black and white are not known; see `nstkit.pictures.levels`.
    """
    profile, orientation = picture.info.get("icc_profile"), read_orientation(picture)
    if picture.mode.startswith("I") or picture.mode == "F":  # Pillow saturates these to 255 instead of scaling
        picture = _as_grey(picture)
    if picture.mode == "La":  # which converts to this alone
        picture = picture.convert("LA")
    if picture.has_transparency_data:
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
    if picture.mode == "1":  # which no resampling goes with
        picture = picture.convert("L")
    if size is not None:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    if orientation in _UPRIGHT:
        picture = picture.transpose(_UPRIGHT[orientation])
    picture = picture.convert("RGB")
    picture.info = {}  # an orientation or a profile that is left there would be followed a second time
    return picture


def read_orientation(picture: Image.Image) -> int:
    """Return how a picture is stored, 1 to 8 as in EXIF; 1 = upright, also where that cannot be read.

    Differs: Pillow's `exif_transpose` writes all EXIF anew, and fails at any one malformed tag.
    """
    try:
        orientation = _orientation_in(picture.info.get("exif") or b"") or picture.getexif().get(ORIENTATION)
    except MemoryError:
        raise
    except Exception:  # malformed blocks make Pillow and struct raise anything
        return 1
    return orientation if isinstance(orientation, int) and orientation in _UPRIGHT else 1


def _orientation_in(exif: bytes) -> int | None:
    """Return the orientation in a block of EXIF, whatever stands beside it; Pillow stops at the first malformed tag."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, directory)
    for start in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, start)
        if (tag, kind) == (ORIENTATION, 3):  # 3 = a number of 16 bit, which stands in the first half of the value
            return int(value)
    return None


def _as_grey(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture)
    if not values.size:
        return Image.new("L", picture.size)
    kind = "uint16" if picture.mode.startswith("I;16") else values.dtype.name
    white = find_white(kind, float(values.min()), float(values.max()), may_guess=True)
    return Image.fromarray(to_8_bit(values, white))
