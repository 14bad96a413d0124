"""Guards: what gives away a picture that judges of style take for a painting. None of them uses a network.

Each is 0 for a clean picture and grows with the fault; each looks at what the picture has beyond its two inputs.
`ARTEFACTS` is the verdict of all of them.
"""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nstkit.measure import Measure
from transfer.judges import filters
from transfer.judges.filters import gaussian_blur
from transfer.judges.picture import against_both, check_pictures, fit
from transfer.judges.spectrum import TILE_PX, grid_peaks, high_share

LEAST_PX = TILE_PX
"""Shorter side below which there are too few places to tell a fault from chance."""
GHOST_BLUR_SHARE = 1 / 32
"""Standard deviation of the blur that is taken out of both luminances, as a share of the shorter side."""
GHOST_SHIFT_SHARE = 1 / 32
"""Largest shift at which the style is looked for, as a share of the longer side."""


@torch.no_grad()
def ghost(
    picture: Float[Tensor, "1 3 h w"], content: Float[Tensor, "1 3 hc wc"], style: Float[Tensor, "1 3 hs ws"]
) -> float:
    """Return how much of the style picture itself shines through, which a blend of the two pictures has.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1].
        content: (1, 3, H, W), sRGB in [0, 1].
        style: (1, 3, Hs, Ws), sRGB in [0, 1]; laid over the picture both stretched and cropped.

    Returns:
        Partial correlation of the luminances' details of picture and style, what the content explains taken out, the
        largest over small shifts and both ways to lay it; in [0, 1], lower is better.

    Raises:
        ValueError: a tensor is not (1, 3, H, W), or too small, or picture and content differ in size.

    Example:
        >>> content, style = torch.rand(2, 1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
        >>> round(ghost(0.7 * content + 0.3 * style, content, style), 2)
        1.0
    """
    _check(picture, content, style)
    height, width = picture.shape[-2:]
    scale = max(height / style.shape[-2], width / style.shape[-1])
    cover = (max(height, round(scale * style.shape[-2])), max(width, round(scale * style.shape[-1])))
    top, left = (cover[0] - height) // 2, (cover[1] - width) // 2
    scaled = F.interpolate(style, cover, mode="bilinear", antialias=True)
    covering = scaled[..., top : top + height, left : left + width]
    stretched = fit(style, picture)

    base = _details(content)
    rest = _without(_details(picture), base)
    values = []
    for laid in (stretched, covering):
        other = _without(_details(laid), base)
        norm = (rest.norm() * other.norm()).item()
        # A flat picture has no details: its rounding errors correlate with anything.
        if norm < 1e-8 * rest.numel():
            values.append(0.0)
            continue
        correlation = torch.fft.irfft2(torch.fft.rfft2(rest) * torch.fft.rfft2(other).conj(), (height, width)) / norm
        reach = max(1, round(GHOST_SHIFT_SHARE * max(height, width)))
        near = correlation.roll((reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
        values.append(near.max().item())
    return min(1.0, max(0.0, *values))


GHOST = Measure(
    name="judge/artefacts/ghost",
    function=against_both(ghost),
    unit="correlation",
    range=(0.0, 1.0),
    higher_is_better=False,
    source="partial correlation with the style picture",
    aspect="artefacts",
)


@torch.no_grad()
def high_frequency_excess(
    picture: Float[Tensor, "1 3 h w"], content: Float[Tensor, "1 3 hc wc"], style: Float[Tensor, "1 3 hs ws"]
) -> float:
    """Return how much finer than both inputs a picture is, as noise is: octaves of energy, 0 or more, lower is better.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1].
        content: (1, 3, H, W), sRGB in [0, 1].
        style: (1, 3, Hs, Ws), sRGB in [0, 1].

    Returns:
        log2 of the share of energy above 0.35 cycles a pixel, over the larger of the inputs' shares; at least 0.

    Raises:
        ValueError: a tensor is not (1, 3, H, W), or too small, or picture and content differ in size.

    Example:
        >>> noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> smooth = gaussian_blur(noise, 1.1, reach_px=2)
        >>> high_frequency_excess(noise, smooth, smooth) > 3, high_frequency_excess(smooth, noise, smooth)
        (True, 0.0)
    """
    _check(picture, content, style)
    shares = [high_share(image) for image in (picture, content, style)]
    return max(0.0, math.log2(shares[0] / max(shares[1:])))


HIGH_FREQUENCIES = Measure(
    name="judge/artefacts/high_frequencies",
    function=against_both(high_frequency_excess),
    unit="octaves",
    range=(0.0, 30.0),
    higher_is_better=False,
    source="energy spectrum",
    aspect="artefacts",
)


@torch.no_grad()
def checkerboard(
    picture: Float[Tensor, "1 3 h w"], content: Float[Tensor, "1 3 hc wc"], style: Float[Tensor, "1 3 hs ws"]
) -> float:
    """Return how far the grids of a network's strides stand out in a picture: octaves, 0 or more, lower is better.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1].
        content: (1, 3, H, W), sRGB in [0, 1].
        style: (1, 3, Hs, Ws), sRGB in [0, 1].

    Returns:
        Largest log2 of the energy at exactly period 2 and period 4 (across, down and both) over the geometric mean of
        its neighbourhood, beyond that of the inputs at the same frequency; at least 0.

    Raises:
        ValueError: a tensor is not (1, 3, H, W), or too small, or picture and content differ in size.

    Source: Odena, Dumoulin & Olah 2016, Deconvolution and checkerboard artifacts.

    Example:
        >>> noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> sign = 1 - 2 * ((torch.arange(64)[:, None] + torch.arange(64)) % 2)
        >>> checkerboard(noise + 0.1 * sign, noise, noise) > 3, checkerboard(noise, noise, noise)
        (True, 0.0)
    """
    _check(picture, content, style)
    peaks, content_peaks, style_peaks = (grid_peaks(image) for image in (picture, content, style))
    return (peaks - torch.maximum(content_peaks, style_peaks).clamp_min(0)).max().clamp_min(0).item()


CHECKERBOARD = Measure(
    name="judge/artefacts/checkerboard",
    function=against_both(checkerboard),
    unit="octaves",
    range=(0.0, 60.0),
    higher_is_better=False,
    source="Odena et al. 2016",
    aspect="artefacts",
)


@torch.no_grad()
def clipped(
    picture: Float[Tensor, "1 3 h w"], content: Float[Tensor, "1 3 hc wc"], style: Float[Tensor, "1 3 hs ws"]
) -> float:
    """Return the share of values at 0 or 1 beyond the larger of the inputs' shares, in [0, 1], lower is better.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1].
        content: (1, 3, H, W), sRGB in [0, 1].
        style: (1, 3, Hs, Ws), sRGB in [0, 1].

    Raises:
        ValueError: a tensor is not (1, 3, H, W), or too small, or picture and content differ in size.

    Example:
        >>> grey = torch.full((1, 3, 40, 40), 0.5)
        >>> half_white = grey.clone()
        >>> half_white[..., :20] = 1.0
        >>> clipped(half_white, grey, grey)
        0.5
    """
    _check(picture, content, style)
    half = 0.5 / 255
    shares = [((image <= half) | (image >= 1 - half)).float().mean().item() for image in (picture, content, style)]
    return max(0.0, shares[0] - max(shares[1:]))


CLIPPED = Measure(
    name="judge/artefacts/clipped",
    function=against_both(clipped),
    unit="share of values",
    range=(0.0, 1.0),
    higher_is_better=False,
    source="share at 0 or 1",
    aspect="artefacts",
)

GUARDS = (GHOST, HIGH_FREQUENCIES, CHECKERBOARD, CLIPPED)
LIMITS = {GHOST.name: 0.4, HIGH_FREQUENCIES.name: 2.0, CHECKERBOARD.name: 4.0, CLIPPED.name: 0.3}
"""Value at which a guard alone calls a picture a fraud: above those of the published paintings."""


def artefacts(values: Mapping[str, float]) -> float:
    """Return one number for all guards, in [0, 1]: 0 = none speaks, 1 = one of them is at its limit.

    Args:
        values: values of measures by their names, those of the guards among them.

    Returns:
        1 - product of (1 - (value / limit)^2), each clipped to [0, 1]: faults add up, none is averaged away, and what
        every painting has a little of counts little.

    Example:
        >>> silent = dict.fromkeys(LIMITS, 0.0)
        >>> artefacts(silent), artefacts({**silent, GHOST.name: 0.2}), artefacts({**silent, CLIPPED.name: 0.3})
        (0.0, 0.25, 1.0)
    """
    return 1 - math.prod(1 - min(1.0, max(0.0, values[name] / limit) ** 2) for name, limit in LIMITS.items())


ARTEFACTS = Measure(
    name="judge/artefacts",
    function=artefacts,
    unit="",
    range=(0.0, 1.0),
    higher_is_better=False,
    source="1 - product of (1 - guard / its limit)",
    aspect="artefacts",
)


def _check(picture: Tensor, content: Tensor, style: Tensor) -> None:
    check_pictures(LEAST_PX, picture=picture, content=content, style=style)
    if picture.shape != content.shape:
        raise ValueError(f"picture {tuple(picture.shape)} and content {tuple(content.shape)} differ; resize one first.")


def _details(picture: Tensor) -> Float[Tensor, "h w"]:
    """Return the luminance without its blur, mean 0."""
    luminance = filters.luminance(picture)
    blur_px = max(1.0, GHOST_BLUR_SHARE * min(picture.shape[-2:]))
    details = (luminance - gaussian_blur(luminance, blur_px, int(3 * blur_px)))[0, 0]
    return details - details.mean()


def _without(details: Tensor, base: Tensor) -> Float[Tensor, "h w"]:
    """Return what is left of `details` after the regression on `base`."""
    return details - (details * base).sum() / base.square().sum().clamp_min(1e-12) * base
