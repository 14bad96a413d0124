"""The statistics of batch normalisation: mean and standard deviation of each channel."""

import torch
from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.functions import widest
from transfer.painting.losses.statistics.positions import flat_positions, weighted_mean


def mean_and_std(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "1 1 h w"] | None = None
) -> Float[Tensor, "b 2 c"]:
    """Return the mean and the standard deviation of each channel over positions, in at least float32.

    Args:
        features: (B, C, H, W).
        weights: what each position counts; see `flat_positions`.

    Source: Li, Wang, Liu, Hou 2017, "Demystifying neural style transfer", matching of BN statistics.

    Example:
        >>> import torch
        >>> mean_and_std(torch.tensor([[[[1.0, 3.0]], [[5.0, 7.0]]]]))
        tensor([[[2., 6.],
                 [1., 1.]]])
    """
    flat, shares = flat_positions(features, weights)
    mean = weighted_mean(flat, shares, keepdim=True)
    variance = weighted_mean((flat - mean).square(), shares)
    return torch.stack([mean[..., 0], _root(variance)], dim=1)


def opened_mean_and_std(summary: Float[Tensor, "b 2 c"]) -> Float[Tensor, "b 2 c"]:
    """Return the mean and the mean square of each channel: sums over positions, in float64."""
    mean, deviation = widest(summary).unbind(dim=1)
    return torch.stack([mean, deviation.square() + mean.square()], dim=1)


def closed_mean_and_std(opened: Float[Tensor, "b 2 c"]) -> Float[Tensor, "b 2 c"]:
    """Return the mean and the standard deviation again, in float32."""
    mean, square = opened.unbind(dim=1)
    return torch.stack([mean.float(), _root((square - mean.square()).float())], dim=1)


def _root(variance: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """Return the root; that of 0 has no gradient, and that of a channel without variation is 0."""
    return variance.clamp(min=torch.finfo(variance.dtype).tiny).sqrt()
