"""Pictures as tensors and back, and their sizes."""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional

from nstkit.pictures.read import as_srgb


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
