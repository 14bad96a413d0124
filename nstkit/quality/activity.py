"""How activations are spread: channels that say nothing, and maps of which a few entries hold nearly all."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.measure import Measure

PEAK_ENTRIES = 0.01  # share of the entries that count as the peak
FLAT = 1e-6  # spread of a channel, relative to the tap's largest value, below which it is constant


@torch.no_grad()
def dead_share(lowest: Float[Tensor, " c"], highest: Float[Tensor, " c"]) -> float:
    """Return the share of channels that are the same everywhere in every picture, in [0, 1].

    Behind a ReLU these are the channels that are never above 0.

    Args:
        lowest: smallest value of each channel over all pictures and positions, (C,).
        highest: largest value, (C,).

    Source: Lu et al. 2019, Dying ReLU and initialization: a unit that is constant over the data is dead.
    """
    scale = torch.maximum(lowest.abs(), highest.abs()).max()
    return float((highest - lowest <= FLAT * scale).double().mean())


def peak_share(maps: Float[Tensor, "b c h w"]) -> float:
    """Return the mean over pictures of `peak_shares`."""
    return float(peak_shares(maps).mean())


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


def hoyer_sparsity(maps: Float[Tensor, "b c h w"]) -> float:
    """Return the mean over pictures of `hoyer_sparsities`."""
    return float(hoyer_sparsities(maps).mean())


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


DEAD = Measure(
    name="extractor/dead",
    function=dead_share,
    unit="share of the channels",
    range=(0.0, 1.0),
    higher_is_better=False,
    source="Lu et al. 2019, Dying ReLU and initialization",
)
PEAK = Measure(
    name="extractor/peak",
    function=peak_share,
    unit="share of the sum of |F|",
    range=(PEAK_ENTRIES, 1.0),
    higher_is_better=False,
    source="after Wang, Li, Vasconcelos 2021, Rethinking and improving the robustness of image style transfer",
)
HOYER = Measure(
    name="extractor/hoyer",
    function=hoyer_sparsity,
    unit="",
    range=(0.0, 1.0),
    higher_is_better=False,
    source="Hoyer 2004, Non-negative matrix factorization with sparseness constraints, section 3.1",
)
