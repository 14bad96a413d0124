"""How near a picture's textures are to the style's, wherever they stand.

Both measures are descriptions, no verdicts: the style picture with scrambled phases, which has all its frequencies and
no stroke, can come nearer to it than a good painting.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nstkit.measure import Measure
from transfer.judges.filters import luminance
from transfer.judges.gabor_bank import gabor_filters
from transfer.judges.picture import BOUND_PX, against_style, check_pictures
from transfer.judges.transport import sliced_wasserstein

BASES = 2
"""Bases of 75 directions each, 75 = values of a patch."""
LEVELS = 3
"""Levels of the Laplacian pyramid. Coarser ones hold composition, which the content dictates."""
PATCH_PX = 5
"""Side of a patch in samples, which stand 1, 2 and 4 px apart on the levels: it spans 5, 9 and 17 px."""
PATCHES = 8192
"""Most patches taken from one level; a level that has fewer gives all."""
PATCHES_SEED = 0
TEXTURE_LEAST_PX = 32
"""Least shorter side: a patch of the coarsest level spans half of it."""

ORIENTATIONS = 4
PERIODS_PX = (3.0, 6.0, 12.0)
GABOR_LEAST_PX = 48
"""Least shorter side: it holds the longest period four times."""


def laplacian_pyramid(picture: Float[Tensor, "1 c h w"], levels: int) -> list[Float[Tensor, "1 c h w"]]:
    """Return the band-pass levels of a picture, finest first, without the low-pass rest.

    Args:
        picture: (1, C, H, W), sides above 2^levels px.
        levels: how many, each one octave coarser.

    Returns:
        Each level (1, C, H, W), around 0.

    Source: Burt & Adelson 1983, The Laplacian pyramid as a compact image code, its filter with a = 0.375.
    Differs: the levels are not thinned out, the filter is spread instead ("a trous"). Thinned out, a stripe near the
        limit of a level appears or vanishes with its position, and shifting a texture by a pixel would change it.
    """
    channels = picture.shape[1]
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], device=picture.device) / 16
    kernel = torch.outer(taps, taps).expand(channels, 1, 5, 5)
    bands = []
    for level in range(levels):
        step_px = 2**level
        padded = F.pad(picture, [2 * step_px] * 4, mode="reflect")
        smooth = F.conv2d(padded, kernel, dilation=step_px, groups=channels)
        bands.append(picture - smooth)
        picture = smooth
    return bands


def _patches(band: Float[Tensor, "1 c h w"], step_px: int) -> Float[Tensor, "n d"]:
    """Return patches of a level, samples `step_px` apart, as rows; each channel's mean is taken out of each patch."""
    span_px = (PATCH_PX - 1) * step_px + 1
    windows = band[0].unfold(1, span_px, 1).unfold(2, span_px, 1)[..., ::step_px, ::step_px]  # (c, rows, columns, 5, 5)
    rows, columns = windows.shape[1:3]
    if rows * columns > PATCHES:
        # The same relative places in every picture. Random rather than on a lattice, which would see a periodic texture
        # always in the same phase; a Sobol sequence rather than independent draws, which cover the picture less evenly.
        place = torch.quasirandom.SobolEngine(2, scramble=True, seed=PATCHES_SEED).draw(PATCHES)
        row, column = ((place[:, i] * n).long().clamp(max=n - 1) for i, n in enumerate((rows, columns)))
        patches = windows[:, row, column]
    else:
        patches = windows.flatten(1, 2)  # (c, n, 5, 5)
    patches = patches - patches.mean(dim=(-2, -1), keepdim=True)
    return patches.transpose(0, 1).flatten(1)


@torch.no_grad()
def texture_distance(picture: Float[Tensor, "1 3 h w"], style: Float[Tensor, "1 3 hs ws"]) -> float:
    """Return how far the local patterns of a picture are from those of another, wherever they stand.

    Compares at equal pixels: a stripe of 4 px and one of 8 px are different textures, so both pictures should have the
    size at which the one was painted after the other.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1], sides from 32 px.
        style: (1, 3, Hs, Ws), sRGB in [0, 1], sides from 32 px; the size may differ.

    Returns:
        Mean over 3 levels of a Laplacian pyramid of the sliced 2-Wasserstein distance between the 5 x 5 patches. Unit:
        sRGB value (root mean square over the values of a patch), in [0, 2], lower is nearer; photographs against
        paintings had 0.006 to 0.024. Blind to a shift of all colours, but not to contrast or to the hue of edges.

    Raises:
        ValueError: a tensor is not (1, 3, H, W), or a shorter side is below 32 px.

    Source: Karras et al. 2018, Progressive growing of GANs, section 5 (SWD); Rabin et al. 2011.
    Differs: 5 x 5 patches in place of 7 x 7. Of each patch its mean is taken out, and nothing is divided: Karras
        divides each channel of a level by its standard deviation, which turns the faint noise of a flat picture into
        full texture and leaves no unit. 2-Wasserstein, theirs is the mean absolute difference. Three levels, theirs go
        down to 16 px and include the low-pass rest, which is colour and layout; ours are not thinned out, so that a
        texture may stand anywhere. Patches at fixed places, directions of a fixed seed.

    Example:
        A checkerboard of single pixels, 0.2 above and below grey, is all in the finest of the three levels.

        >>> sign = 1 - 2 * ((torch.arange(48)[:, None] + torch.arange(48)) % 2)
        >>> board = (0.5 + 0.2 * sign).expand(1, 3, 48, 48)
        >>> round(texture_distance(board, torch.full((1, 3, 48, 48), 0.5)), 3)
        0.067
    """
    check_pictures(TEXTURE_LEAST_PX, picture=picture, style=style)
    bands = zip(laplacian_pyramid(picture.cpu(), LEVELS), laplacian_pyramid(style.cpu(), LEVELS), strict=True)
    distances = [
        sliced_wasserstein(_patches(a, 2**level), _patches(b, 2**level), BASES) for level, (a, b) in enumerate(bands)
    ]
    return torch.stack(distances).mean().item()


TEXTURE = Measure(
    name="judge/texture",
    function=against_style(texture_distance, BOUND_PX),
    unit="sRGB value",
    range=(0.0, 2.0),
    higher_is_better=False,
    source="Karras et al. 2018, Progressive growing of GANs, section 5 (SWD), changed as its docstring says",
    aspect="texture",
)


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
        magnitudes).
    Differs: the difference is one of logarithms, so that coarse bands do not outweigh fine ones.

    Example:
        Half the contrast is one octave, a little less where there is hardly any energy.

        >>> noise = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
        >>> round(gabor_distance(noise, noise / 2), 2)
        0.94
    """
    check_pictures(GABOR_LEAST_PX, picture=picture, style=style)
    return (gabor_statistics(picture) - gabor_statistics(style)).square().mean().sqrt().item()


GABOR = Measure(
    name="judge/gabor",
    function=against_style(gabor_distance),
    unit="octaves",
    range=(0.0, 30.0),
    higher_is_better=False,
    source="Manjunath & Ma 1996, Gabor energies",
    aspect="texture",
)


def gabor_statistics(picture: Float[Tensor, "1 3 h w"]) -> Float[Tensor, " 24"]:
    """Return log2 of mean and standard deviation of the Gabor magnitudes of a picture's luminance."""
    grey = luminance(picture)
    values = []
    for period_px in PERIODS_PX:
        filters = gabor_filters(period_px, ORIENTATIONS, reach_px=math.ceil(1.25 * period_px)).to(picture)
        magnitude = F.conv2d(grey, filters).unflatten(1, (2, -1)).square().sum(1).sqrt()
        values += [magnitude.mean((0, 2, 3)), magnitude.std((0, 2, 3))]
    # A magnitude of a tenth of a level of 8 bit is nothing.
    return (torch.cat(values) + 0.1 / 255).log2()
