"""The Gram matrix: which channels are active together."""

from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.statistics.positions import flat_positions


def gram_matrix(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "1 1 h w"] | None = None
) -> Float[Tensor, "b c c"]:
    """Return F F^T / (H W), the mean over positions of the products of channels, in at least float32.

    Args:
        features: (B, C, H, W).
        weights: what each position counts; see `flat_positions`. Guided Grams take the square of the guidance channel.

    Source: Gatys, Ecker, Bethge 2016, eq. 3; guided, Gatys et al. 2017 "Controlling perceptual factors", section 4.
    Differs: Gatys et al. do not divide; divided, pictures of different sizes can be compared.

    Example:
        >>> import torch
        >>> gram_matrix(torch.tensor([[[[1.0, 2.0]], [[0.0, 1.0]]]]))  # two channels, two positions
        tensor([[[2.5000, 1.0000],
                 [1.0000, 0.5000]]])
    """
    flat, shares = flat_positions(features, weights)
    if shares is None:
        return flat @ flat.transpose(1, 2) / flat.shape[2]
    return (flat * shares) @ flat.transpose(1, 2)
