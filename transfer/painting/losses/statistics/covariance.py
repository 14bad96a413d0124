"""The covariance of channels: a Gram matrix that does not see how active they are on average."""

import torch
from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.functions import squared_distance, widest
from transfer.painting.losses.statistics.positions import flat_positions, weighted_mean


def covariance_matrix(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "1 1 h w"] | None = None
) -> Float[Tensor, "b c c"]:
    """Return (F - m)(F - m)^T / (H W), where m holds the mean of each channel, in at least float32.

    Args:
        features: (B, C, H, W).
        weights: what each position counts; see `flat_positions`.

    Source: Sun, Saenko 2016, "Deep CORAL", eq. 1 to 3.
    Differs: divided by the count of positions, not one less; the means are left free, as there.

    Example:
        >>> import torch
        >>> covariance_matrix(torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]]]]))
        tensor([[[0.2500, 0.2500],
                 [0.2500, 0.2500]]])
    """
    return covariance_and_mean(features, weights)[..., :-1]


def covariance_and_mean(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "1 1 h w"] | None = None
) -> Float[Tensor, "b c c+1"]:
    """Return the covariance, and in a last column the means, from which that of a picture's parts is put together."""
    flat, shares = flat_positions(features, weights)
    mean = weighted_mean(flat, shares, keepdim=True)
    centred = flat - mean
    if shares is None:
        return torch.cat([centred @ centred.transpose(1, 2) / flat.shape[2], mean], dim=2)
    return torch.cat([(centred * shares) @ centred.transpose(1, 2), mean], dim=2)


def covariance_distance(a: Float[Tensor, "b c c+1"], b: Float[Tensor, "b c c+1"]) -> Float[Tensor, ""]:
    """Return the squared distance of two covariances; their means are free."""
    return squared_distance(a[..., :-1], b[..., :-1])


def opened_covariance(summary: Float[Tensor, "b c c+1"]) -> Float[Tensor, "b c c+1"]:
    """Return the mean of products beside the means: sums over positions, in float64."""
    wide = widest(summary)
    mean = wide[..., -1:]
    return torch.cat([wide[..., :-1] + mean @ mean.transpose(1, 2), mean], dim=2)


def closed_covariance(opened: Float[Tensor, "b c c+1"]) -> Float[Tensor, "b c c+1"]:
    """Return the covariance and the means again, in float32."""
    mean = opened[..., -1:]
    return torch.cat([opened[..., :-1] - mean @ mean.transpose(1, 2), mean], dim=2).float()
