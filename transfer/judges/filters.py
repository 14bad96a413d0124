"""Filters that several judges look through: luminance, Gaussian blur, structural similarity.

torchvision and torchmetrics have them too; importing these two takes longer than painting a small picture.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
REACH = 3.5
"""Reach of a Gaussian window to either side, in standard deviations, where nothing else is said."""
SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
"""Constants of structural similarity for values in [0, 1]."""


def luminance(picture: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Return the luma of sRGB values, (B, 1, H, W). Source: ITU-R BT.601.

    Example:
        >>> luminance(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)).item()
        0.29899999499320984
    """
    return (picture * torch.tensor(LUMA).to(picture).view(3, 1, 1)).sum(1, keepdim=True)


def gaussian_blur(
    image: Float[Tensor, "b c h w"], sigma_px: float, reach_px: int | None = None
) -> Float[Tensor, "b c h w"]:
    """Return pictures or maps blurred with a Gaussian, mirrored at their borders.

    Args:
        image: (B, C, H, W).
        sigma_px: standard deviation.
        reach_px: of the window to either side, below the sides of the image. None = 3.5 standard deviations, rounded.

    Example:
        >>> dot = torch.zeros(1, 1, 5, 5)
        >>> dot[..., 2, 2] = 1
        >>> round(gaussian_blur(dot, 0.8, reach_px=1)[0, 0, 2, 2].item(), 3)
        0.272
    """
    reach_px = int(REACH * sigma_px + 0.5) if reach_px is None else reach_px
    ticks = torch.arange(-reach_px, reach_px + 1.0, dtype=image.dtype, device=image.device)
    window = torch.exp(-0.5 * (ticks / sigma_px) ** 2)
    window = (window / window.sum()).expand(image.shape[1], 1, -1)  # (C, 1, size)
    image = F.pad(image, [reach_px] * 4, mode="reflect")
    for kernel in (window[..., None], window[:, :, None]):
        image = F.conv2d(image, kernel, groups=image.shape[1])
    return image


def structural_similarity(
    a: Float[Tensor, "1 c h w"], b: Float[Tensor, "1 c h w"], sigma_px: float
) -> Float[Tensor, "1 c h w"]:
    """Return the map of structural similarity (SSIM) of two pictures in [0, 1], in [-1, 1], 1 where they are the same.

    Args:
        a: (1, C, H, W).
        b: of the same size.
        sigma_px: standard deviation of the window.

    Source: Wang et al. 2004, Image quality assessment: from error visibility to structural similarity, equation 13.
    """
    moments = torch.cat([a, b, a * a, b * b, a * b])
    mean_a, mean_b, square_a, square_b, product = gaussian_blur(moments, sigma_px).split(1)
    variances = (square_a - mean_a**2).clamp_min(0) + (square_b - mean_b**2).clamp_min(0)
    covariance = product - mean_a * mean_b
    means = (2 * mean_a * mean_b + SSIM_C1) / (mean_a**2 + mean_b**2 + SSIM_C1)
    return means * (2 * covariance + SSIM_C2) / (variances + SSIM_C2)
