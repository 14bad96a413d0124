"""Which files are pictures: the one rule for formats, suffixes and clutter, and which pictures lie in a folder."""

import importlib.util
import os
import warnings
from collections.abc import Iterable, Sequence
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

HEIF_HINT = "HEIC: pip install pillow-heif"
_CAMERA_RAW = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw")
_DRAWINGS = (".ai", ".eps", ".pdf", ".ps", ".svg", ".wmf", ".emf")
_OTHERS = (".dds", ".dib", ".exr", ".hdr", ".icns", ".ico", ".jxl", ".kra", ".pcx", ".psb", ".psd", ".qoi", ".xcf")
_FOREIGN = {  # how pictures end that are not read: what to do about it
    **{suffix: HEIF_HINT for suffix in _RASTER["HEIF"] if not HAS_HEIF},
    **{suffix: "AVIF: needs a newer Pillow" for suffix in _RASTER["AVIF"] if "AVIF" not in FORMATS},
    **dict.fromkeys(_CAMERA_RAW, "camera raw: export as TIFF or JPEG"),
    **dict.fromkeys(_DRAWINGS, "a drawing: export as PNG"),
    **dict.fromkeys(_OTHERS, "save as PNG"),
}
_NAMED = 3  # so many files that are left out are named

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


def foreign_hint(name: str) -> str | None:
    """Return what to do about a picture of a format that is not read, None for any other name.

    Example:
        >>> foreign_hint("a.SVG"), foreign_hint("a.txt")
        ('a drawing: export as PNG', None)
    """
    return None if is_clutter(name) else _FOREIGN.get(os.path.splitext(name)[1].lower())


def left_out(names: Iterable[str]) -> str:
    """Return which of these files are pictures of a format that is not read, in one line; empty where none is.

    Example:
        >>> left_out(["b.svg", "notes.txt", "a.jpg"])
        '1 picture left out: b.svg (a drawing: export as PNG)'
    """
    return tell_left_out([(name, hint) for name in sorted(names) if (hint := foreign_hint(name)) is not None])


def tell_left_out(reasons: Sequence[tuple[str, str]]) -> str:
    """Return in one line how many pictures are left out, and of the first the name and the reason; empty for none."""
    if not reasons:
        return ""
    shown = [f"{name} ({reason})" for name, reason in reasons[:_NAMED]] + ["..."] * (len(reasons) > _NAMED)
    return f"{len(reasons)} picture{'s' * (len(reasons) > 1)} left out: {', '.join(shown)}"


def list_pictures(paths: Iterable[Path]) -> list[Path]:
    """Return the files given and, for each folder given, the pictures in it in alphabetical order.

    Links are followed, folders in a folder are not searched. Pictures of a format that is not read are left out with
    one warning a folder.

    Raises:
        UserError: for a folder without a picture, or one that cannot be read.
    """
    found: list[Path] = []
    for path in paths:
        if not os.path.isdir(path):  # unlike Path.is_dir no error below a folder that may not be entered
            found.append(path)
            continue
        try:
            names = [member.name for member in os.scandir(path) if not member.is_dir()]
        except OSError as error:
            raise UserError(f"{path.absolute()}: cannot be read ({error.strerror}).") from error
        pictures, others = sorted(filter(is_picture_name, names)), left_out(names)
        if not pictures:
            raise UserError(
                f"{path.absolute()}: no picture in this folder{others and f' ({others})'}. "
                f"Pictures end in {', '.join(SUFFIXES)}."
            )
        if others:
            warnings.warn(f"{path}: {others}", stacklevel=2)
        found += [path / name for name in pictures]
    return found
