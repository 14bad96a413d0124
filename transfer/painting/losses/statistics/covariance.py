"""The covariance of channels: a Gram matrix that does not see how active they are on average."""

from jaxtyping import Float
from torch import Tensor

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
    flat, shares = flat_positions(features, weights)
    centred = flat - weighted_mean(flat, shares, keepdim=True)
    if shares is None:
        return centred @ centred.transpose(1, 2) / flat.shape[2]
    return (centred * shares) @ centred.transpose(1, 2)
