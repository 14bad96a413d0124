"""Histograms: the values of each channel, sorted, wherever they are."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from transfer.painting.losses.statistics.positions import flat_positions

BINS = 256


def channel_quantiles(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "1 1 h w"] | None = None
) -> Float[Tensor, "b c 256"]:
    """Return the histogram of each channel as its quantiles, in at least float32.

    The squared distance of two such histograms is that of each value from the one that it would have after matching.

    Args:
        features: (B, C, H, W).
        weights: what each position counts; see `flat_positions`.

    Source: Risser, Wilmot, Barnes 2017, "Stable and controllable neural texture synthesis and style transfer using
        histogram losses".
    Differs: 256 bins of equal mass in place of equal width, so that every value has a gradient and no bin is empty; the
        loss stands alone, where theirs is added to that of Grams.
    """
    flat, shares = flat_positions(features, weights)
    return quantile_means(flat, shares)


def quantile_means(
    values: Float[Tensor, "b c m"], shares: Float[Tensor, " m"] | None = None, bins: int = BINS
) -> Float[Tensor, "b c k"]:
    """Return the mean of each of `bins` parts of equal mass of the sorted values.

    Args:
        values: (B, C, M), of any M.
        shares: (M), mass of each position, of sum 1; None = equal.
        bins: K. A value that reaches into several parts counts in each.

    Returns:
        (B, C, K), ascending; their mean is that of the values.

    Example:
        >>> quantile_means(torch.tensor([[[3.0, 1.0, 2.0, 6.0]]]), bins=2)
        tensor([[[1.5000, 4.5000]]])
        >>> quantile_means(torch.tensor([[[3.0, 1.0]]]), torch.tensor([0.25, 0.75]), bins=4)
        tensor([[[1., 1., 1., 3.]]])
    """
    count = values.shape[2]
    ordered, order = values.sort(dim=2)
    mass = torch.full_like(ordered, 1 / count) if shares is None else shares[order]
    # The integral of the quantile function is linear between the ends of values: it is read off at the ends of parts.
    ends = mass.cumsum(dim=2)
    integral = functional.pad((ordered * mass).cumsum(dim=2), (1, 0))
    edges = torch.arange(1, bins, device=values.device, dtype=values.dtype) / bins
    edges = edges.expand(*values.shape[:2], bins - 1).contiguous()
    place = torch.searchsorted(ends.detach(), edges).clamp(max=count - 1)
    passed = edges - (ends - mass).gather(2, place)
    inner = integral.gather(2, place) + passed * ordered.gather(2, place)
    whole = torch.cat([integral[..., :1], inner, integral[..., -1:]], dim=2)
    return bins * whole.diff(dim=2)
