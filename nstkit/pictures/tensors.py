"""Pictures as tensors and back, and their sizes."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional

from nstkit.errors import UserError, first_line
from nstkit.pictures.levels import find_white
from nstkit.pictures.read import read_picture
from nstkit.pictures.sizes import scale_picture, scaled_size
from nstkit.pictures.srgb import as_srgb

CHANNELS = (1, 3, 4)  # grey, RGB, RGBA
NUMBERS = ("uint8", "uint16", "float16", "bfloat16", "float32", "float64")
WANTED = (
    "Give a Pillow picture, a file, or one picture as array or tensor (H, W, 3) or (3, H, W), sRGB: uint8, or floats "
    "in [0, 1]."
)


def to_tensor(picture: Image.Image, size_px: int | None = None) -> Float[Tensor, "1 3 h w"]:
    """Return a picture as float32 sRGB in [0, 1], its longer side scaled to `size_px` (None = as it is).

    Example:
        >>> from PIL import Image
        >>> to_tensor(Image.new("RGB", (40, 30), "red"), size_px=4)[0, :, 0, 0]
        tensor([1., 0., 0.])
    """
    picture = as_srgb(picture)
    if size_px is not None:
        picture = scale_picture(picture, size_px)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def as_image(picture: object, role: str = "picture", size_px: int | None = None) -> Float[Tensor, "1 3 h w"]:
    """Return whatever a caller takes for a picture as float32 sRGB in [0, 1]; what could be meant twice is refused.

    ==============================  =========================================================================
    a path, as text or `Path`       the file, as `nstkit.pictures.read.read_picture` reads it
    a Pillow picture                of any mode, made upright sRGB; transparent parts on white
    a NumPy array or a tensor       (H, W), (H, W, C), (C, H, W), (1, H, W, C) or (1, C, H, W), where C is
                                    1 (grey), 3 (RGB) or 4 (RGBA, comes to lie on white); of any strides, on
                                    any device (where a tensor stays), without its gradient
    its numbers                     uint8, 0 to 255; uint16, 0 to 65535 with some value above 4095; floats
                                    of 16, 32 or 64 bit, 0 to 1, or outside of that by 0.01 at most
    ==============================  =========================================================================

    Args:
        picture: one of these.
        role: what the message calls it, such as "style".
        size_px: longer side that everything but a tensor is scaled to [px]; a tensor keeps its size. None = as it is.

    Returns:
        (1, 3, H, W), which shares no memory with what was given.

    Raises:
        UserError: for anything else: other types, batches, floats up to 255 or from -1, nan, nothing at all, shapes
            with two axes that could be the colours.

    Example:
        >>> import numpy as np
        >>> as_image(np.full((30, 40, 3), 255, np.uint8)).shape
        torch.Size([1, 3, 30, 40])
    """
    if isinstance(picture, str | Path):
        picture = read_picture(Path(picture), size_px)
    try:
        if isinstance(picture, Image.Image):
            if not all(picture.size):
                raise ValueError(f"nothing in a picture of {picture.width} x {picture.height} px")
            return to_tensor(picture, size_px)
        if isinstance(picture, Tensor):
            return _unit_range(_channels_first(picture)).clone()
        if isinstance(picture, np.ndarray):
            if picture.dtype.name not in NUMBERS:
                raise ValueError(f"numbers of {picture.dtype.name}")
            native = np.array(picture, picture.dtype.newbyteorder("="))  # a copy: torch warns of what is read-only
            values = _unit_range(_channels_first(torch.from_numpy(native)))
            return values.clone() if size_px is None else to_tensor(to_picture(values), size_px)
    except MemoryError:
        raise
    except Exception as error:  # a picture that Pillow has not decoded yet may raise anything
        raise UserError(f"{role}: {first_line(error)}. {WANTED}") from error
    raise UserError(f"{role}: {type(picture).__name__} is no picture. {WANTED}")


def _channels_first(picture: Tensor) -> Tensor:
    """Return the numbers of one picture as (1, C, H, W), whichever axis holds the colours."""
    shape = tuple(picture.shape)
    if not picture.numel():
        raise ValueError(f"nothing in a picture of shape {shape}")
    if picture.ndim == 4:
        if shape[0] != 1:
            raise ValueError(f"{shape[0]} pictures at once, shape {shape}; one is painted at a time")
        picture = picture[0]
    if picture.ndim == 2:
        picture = picture[None]
    if picture.ndim != 3:
        raise ValueError(f"a picture of shape {shape}")
    is_first, is_last = picture.shape[0] in CHANNELS, picture.shape[2] in CHANNELS
    if is_first == is_last:
        which = "both the first and the last axis" if is_first else "neither the first nor the last axis"
        raise ValueError(f"a picture of shape {shape}: {which} could hold the colours")
    return (picture if is_first else picture.permute(2, 0, 1))[None]


def _unit_range(values: Tensor) -> Float[Tensor, "1 3 h w"]:
    """Return the numbers (1, C, H, W) of a picture as RGB in [0, 1]."""
    kind = str(values.dtype).removeprefix("torch.")
    if kind not in NUMBERS:
        raise ValueError(f"numbers of {kind}")
    values = values.detach().float()
    white = find_white(kind, values.min().item(), values.max().item(), may_guess=False)
    values = (values / white).clamp(0, 1)
    if values.shape[1] == 4:
        alpha = values[:, 3:]
        values = values[:, :3] * alpha + (1 - alpha)
    return values.expand(-1, 3, -1, -1)


def to_picture(image: Float[Tensor, "1 3 h w"]) -> Image.Image:
    """Return the picture of a tensor in [0, 1]; what lies outside is clamped.

    Example:
        >>> import torch
        >>> to_picture(torch.ones(1, 3, 30, 40)).getpixel((0, 0))
        (255, 255, 255)
    """
    values = image.detach()[0].clamp(0, 1).mul(255).round().byte()
    return Image.fromarray(values.permute(1, 2, 0).cpu().numpy())


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
