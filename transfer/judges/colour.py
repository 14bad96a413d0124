"""How near a picture's colours are to the style's, wherever they stand.

Both measures are descriptions, no verdicts. A plain recolouring has the style's colours, an even blend of photograph
and painting can come nearer to them than a good painting, and noise has been rated above published paintings.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.measure import Measure
from nstkit.pictures.tensors import shrink
from transfer.judges.picture import BOUND_PX, against_style, check_pictures
from transfer.judges.transport import sliced_wasserstein

COLOUR_BASES = 16
"""Bases of 3 directions each; on painted pictures 48 directions are within 1 % of 600."""

HISTOGRAM_BINS = 64
HISTOGRAM_RANGE = 3.0
"""Of log-chroma: u and v beyond it fall into the last bin's tail."""
HISTOGRAM_WIDTH = 0.02
HISTOGRAM_PX = 150
"""Longer side at which the histogram is taken, as HistoGAN does."""


def colour_distance(picture: Float[Tensor, "1 3 h w"], style: Float[Tensor, "1 3 hs ws"]) -> float:
    """Return how far the colours of a picture are from those of another, wherever they stand.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1].
        style: (1, 3, Hs, Ws), sRGB in [0, 1]; the size may differ.

    Returns:
        Sliced 2-Wasserstein distance between the two sets of pixels in RGB. Unit: sRGB value, in [0, 1], lower is
        nearer. A shift of all three channels by 0.1 gives 0.1, black against white 1.

    Raises:
        ValueError: a tensor is not (1, 3, H, W).

    Source: Rabin et al. 2011, Wasserstein barycenter and its application to texture mixing.

    Example:
        >>> grey = torch.full((1, 3, 8, 8), 0.5)
        >>> round(colour_distance(grey, grey + 0.1), 4)
        0.1
    """
    check_pictures(1, picture=picture, style=style)
    pixels, style_pixels = (image[0].cpu().flatten(1).T for image in (picture, style))  # (HW, 3)
    return sliced_wasserstein(pixels, style_pixels, COLOUR_BASES).item()


COLOUR = Measure(
    name="judge/colour",
    function=against_style(colour_distance, BOUND_PX),
    unit="sRGB value",
    range=(0.0, 1.0),
    higher_is_better=False,
    source="Rabin et al. 2011, Wasserstein barycenter and its application to texture mixing, on RGB pixels",
    aspect="colour",
)


@torch.no_grad()
def histogram_distance(picture: Float[Tensor, "1 3 h w"], style: Float[Tensor, "1 3 hs ws"]) -> float:
    """Return the Hellinger distance of two pictures' RGB-uv histograms, in [0, 1], lower is nearer.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1].
        style: (1, 3, Hs, Ws), sRGB in [0, 1]; the size may differ.

    Raises:
        ValueError: a tensor is not (1, 3, H, W).

    Source: Afifi, Brubaker & Brown 2021, HistoGAN, equations 1 to 5, h = 64, inverse quadratic kernel of width 0.02.

    Example:
        >>> red = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
        >>> round(histogram_distance(red, red.flip(1)), 1)  # blue
        1.0
    """
    check_pictures(1, picture=picture, style=style)
    ours, target = uv_histogram(picture), uv_histogram(style)
    return ((ours.sqrt() - target.sqrt()).norm() / math.sqrt(2)).item()


HISTOGRAM = Measure(
    name="judge/colour_histogram",
    function=against_style(histogram_distance),
    unit="",
    range=(0.0, 1.0),
    higher_is_better=False,
    source="Afifi et al. 2021 (HistoGAN), equation 5",
    aspect="colour",
)


def uv_histogram(picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "3 b b"]:
    """Return the RGB-uv histogram (3, 64, 64) of a picture, which sums to 1: log-chroma weighted by intensity."""
    pixels = shrink(picture, HISTOGRAM_PX)[0].flatten(1).clamp(0, 1)  # (3, n)
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
