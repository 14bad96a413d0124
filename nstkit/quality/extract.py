"""One pass over pictures: what is kept of each tap, batch by batch, so that no feature map outlives its batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.config import Precision
from nstkit.errors import UserError, is_out_of_memory
from nstkit.hardware import autocast
from nstkit.measure import Measure
from nstkit.quality.activity import HOYER, PEAK
from nstkit.quality.rank import GRAM_RANK

OF_WHOLE_MAPS: tuple[Measure[Tensor], ...] = (GRAM_RANK, PEAK, HOYER)
"""Each takes maps (B, C, H, W) and gives one value a picture, (B,)."""

Batches = Iterable[tuple[Float[Tensor, "b 3 h w"], Int64[Tensor, " b"]]]


@dataclass(frozen=True)
class TapSummary:
    """What is kept of one tap over N pictures.

    Attributes:
        pooled: mean over the positions, (N, C), float32.
        lowest: smallest value of each channel over all pictures and positions, (C,).
        highest: largest value, (C,).
    """

    pooled: Float[Tensor, "n c"]
    lowest: Float[Tensor, " c"]
    highest: Float[Tensor, " c"]


@dataclass(frozen=True)
class Extraction:
    """What is kept of one pass over N pictures: the taps by name, logits (N, K) where asked for, labels (N,)."""

    taps: dict[str, TapSummary]
    logits: Float[Tensor, "n k"] | None
    labels: Int64[Tensor, " n"]


@torch.no_grad()
def extract(
    backbone: Backbone, batches: Batches, names: Sequence[str], precision: Precision, *, with_logits: bool = False
) -> Extraction:
    """Return the pooled features at the taps `names`, and the head's logits, in one forward pass a batch.

    Raises:
        UserError: for features that are not finite.
    """
    pooled: dict[str, list[Tensor]] = {name: [] for name in names}
    lowest: dict[str, Tensor] = {}
    highest: dict[str, Tensor] = {}
    logits, labels = [], []
    for image, truth in batches:
        with autocast(image.device, precision):
            maps, scores = (
                backbone.features_and_output(image, names) if with_logits else (backbone.features(image, names), None)
            )
        for name, values in maps.items():
            pooled[name].append(_measurable(values.mean(dim=(2, 3), dtype=torch.float32)))
            low, high = values.amin(dim=(0, 2, 3)).float(), values.amax(dim=(0, 2, 3)).float()
            lowest[name] = torch.minimum(lowest.get(name, low), low)
            highest[name] = torch.maximum(highest.get(name, high), high)
        labels.append(_measurable(truth))
        if scores is not None:
            logits.append(_measurable(scores.float()))
    taps = {name: TapSummary(torch.cat(pooled[name]), lowest[name], highest[name]) for name in names}
    if infinite := [name for name, tap in taps.items() if not (tap.lowest + tap.highest).isfinite().all()]:
        raise UserError(
            f"{backbone.label}: features at {', '.join(infinite)} are not finite in {precision}. Use --precision fp32; "
            f"where that does not help, the weights are damaged or the training diverged."
        )
    return Extraction(taps, torch.cat(logits) if logits else None, torch.cat(labels))


def classify(backbone: Backbone, image: Float[Tensor, "b 3 h w"]) -> Tensor:
    """Return what the whole network gives for pictures, sRGB in [0, 1]: logits (B, K), where it has a head."""
    return backbone.features_and_output(image, ())[1]


@torch.no_grad()
def count_classes(backbone: Backbone, image: Float[Tensor, "b 3 h w"]) -> int | None:
    """Return how many logits the network's head gives, None where it has no head that takes such pictures."""
    try:
        scores = classify(backbone, image)
    except (RuntimeError, AssertionError, UserError) as error:  # a head of one size, or out of reach
        if is_out_of_memory(error):
            raise
        return None
    return scores.shape[1] if isinstance(scores, Tensor) and scores.ndim == 2 else None


def _measurable(values: Tensor) -> Tensor:
    """Return the values where the measures can be computed: Apple's GPU has neither float64 nor eigenvalues."""
    return values.cpu() if values.device.type == "mps" else values


@torch.no_grad()
def look_at_maps(
    backbone: Backbone, batches: Batches, names: Sequence[str], precision: Precision
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield each tap and its measures of whole maps by name, each the mean over the pictures."""
    found: dict[str, dict[str, list[Tensor]]] = {name: {key.name: [] for key in OF_WHOLE_MAPS} for name in names}
    for image, _ in batches:
        with autocast(image.device, precision):
            maps = backbone.features(image, names)
        for name, values in maps.items():
            for measure in OF_WHOLE_MAPS:
                found[name][measure.name].append(measure.function(_measurable(values)))
    for name, of_tap in found.items():
        yield name, {key: float(torch.cat(values).mean()) for key, values in of_tap.items()}
