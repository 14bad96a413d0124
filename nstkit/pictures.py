"""A picture in, a picture out: rotation, colour profile, transparency and 16 bit on the way in, whole files out."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional

from nstkit.errors import UserError
from nstkit.files import write_atomically

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
SRGB = ImageCms.createProfile("sRGB")
SRGB_ICC = ImageCms.ImageCmsProfile(SRGB).tobytes()


def read_picture(path: Path) -> Image.Image:
    """Return an RGB picture in sRGB, upright, on white where it was transparent.

    Raises:
        UserError: for a missing file or one that is not a whole picture.

    Example:
        >>> import pathlib, tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "red.png"
        ...     save_picture(Image.new("RGB", (40, 30), "red"), path)
        ...     read_picture(path).size
        (40, 30)
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            return as_srgb(picture)
    except FileNotFoundError as error:
        raise UserError(
            f"{Path(path).absolute()}: no such picture. Give a picture file or a folder of them."
        ) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: not a readable picture ({error}). Allowed: {', '.join(SUFFIXES)}.") from error


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


def to_tensor(picture: Image.Image, size_px: int | None = None) -> Float[Tensor, "1 3 h w"]:
    """Return a picture as float32 sRGB in [0, 1], its longer side scaled to `size_px` (None = as it is).

    Example:
        >>> from PIL import Image
        >>> to_tensor(Image.new("RGB", (40, 30), "red"), size_px=4)[0, :, 0, 0]
        tensor([1., 0., 0.])
    """
    picture = as_srgb(picture)
    if size_px is not None and max(picture.size) != size_px:
        picture = picture.resize(scaled_size(*picture.size, size_px), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def to_picture(image: Float[Tensor, "1 3 h w"]) -> Image.Image:
    """Return the picture of a tensor in [0, 1]; what lies outside is clamped.

    Example:
        >>> import torch
        >>> to_picture(torch.ones(1, 3, 30, 40)).getpixel((0, 0))
        (255, 255, 255)
    """
    values = image.detach()[0].clamp(0, 1).mul(255).round().byte()
    return Image.fromarray(values.permute(1, 2, 0).cpu().numpy())


def scaled_size(height: int, width: int, longer_px: int) -> tuple[int, int]:
    """Return (height, width) in the same ratio with this longer side, each at least 1 px.

    Example:
        >>> scaled_size(600, 800, longer_px=400)
        (300, 400)
    """
    scale = longer_px / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink(image: Float[Tensor, "b c h w"], longer_px: int) -> Float[Tensor, "b c _ _"]:
    """Return pictures with their longer side at most `longer_px`, antialiased; smaller ones as they are.

    Args:
        image: (B, C, H, W).
        longer_px: at least 1.

    Returns:
        (B, C, H', W'); by rounding it may leave the range of the values by a millionth.

    Example:
        >>> import torch
        >>> tuple(shrink(torch.rand(1, 3, 60, 80), longer_px=40).shape)
        (1, 3, 30, 40)
    """
    if max(image.shape[2:]) <= longer_px:
        return image
    size = scaled_size(image.shape[2], image.shape[3], longer_px)
    return functional.interpolate(image, size, mode="bilinear", antialias=True)


def save_picture(picture: Image.Image, path: Path, texts: Mapping[str, str] | None = None) -> None:
    """Write a picture atomically, in the format of its suffix, marked as sRGB.

    `texts` go into a PNG as text chunks; other formats do not take them.

    Raises:
        UserError: for an unknown suffix or a place that cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: unknown picture format '{path.suffix}'. Allowed: {', '.join(SUFFIXES)}.")
    picture_format = Image.registered_extensions()[path.suffix.lower()]
    options: dict[str, Any] = {"icc_profile": SRGB_ICC}
    if picture_format == "PNG":
        options["pnginfo"] = chunks = PngImagePlugin.PngInfo()
        for name, text in (texts or {}).items():
            chunks.add_itxt(name, text)
    elif picture_format in ("JPEG", "WEBP"):
        options |= {"quality": 95} | ({"subsampling": 0} if picture_format == "JPEG" else {})
    try:
        write_atomically(path, lambda file: picture.save(file, format=picture_format, **options))
    except OSError as error:
        raise UserError(f"{path.absolute()}: cannot be written ({error.strerror or error}).") from error
