"""How activations are spread: channels that say nothing, and maps of which a few entries hold nearly all."""

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.spread import PEAK_ENTRIES, hoyer_sparsities, peak_shares
from nstkit.measure import Measure

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


DEAD = Measure(
    name="extractor/dead",
    function=dead_share,
    unit="share of the channels",
    range=(0.0, 1.0),
    higher_is_better=False,
    source="Lu et al. 2019, Dying ReLU and initialization",
    aspect="extractor",
)
PEAK = Measure(
    name="extractor/peak",
    function=peak_shares,
    unit="share of the sum of |F|",
    range=(PEAK_ENTRIES, 1.0),
    higher_is_better=False,
    source="after Wang, Li, Vasconcelos 2021, Rethinking and improving the robustness of image style transfer",
    aspect="extractor",
)
HOYER = Measure(
    name="extractor/hoyer",
    function=hoyer_sparsities,
    unit="",
    range=(0.0, 1.0),
    higher_is_better=False,
    source="Hoyer 2004, Non-negative matrix factorization with sparseness constraints, section 3.1",
    aspect="extractor",
)
