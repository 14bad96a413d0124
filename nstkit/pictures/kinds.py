"""Which files are pictures: the one rule for formats, suffixes and clutter, and which pictures lie in a folder."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path

from PIL import features

from nstkit.errors import UserError

_RASTER = {  # Pillow's name of a format: how its files end
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k"),
    "HEIF": (".heic", ".heif", ".hif"),
    "TGA": (".tga",),  # the last: it has no mark of its own that a file could be known by
}
_LIBRARIES = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}  # that a build of Pillow may lack

HAS_HEIF = importlib.util.find_spec("pillow_heif") is not None
FORMATS = tuple(
    name
    for name in _RASTER
    if (HAS_HEIF if name == "HEIF" else name not in _LIBRARIES or features.check(_LIBRARIES[name]))
)
"""The only formats that are opened, whatever a file's suffix says: an EPS would start Ghostscript."""
SUFFIXES = tuple(suffix for name in FORMATS for suffix in _RASTER[name])
"""How the files of these formats end, in lower case."""
SAVED = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""How the files end that pictures can be written to."""

_CLUTTER = {"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"}
_CLUTTER |= {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}


def is_picture_name(name: str) -> bool:
    """Return whether a file of this name (without a folder) is taken for a picture.

    Example:
        >>> is_picture_name("a.JPG"), is_picture_name("._a.jpg"), is_picture_name("a.txt")
        (True, False, False)
    """
    return name.lower().endswith(SUFFIXES) and not is_clutter(name)


def is_clutter(name: str) -> bool:
    """Return whether a file or folder of this name is what systems leave behind: hidden, thumbnails, dustbins.

    macOS keeps `._a.jpg` beside a.jpg and packs `__MACOSX` into archives, a Synology makes `@eaDir`.

    Example:
        >>> is_clutter("__MACOSX"), is_clutter(".DS_Store"), is_clutter("cats")
        (True, True, False)
    """
    return name.startswith(".") or name.lower() in _CLUTTER


def list_pictures(paths: Iterable[Path]) -> list[Path]:
    """Return the files given and, for each folder given, the pictures in it in alphabetical order."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        members = sorted(member for member in path.iterdir() if is_picture_name(member.name))
        if not members:
            raise UserError(f"{path.absolute()}: no picture in this folder. Pictures end in {', '.join(SUFFIXES)}.")
        found += members
    return found
