"""How much of the content's layout a picture keeps.

A description, not a verdict: see the package's docstring.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur, rgb_to_grayscale

from transfer.judges.sliced_wasserstein import check_picture

BLUR_SHARE = 1 / 96
"""Standard deviation of the blur, as a share of the shorter side: 3 px at 384 x 288."""
MIN_BLUR_PX = 1.0
"""Least blur of small pictures; with less, noise counts again."""
WINDOW_PER_BLUR = 1.5
"""Standard deviation of SSIM's window per that of the blur."""
MIN_SIDE_PX = 16
"""Shorter side below which the windows see more of the mirrored border than of the picture."""


@torch.no_grad()
def content_similarity(picture: Float[Tensor, "1 3 h w"], content: Float[Tensor, "1 3 hc wc"]) -> float:
    """Return the structural similarity (SSIM) of the blurred luminances of two pictures.

    Blurred first, because plain SSIM takes a photograph with noise for as faithful as a good painting.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1], sides from 16 px.
        content: (1, 3, H, W), sRGB in [0, 1], of the same size.

    Returns:
        Mean SSIM, in [-1, 1], no unit, higher is more faithful, 1 for identical pictures.

    Raises:
        ValueError: a tensor is not (1, 3, H, W), the sizes differ, or the shorter side is below 16 px.

    Source: Wang et al. 2004, Image quality assessment: from error visibility to structural similarity, equation 13.
    Differs: both pictures are blurred with a Gaussian of 1/96 of the shorter side (at least 1 px), and the window is
        1.5 times that in place of 1.5 px: a window narrower than the blur sees only ramps, and rates unrelated pictures
        0.5. Both grow with the picture, so that its size matters little. Luma of sRGB values (ITU-R BT.601), not linear
        light.
    """
    # Here, because importing torchmetrics takes seconds that a mistake in the flags should not wait for.
    from torchmetrics.functional.image import structural_similarity_index_measure

    check_picture(picture, "picture", MIN_SIDE_PX)
    check_picture(content, "content", MIN_SIDE_PX)
    if picture.shape != content.shape:
        raise ValueError(
            f"picture {tuple(picture.shape[-2:])} and content {tuple(content.shape[-2:])} differ in (height, width); "
            "resize one to the other first."
        )
    blur_px = max(MIN_BLUR_PX, BLUR_SHARE * min(picture.shape[-2:]))
    kernel_px = 2 * int(3.5 * blur_px + 0.5) + 1
    blurred, target = (gaussian_blur(rgb_to_grayscale(x), [kernel_px] * 2, [blur_px] * 2) for x in (picture, content))
    return structural_similarity_index_measure(blurred, target, sigma=WINDOW_PER_BLUR * blur_px, data_range=1.0).item()
