"""Colour and texture distance of two pictures, by optimal transport along many single directions.

Both are descriptions, not verdicts: see the package's docstring. They compute on the CPU, where numpy sorts values many
times faster than torch, which sorts the indices too; so the device does not change the numbers.
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

COLOUR_BASES = 16
"""Bases of 3 directions each; on painted pictures 48 directions are within 1 % of 600."""
TEXTURE_BASES = 2
"""Bases of 75 directions each, 75 = values of a patch."""

LEVELS = 3
"""Levels of the Laplacian pyramid. Coarser ones hold composition, which the content dictates."""
PATCH_PX = 5
"""Side of a patch in samples, which stand 1, 2 and 4 px apart on the levels: it spans 5, 9 and 17 px."""
PATCHES = 8192
"""Most patches taken from one level; a level that has fewer gives all."""

TEXTURE_MIN_SIDE_PX = 32
"""Least shorter side: a patch of the coarsest level spans half of it."""

_SEED = 0


def check_picture(picture: Tensor, role: str, min_side_px: int) -> None:
    """Raise where a tensor is not one colour picture of a sufficient size.

    Args:
        picture: what should be (1, 3, H, W).
        role: what the message calls it, such as "style".
        min_side_px: smallest shorter side allowed, px.

    Raises:
        ValueError: the shape is another, or the shorter side is smaller.
    """
    if picture.ndim != 4 or tuple(picture.shape[:2]) != (1, 3):
        raise ValueError(f"{role}: shape {tuple(picture.shape)}, but a judge needs one RGB picture (1, 3, H, W).")
    height, width = picture.shape[-2:]
    if min(height, width) < min_side_px:
        raise ValueError(
            f"{role}: {width} x {height} px, but this judge needs at least {min_side_px} px on the shorter side; "
            "give a larger picture."
        )


def quantile_grid(n: int, m: int) -> tuple[Int[Tensor, " k"], Int[Tensor, " k"], Float[Tensor, " k"]]:
    """Return the common grid of the quantile functions of n and of m values.

    Both are step functions, so on the union of their steps the transport cost is exact for any pair of counts, where a
    grid of evenly spaced quantiles would only be close.

    Args:
        n: values on the one side, at least 1.
        m: values on the other side, at least 1.

    Returns:
        For each of the k cells of the grid: the rank among the n values, the rank among the m values, and the width of
        the cell; the widths add up to 1.
    """
    # In units of 1 / (n m) every step is a whole number, so no cell is lost or doubled by rounding.
    edges = torch.cat([torch.arange(n) * m, torch.arange(m) * n]).unique()
    width = edges.diff(append=torch.tensor([n * m])) / (n * m)
    return edges // m, edges // n, width


@torch.no_grad()
def sliced_wasserstein(
    points_a: Float[Tensor, "n d"], points_b: Float[Tensor, "m d"], n_bases: int
) -> Float[Tensor, ""]:
    """Return the sliced 2-Wasserstein distance between two sets of points, which may differ in number.

    Args:
        points_a: one set, (n, d), float32, on the CPU.
        points_b: the other, (m, d), likewise.
        n_bases: random orthonormal bases to project on, each gives d directions. The seed is fixed.

    Returns:
        Root of the mean over directions of the squared 1-D distance, in the unit of the points, shape (). A shift of
        all points by c gives |c| / sqrt(d), the root mean square of its components.

    Source: Rabin et al. 2011, Wasserstein barycenter and its application to texture mixing.
    Differs: the directions come in orthonormal bases (Rowland et al. 2019, Orthogonal estimation of Wasserstein
        distances). The mean of their outer products is then identity / d, which makes the value of a shift exact.
    """
    d = points_a.shape[1]
    generator = torch.Generator().manual_seed(_SEED)
    bases = torch.linalg.qr(torch.randn(n_bases, d, d, generator=generator)).Q
    rank_a, rank_b, width = quantile_grid(len(points_a), len(points_b))

    squared = torch.zeros(())
    for basis in bases:  # one at a time, which bounds the memory for large pictures
        sorted_a, sorted_b = _sorted_rows(basis @ points_a.T), _sorted_rows(basis @ points_b.T)  # (d, n), (d, m)
        squared += ((sorted_a.index_select(1, rank_a) - sorted_b.index_select(1, rank_b)).square() @ width).mean()
    return (squared / n_bases).sqrt()


def _sorted_rows(values: Float[Tensor, "d n"]) -> Float[Tensor, "d n"]:
    """Return each row in ascending order."""
    return torch.from_numpy(np.sort(values.numpy(), axis=1))


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
    """
    check_picture(picture, "picture", 1)
    check_picture(style, "style", 1)
    pixels, style_pixels = (x[0].cpu().flatten(1).T for x in (picture, style))  # (HW, 3)
    return sliced_wasserstein(pixels, style_pixels, COLOUR_BASES).item()


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
        place = torch.quasirandom.SobolEngine(2, scramble=True, seed=_SEED).draw(PATCHES)
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
    """
    check_picture(picture, "picture", TEXTURE_MIN_SIDE_PX)
    check_picture(style, "style", TEXTURE_MIN_SIDE_PX)
    bands = zip(laplacian_pyramid(picture.cpu(), LEVELS), laplacian_pyramid(style.cpu(), LEVELS), strict=True)
    distances = [
        sliced_wasserstein(_patches(a, 2**level), _patches(b, 2**level), TEXTURE_BASES)
        for level, (a, b) in enumerate(bands)
    ]
    return torch.stack(distances).mean().item()
