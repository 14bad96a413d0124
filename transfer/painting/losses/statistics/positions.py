"""Features as vectors, one a position, each with its share of a statistic."""

import torch
from jaxtyping import Float
from torch import Tensor

Weights = Float[Tensor, "1 1 h w"] | None
"""What each position of a map counts, 0 or more; None = all alike. Regions of a picture are told apart by it."""


def at_least_float32(features: Tensor) -> Tensor:
    """Return features in float32 or wider: sums over thousands of positions do not fit 8 bits of mantissa."""
    return features.float() if features.dtype in (torch.bfloat16, torch.float16) else features


def flat_positions(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "1 1 h w"] | None = None
) -> tuple[Float[Tensor, "b c m"], Float[Tensor, " m"] | None]:
    """Return the features of all positions in a row, in at least float32, and the share of each.

    Args:
        features: (B, C, H, W).
        weights: (1, 1, H, W), 0 or more; None = all alike.

    Returns:
        (B, C, M) with M = H W, and shares (M) that sum to 1, or are 0 where all weights are; None for M equal ones.
    """
    flat = at_least_float32(features).flatten(2)
    return flat, None if weights is None else (weights / _sum(weights)).to(flat).flatten()


def _sum(weights: Float[Tensor, "1 1 h w"]) -> Float[Tensor, ""]:
    return weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)


def weighted_mean(
    flat: Float[Tensor, "b c m"], shares: Float[Tensor, " m"] | None, *, keepdim: bool = False
) -> Float[Tensor, "b c _"] | Float[Tensor, "b c"]:
    """Return the mean over positions, each with its share."""
    return flat.mean(dim=2, keepdim=keepdim) if shares is None else (flat * shares).sum(dim=2, keepdim=keepdim)
