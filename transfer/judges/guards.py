"""Guards: what gives away a picture that judges of style take for a painting. None uses a network.

Each is 0 for a clean picture and grows with the fault; each looks at what the picture has beyond its two inputs.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur, rgb_to_grayscale

from transfer.judges.sliced_wasserstein import check_picture

MIN_SIDE_PX = 32
"""Shorter side below which there are too few places to tell a fault from chance."""
GHOST_BLUR_SHARE = 1 / 32
"""Standard deviation of the blur that is taken out of both luminances, as a share of the shorter side."""
GHOST_SHIFT_SHARE = 1 / 32
"""Largest shift at which the style is looked for, as a share of the longer side."""
TILE_PX = 32
"""Side of the tiles of the spectrum."""
HIGH_FREQUENCY = 0.35
"""Lower end of the high frequencies in cycles a pixel; 0.5 is the highest."""
LIMITS = {"ghost": 0.4, "high_frequencies": 2.0, "checkerboard": 4.0, "clipped": 0.3}
"""Value at which a guard alone calls a picture a fraud: above those of the published paintings."""

_WHITE = (3 / 8 * TILE_PX) ** 2  # energy at each frequency of white noise of variance 1: the window's squares, added up
_NEIGHBOURS = (-6, -5, -4, 4, 5, 6)  # bins away from the one looked at: outside of the window's main lobe


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
        ValueError: a tensor is not (1, 3, H, W), or too small.
    """
    _check(picture, content, style)
    height, width = picture.shape[-2:]
    scale = max(height / style.shape[-2], width / style.shape[-1])
    cover = [max(side, round(scale * own)) for side, own in zip((height, width), style.shape[-2:], strict=True)]
    top, left = (cover[0] - height) // 2, (cover[1] - width) // 2
    covering = F.interpolate(style, cover, mode="bilinear", antialias=True)[
        ..., top : top + height, left : left + width
    ]
    stretched = F.interpolate(style, (height, width), mode="bilinear", antialias=True)

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
        ValueError: a tensor is not (1, 3, H, W), or too small.
    """
    _check(picture, content, style)
    shares = [_high_share(each) for each in (picture, content, style)]
    return max(0.0, math.log2(shares[0] / max(shares[1:])))


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
        ValueError: a tensor is not (1, 3, H, W), or too small.

    Source: Odena, Dumoulin & Olah 2016, Deconvolution and checkerboard artifacts.
    """
    _check(picture, content, style)
    peaks = [_grid_peaks(each) for each in (picture, content, style)]
    return (peaks[0] - torch.maximum(*peaks[1:]).clamp_min(0)).max().clamp_min(0).item()


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
        ValueError: a tensor is not (1, 3, H, W), or too small.
    """
    _check(picture, content, style)
    half = 0.5 / 255
    shares = [((each <= half) | (each >= 1 - half)).float().mean().item() for each in (picture, content, style)]
    return max(0.0, shares[0] - max(shares[1:]))


def artefacts(guards: dict[str, float]) -> float:
    """Return one number for all guards, in [0, 1]: 0 = none speaks, 1 = one of them is at its limit.

    Args:
        guards: values by the names of `LIMITS`.

    Returns:
        1 - product of (1 - (value / limit)^2), each clipped to [0, 1]: faults add up, none is averaged away, and what
        every painting has a little of counts little.
    """
    return 1 - math.prod(1 - min(1.0, max(0.0, value / LIMITS[name]) ** 2) for name, value in guards.items())


def _check(picture: Tensor, content: Tensor, style: Tensor) -> None:
    for role, given in {"picture": picture, "content": content, "style": style}.items():
        check_picture(given, role, MIN_SIDE_PX)
    if picture.shape != content.shape:
        raise ValueError(f"picture {tuple(picture.shape)} and content {tuple(content.shape)} differ; resize one first.")


def _details(picture: Tensor) -> Float[Tensor, "h w"]:
    """Return the luminance without its blur, mean 0."""
    luminance = rgb_to_grayscale(picture)
    blur_px = max(1.0, GHOST_BLUR_SHARE * min(picture.shape[-2:]))
    details = (luminance - gaussian_blur(luminance, [2 * int(3 * blur_px) + 1] * 2, [blur_px] * 2))[0, 0]
    return details - details.mean()


def _without(details: Tensor, base: Tensor) -> Float[Tensor, "h w"]:
    """Return what is left of `details` after the regression on `base`."""
    return details - (details * base).sum() / base.square().sum().clamp_min(1e-12) * base


def _spectrum(picture: Tensor) -> Float[Tensor, "t t"]:
    """Return the mean energy spectrum of the picture's tiles, half overlapping, over the channels."""
    tiles = picture[0].unfold(1, TILE_PX, TILE_PX // 2).unfold(2, TILE_PX, TILE_PX // 2)  # (3, rows, columns, t, t)
    window = torch.hann_window(TILE_PX, device=picture.device)
    tiles = (tiles - tiles.mean((-2, -1), keepdim=True)) * torch.outer(window, window)
    return torch.fft.fft2(tiles).abs().square().flatten(0, 2).mean(0)


def _high_share(picture: Tensor) -> float:
    """Return the share of a picture's energy in high frequencies."""
    energy = _spectrum(picture)
    frequency = torch.fft.fftfreq(TILE_PX, device=picture.device).abs()
    is_high = torch.maximum(frequency[:, None], frequency[None, :]) > HIGH_FREQUENCY
    # What a flat picture has by rounding to 8 bit is all noise, and none to speak of; 1e-5 is below any picture's.
    return (energy[is_high].sum() / (energy.sum() + _WHITE * (2 / 255) ** 2 * energy.numel())).item() + 1e-5


def _grid_peaks(picture: Tensor) -> Float[Tensor, " 6"]:
    """Return how far the energy at periods 2 and 4 stands above its neighbourhood, in octaves."""
    levels = (_spectrum(picture) + _WHITE / (12 * 255**2)).log2()
    values = []
    for period in (2, 4):
        place = TILE_PX // period
        for row, column in ((0, place), (place, 0), (place, place)):
            along = (int(row > 0), int(column > 0))
            across = (-along[1], along[0])
            # Above both: an enlarged picture has a cliff along, and any picture more energy on the axes than beside.
            around = [
                torch.stack([levels[(row + n * dy) % TILE_PX, (column + n * dx) % TILE_PX] for n in _NEIGHBOURS]).mean()
                for dy, dx in (along, across)
            ]
            values.append(levels[row, column] - torch.maximum(*around))
    return torch.stack(values)
