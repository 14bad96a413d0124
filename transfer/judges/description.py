"""Descriptions of colours and textures by classical statistics: no network, and no verdict."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.functional import rgb_to_grayscale

from transfer.judges.sliced_wasserstein import check_picture

HISTOGRAM_BINS = 64
HISTOGRAM_RANGE = 3.0
"""Of log-chroma: u and v beyond it fall into the last bin's tail."""
HISTOGRAM_WIDTH = 0.02
HISTOGRAM_PX = 150
"""Longer side at which the histogram is taken, as HistoGAN does."""

ORIENTATIONS = 4
PERIODS_PX = (3.0, 6.0, 12.0)
GABOR_MIN_SIDE_PX = 48


@torch.no_grad()
def histogram_distance(picture: Float[Tensor, "1 3 h w"], style: Float[Tensor, "1 3 hs ws"]) -> float:
    """Return the Hellinger distance of two pictures' RGB-uv histograms, in [0, 1], lower is nearer.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1].
        style: (1, 3, Hs, Ws), sRGB in [0, 1]; the size may differ.

    Raises:
        ValueError: a tensor is not (1, 3, H, W).

    Source: Afifi, Brubaker & Brown 2021, HistoGAN, equations 1 to 5, h = 64, inverse quadratic kernel of width 0.02.
    """
    check_picture(picture, "picture", 1)
    check_picture(style, "style", 1)
    ours, target = (uv_histogram(each) for each in (picture, style))
    return ((ours.sqrt() - target.sqrt()).norm() / math.sqrt(2)).item()


def uv_histogram(picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "3 b b"]:
    """Return the RGB-uv histogram (3, 64, 64) of a picture, which sums to 1: log-chroma weighted by intensity."""
    scale = HISTOGRAM_PX / max(picture.shape[-2:])
    if scale < 1:
        size = [max(1, round(scale * side)) for side in picture.shape[-2:]]
        picture = F.interpolate(picture, size, mode="bilinear", antialias=True)
    pixels = picture[0].flatten(1).clamp(0, 1)  # (3, n)
    logs = (pixels + 1e-6).log()
    intensity = pixels.square().sum(0).add(1e-6).sqrt()
    bins = torch.linspace(-HISTOGRAM_RANGE, HISTOGRAM_RANGE, HISTOGRAM_BINS, device=picture.device)
    planes = []
    for channel, (first, second) in enumerate(((1, 2), (0, 2), (0, 1))):
        across, down = (
            1 / (1 + ((logs[channel] - logs[other])[:, None] - bins).square() / HISTOGRAM_WIDTH**2)
            for other in (first, second)
        )  # (n, b)
        planes.append((across * intensity[:, None]).T @ down)
    histogram = torch.stack(planes)
    return histogram / histogram.sum()


@torch.no_grad()
def gabor_distance(picture: Float[Tensor, "1 3 h w"], style: Float[Tensor, "1 3 hs ws"]) -> float:
    """Return how far the oriented energies of two pictures' luminances differ: octaves, 0 or more, lower is nearer.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1], sides from 48 px.
        style: (1, 3, Hs, Ws), sRGB in [0, 1], sides from 48 px, at the size at which the painter saw it.

    Returns:
        Root mean square over 12 filters (4 orientations, periods 3, 6 and 12 px) of the difference of log2 of the mean
        energy, and of log2 of its spread over the picture.

    Raises:
        ValueError: a tensor is not (1, 3, H, W), or a shorter side is below 48 px.

    Source: Manjunath & Ma 1996, Texture features for browsing and retrieval of image data (mean and deviation of Gabor
        magnitudes). Differs: the difference is one of logarithms, so that coarse bands do not outweigh fine ones.
    """
    check_picture(picture, "picture", GABOR_MIN_SIDE_PX)
    check_picture(style, "style", GABOR_MIN_SIDE_PX)
    return (gabor_statistics(picture) - gabor_statistics(style)).square().mean().sqrt().item()


def gabor_statistics(picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, " 24"]:
    """Return log2 of mean and standard deviation of the Gabor magnitudes of a picture's luminance."""
    luminance = rgb_to_grayscale(picture)
    values = []
    for period_px in PERIODS_PX:
        magnitude = F.conv2d(luminance, _gabor(period_px).to(picture)).unflatten(1, (2, -1)).square().sum(1).sqrt()
        values += [magnitude.mean((0, 2, 3)), magnitude.std((0, 2, 3))]
    # A magnitude of a tenth of a level of 8 bit is nothing.
    return (torch.cat(values) + 0.1 / 255).log2()


def _gabor(period_px: float) -> Float[Tensor, "n 1 k k"]:
    """Return real, then imaginary parts of the filters of one period, each of zero sum."""
    spread = 0.5 * period_px
    reach = math.ceil(2.5 * spread)
    ticks = torch.arange(-reach, reach + 1.0)
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    window = torch.exp(-(x**2 + y**2) / (2 * spread**2))
    window = window / window.sum()
    angles = [math.pi * k / ORIENTATIONS for k in range(ORIENTATIONS)]
    phases = [2 * math.pi * (math.cos(a) * x + math.sin(a) * y) / period_px for a in angles]
    filters = [wave * window for part in (torch.cos, torch.sin) for wave in map(part, phases)]
    return torch.stack([each - window * each.sum() for each in filters])[:, None]
