"""A picture file in, whoever made it: only known formats, only files, and no larger than it can be."""

import importlib
import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from nstkit.errors import UserError, first_line
from nstkit.pictures.kinds import FORMATS, HAS_HEIF, HEIF_HINT, foreign_hint
from nstkit.pictures.sizes import scaled_size
from nstkit.pictures.srgb import as_srgb

if HAS_HEIF:
    importlib.import_module("pillow_heif").register_heif_opener()

MAX_SIDE_PX = 65_535  # as in a JPEG; a million rows of one pixel take libtiff a minute
SURE_PX = 2**24  # up to so many pixels any file may declare, however small it is
MAX_PX_PER_BYTE = 1000  # no photograph or painting is compressed so far: what declares more is a bomb
DARK = 15  # what is left of 4095, the largest value of 12 bit, in the upper 8 of 16
DRAFT = 4  # a JPEG is decoded at a half to an eighth, but at this times the size that is needed: Lanczos does the rest


def read_picture(path: Path, at_most_px: int | None = None) -> Image.Image:
    """Return an RGB picture in sRGB, upright, on white where it was transparent; of several frames the first.

    A picture has at most `PIL.Image.MAX_IMAGE_PIXELS` twice over (179 million pixels), 65,535 on a side.

    Args:
        path: a file of one of `FORMATS`, whatever its suffix.
        at_most_px: longer side that a larger picture is scaled down to [px], which takes less memory on the way;
            None = as it is.

    Raises:
        UserError: for a missing file, one that is not a whole picture, and what is no file: a folder, a pipe, a device.
        MemoryError: which says nothing about the file.

    Example:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> from nstkit.pictures.save import save_picture
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "red.png"
        ...     save_picture(Image.new("RGB", (40, 30), "red"), path)
        ...     read_picture(path).size, read_picture(path, at_most_px=20).size
        ((40, 30), (20, 15))
    """
    try:
        with _File(path) as file, _open_picture(file) as picture:
            size = None
            if at_most_px is not None and max(picture.size) > at_most_px:
                size = scaled_size(*picture.size, at_most_px)
                picture.draft(None, (DRAFT * size[0], DRAFT * size[1]))
            is_wide = any(";16" in str(tile.args) for tile in picture.tile)
            picture.load()
            upright = as_srgb(picture, size)
    except (UserError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise UserError(
            f"{Path(path).absolute()}: no such picture. Give a picture file or a folder of them."
        ) from error
    except UnidentifiedImageError as error:
        reason = foreign_hint(Path(path).name) or "of no known format"
        raise UserError(f"{path}: not a readable picture ({reason}). Allowed: {', '.join(FORMATS)}.") from error
    except Exception as error:  # a broken file makes decoders raise anything: EOFError, struct.error, ...
        if "out of memory" in str(error) or str(error) == "decoder error -9":  # as Pillow calls it, and for TIFF
            raise MemoryError(str(error)) from error
        refused = getattr(error, "strerror", None)  # by the system, such as "Permission denied"
        reason = f"{refused})" if refused else f"{first_line(error)}). Save it anew, or leave it out"
        raise UserError(f"{path}: not a readable picture ({reason}.") from error
    if is_wide and picture.mode in ("RGB", "RGBA", "LA") and np.asarray(upright).max() <= DARK:
        warnings.warn(
            "a colour picture of 16 bit has no value above 4095 and is nearly black: Pillow reads the upper 8 bits of "
            "each colour. Where it holds 12 bit, save it with 8",
            stacklevel=2,
        )
    return upright


class _File(io.BufferedReader):
    """An open file that gives no more than it has: headers claim any length, and Python would make room for it."""

    def __init__(self, path: Path) -> None:
        # Without waiting for somebody at the other end of a pipe.
        at_once = getattr(os, "O_NONBLOCK", 0)
        super().__init__(io.FileIO(path, opener=lambda name, flags: os.open(name, flags | at_once)))
        about = os.fstat(self.fileno())
        self.size_bytes = about.st_size
        if not stat.S_ISREG(about.st_mode):
            self.close()
            raise ValueError("not a file, but a pipe or a device")

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes, or what is left."""
        left = max(0, self.size_bytes - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def _open_picture(file: _File) -> ImageFile.ImageFile:
    """Return a picture that is not decoded yet, its declared size checked."""
    head = file.read(16)
    if not HAS_HEIF and head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        raise ValueError(HEIF_HINT)  # telephones' pictures are often misnamed .jpg
    picture = Image.open(file, formats=FORMATS)
    likely_px = max(SURE_PX, MAX_PX_PER_BYTE * file.size_bytes)
    if max(picture.size) > MAX_SIDE_PX or picture.width * picture.height > likely_px:
        raise ValueError(f"it claims to be {picture.width} x {picture.height} px, in {file.size_bytes} bytes")
    return picture
