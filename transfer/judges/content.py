"""How much of the content a picture keeps: in its luminance, in what repeats itself, in a network's features.

All are descriptions, no verdicts: the photograph itself keeps everything, and an even blend of photograph and painting
keeps more than a good painting does.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nstkit.measure import Measure
from transfer.judges.filters import gaussian_blur, luminance, structural_similarity
from transfer.judges.picture import BOUND_PX, against_content, check_pictures

BLUR_SHARE = 1 / 96
"""Standard deviation of the blur, as a share of the shorter side: 3 px at 384 x 288."""
LEAST_BLUR_PX = 1.0
"""Least blur of small pictures; with less, noise counts again."""
WINDOW_PER_BLUR = 1.5
"""Standard deviation of SSIM's window per that of the blur."""
LEAST_PX = 16
"""Shorter side below which the windows see more of the mirrored border than of the picture."""

POSITIONS = 1024
"""Most positions compared with each other."""
TEMPERATURE = 0.1
"""Of the softmax over a row of cosines."""


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

    Example:
        A picture that is blurred a little keeps almost all; its negative is the opposite of it.

        >>> noise = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
        >>> round(content_similarity(gaussian_blur(noise, 0.8), noise), 2)
        0.93
        >>> round(content_similarity(1 - noise, noise), 2)
        -0.57
    """
    check_pictures(LEAST_PX, picture=picture, content=content)
    if picture.shape != content.shape:
        raise ValueError(
            f"picture {tuple(picture.shape[-2:])} and content {tuple(content.shape[-2:])} differ in (height, width); "
            "resize one to the other first."
        )
    blur_px = max(LEAST_BLUR_PX, BLUR_SHARE * min(picture.shape[-2:]))
    blurred, target = (gaussian_blur(luminance(image), blur_px) for image in (picture, content))
    return structural_similarity(blurred, target, WINDOW_PER_BLUR * blur_px).mean().item()


CONTENT = Measure(
    name="judge/content",
    function=against_content(content_similarity, BOUND_PX),
    unit="",
    range=(-1.0, 1.0),
    higher_is_better=True,
    source="Wang et al. 2004, Image quality assessment, equation 13 (SSIM), on blurred luminances",
    aspect="content",
)


@torch.no_grad()
def self_similarity_distance(picture: Float[Tensor, "1 c h w"], content: Float[Tensor, "1 c h w"]) -> float:
    """Return how far the self-similarity of a picture's features is from that of the content's (CFSD).

    Args:
        picture: feature maps of the picture, (1, C, H, W), of a stage such as relu3_1.
        content: those of the content, (1, C, H, W).

    Returns:
        Mean over positions of the Kullback-Leibler divergence between the softmax rows. Unit: nat, 0 or more, lower is
        more faithful; colours and contrast matter little.

    Source: Chung et al. 2024, Style injection in diffusion (StyleID), section 4.1 and its released code.
    Differs: the mean over rows where they take the sum, which grows with the picture; cosines of centred features with
        a temperature where they take plain products over C, whose size depends on the network; at most 1024 positions.

    Example:
        >>> maps = torch.randn(1, 5, 7, 6, generator=torch.Generator().manual_seed(0))
        >>> round(self_similarity_distance(3 * maps + 1, maps), 3)  # another contrast and offset
        0.0
        >>> round(self_similarity_distance(maps.flip(3), maps), 1)
        3.0
    """
    count = picture.shape[-2] * picture.shape[-1]
    place = torch.randperm(count, generator=torch.Generator().manual_seed(0))[:POSITIONS]
    rows = []
    for maps in (picture, content):
        flat = maps[0].float().flatten(1)
        flat = F.normalize((flat - flat.mean(1, keepdim=True))[:, place], dim=0)
        rows.append(F.log_softmax(flat.T @ flat / TEMPERATURE, dim=1))
    ours, target = rows
    return F.kl_div(ours, target, log_target=True, reduction="batchmean").item()


CFSD = Measure(
    name="judge/cfsd",
    function=lambda evidence: self_similarity_distance(
        evidence.picture_maps[evidence.self_similarity_tap], evidence.content_maps[evidence.self_similarity_tap]
    ),
    unit="nat",
    range=(0.0, float("inf")),
    higher_is_better=False,
    source="Chung et al. 2024 (StyleID), changed",
    aspect="content",
)


def aligned_similarity(picture: Float[Tensor, "1 c h w"], other: Float[Tensor, "1 c h2 w2"]) -> float:
    """Return the mean cosine of centred features at the same places, in [-1, 1].

    Args:
        picture: feature maps of the picture, (1, C, H, W).
        other: those of another picture, resized where their size differs.

    Source: Wang et al. 2021 (StyleEval), CF.
    Differs: features are centred on each picture's mean.

    Example:
        >>> maps = torch.randn(1, 5, 7, 6, generator=torch.Generator().manual_seed(0))
        >>> round(aligned_similarity(2 * maps + 1, maps), 3), round(aligned_similarity(-maps, maps), 3)
        (1.0, -1.0)
    """
    if other.shape[-2:] != picture.shape[-2:]:
        other = F.interpolate(other, picture.shape[-2:], mode="bilinear", antialias=True)
    centred = [maps.float() - maps.float().mean((2, 3), keepdim=True) for maps in (picture, other)]
    return F.cosine_similarity(centred[0], centred[1], dim=1).mean().item()
