"""How the values of a tap's maps are spread: even, or a few that hold nearly all."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

PEAK_ENTRIES = 0.01  # share of the entries that count as the peak


@torch.no_grad()
def peak_shares(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Return the share of each picture's sum of |F| that its largest 1 % of entries hold.

    Args:
        maps: feature maps, (B, C, H, W).

    Returns:
        (B,), from 0.01 (all entries alike, also all zero) to 1 (a few hold all); independent of the maps' scale.

    Source: Wang, Li, Vasconcelos 2021, Rethinking and improving the robustness of image style transfer (SWAG): peaky
        maps of residual networks stylize badly.
    Differs: they give the entropy of a softmax over all entries. That depends on the scale, and calls maps that vanish
        perfectly even.
    """
    entries = maps.float().abs().flatten(1)  # (b, chw)
    count = max(1, round(PEAK_ENTRIES * entries.shape[1]))
    total = entries.sum(dim=1)
    largest = entries.topk(count, dim=1, sorted=False).values.sum(dim=1)
    return torch.where(total > 0, largest / torch.where(total > 0, total, 1), count / entries.shape[1])


@torch.no_grad()
def spread_entropy(maps: Float[Tensor, "1 c h w"]) -> float:
    """Return the entropy of |F| / sum |F| over all channels and positions, over that of an even spread.

    Args:
        maps: feature maps of one picture.

    Returns:
        From 0 (a single entry holds all) to 1 (all are alike, also all zero); independent of the maps' scale.

    Source: Wang, Li, Vasconcelos 2021 (SWAG), figure of the normalised entropy over the layers.
    Differs: they take the softmax of F for the shares, so that every map of small values counts as even.

    Example:
        >>> import torch
        >>> round(spread_entropy(torch.eye(4).view(1, 1, 4, 4)), 3)
        0.5
    """
    entries = maps.float().abs().flatten()
    total = entries.sum()
    if total == 0 or len(entries) == 1:
        return 1.0
    return float(torch.special.entr(entries / total).sum()) / math.log(len(entries))


@torch.no_grad()
def hoyer_sparsities(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Return the sparsity of each picture's entries: (sqrt n - |F|_1 / |F|_2) / (sqrt n - 1).

    Args:
        maps: feature maps, (B, C, H, W), at least two entries a picture.

    Returns:
        (B,), from 0 (all of one magnitude, also all zero) to 1 (a single entry); independent of the maps' scale.

    Source: Hoyer 2004, Non-negative matrix factorization with sparseness constraints, section 3.1.
    """
    entries = maps.float().flatten(1)
    largest = entries.abs().amax(dim=1, keepdim=True)
    entries = entries / torch.where(largest > 0, largest, 1)  # squares of very small values leave float32
    root = math.sqrt(entries.shape[1])
    l1, l2 = entries.abs().sum(dim=1), entries.norm(dim=1)
    return torch.where(l2 > 0, (root - l1 / torch.where(l2 > 0, l2, 1)) / (root - 1), 0)
