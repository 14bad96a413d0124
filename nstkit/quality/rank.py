"""Effective ranks: how many directions features use, over pictures (RankMe) and inside one (Gram)."""

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.measure import Measure


def effective_rank(spectrum: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
    """Return exp of the entropy of a spectrum divided by its sum: n for n equal values, 1 for a single one, 0 for none.

    Args:
        spectrum: singular values or eigenvalues, (..., N); below 0, which is rounding, counts as 0.

    Source: Roy and Vetterli 2007, The effective rank: a measure of effective dimensionality.

    Example:
        >>> import torch
        >>> effective_rank(torch.tensor([[3.0, 3.0, 0.0], [5.0, 0.0, 0.0]]))
        tensor([2., 1.])
    """
    spectrum = spectrum.clamp(min=0)
    total = spectrum.sum(dim=-1, keepdim=True)
    shares = spectrum / torch.where(total > 0, total, 1)
    return torch.where(total[..., 0] > 0, torch.special.entr(shares).sum(dim=-1).exp(), 0)


@torch.no_grad()
def rankme(features: Float[Tensor, "n c"]) -> float:
    """Return the effective rank of a feature matrix, from 0 (all zero) to min(N, C).

    Args:
        features: pooled features, one row a picture, (N, C). Neither centred nor scaled by channel, as in the paper.

    Source: Garrido et al. 2023, RankMe, equation 1.
    Differs: without the paper's 1e-7 beside each share, which only keeps the logarithm finite; here 0 log 0 = 0.
    """
    return float(effective_rank(_spectrum(features.double()).sqrt()))


def rankme_share(features: Float[Tensor, "n c"]) -> float:
    """Return `rankme` divided by the count of channels, in [0, 1]: comparable between taps and networks of any width.

    Args:
        features: (N, C); with fewer pictures than channels the highest value is N / C.
    """
    return rankme(features) / features.shape[1]


@torch.no_grad()
def gram_ranks(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Return the effective rank of each picture's Gram matrix: how many directions of style a style loss sees there.

    Args:
        maps: feature maps, (B, C, H, W).

    Returns:
        (B,), from 0 (all zero) to min(C, HW); independent of the maps' scale.

    Source: Roy and Vetterli 2007 on the eigenvalues of Gatys' matrix, F F^T.
    """
    return effective_rank(_spectrum(maps.float().flatten(2)))


def _spectrum(rows: Float[Tensor, "*b n c"]) -> Float[Tensor, "*b k"]:
    """Return the squared singular values, through the smaller of the two products, which is faster than an SVD."""
    largest = rows.abs().amax(dim=(-2, -1), keepdim=True)
    rows = rows / torch.where(largest > 0, largest, 1)  # squares of very small or large values leave float32
    is_tall = rows.shape[-2] > rows.shape[-1]
    return torch.linalg.eigvalsh(rows.mT @ rows if is_tall else rows @ rows.mT).clamp(min=0)


RANKME = Measure(
    name="extractor/rankme",
    function=rankme_share,
    unit="share of the channels",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="Garrido et al. 2023, RankMe: assessing the downstream performance of pretrained representations, eq. 1",
    aspect="extractor",
)
GRAM_RANK = Measure(
    name="extractor/gram_rank",
    function=gram_ranks,
    unit="directions",
    range=(0.0, float("inf")),
    higher_is_better=True,
    source="Roy and Vetterli 2007, The effective rank, on the eigenvalues of Gatys' Gram matrix",
    aspect="extractor",
)
