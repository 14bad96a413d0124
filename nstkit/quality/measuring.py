"""All measures of one extractor: `measure_quality`.

By tag, for the tap T (and `random/...` in place of `extractor/...` for the random twin):

extractor/top1, top5, mean_per_class, ece     of the network's own head, where it fits the classes
extractor/probe/T, knn/T                      accuracy from pooled features
extractor/rankme/T                            effective rank of pooled features / channels
extractor/gram_rank/T                         effective rank of the Gram matrix, mean over pictures
extractor/dead/T, peak/T, hoyer/T             how activations are spread
extractor/probe, knn, rankme, ...             the mean over the network's default style taps, for the table of runs

Ranks and accuracies grow with the count and the size of the pictures: only values of one data set, one size and one
limit can be compared.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.batchnorm import settled
from nstkit.config import Precision
from nstkit.datasets.arrays import Dataset, Part
from nstkit.errors import UserError
from nstkit.measure import Measure
from nstkit.quality.activity import DEAD, HOYER, PEAK
from nstkit.quality.classification import CLASSIFICATION, confusion_matrix
from nstkit.quality.config import LIMIT
from nstkit.quality.extract import count_classes, extract, look_at_maps
from nstkit.quality.knn import KNN
from nstkit.quality.probe import PROBE
from nstkit.quality.rank import GRAM_RANK, RANKME
from nstkit.quality.sample import batches, first_batch, stratified

PER_TAP: tuple[Measure[Any], ...] = (PROBE, KNN, RANKME, GRAM_RANK, DEAD, PEAK, HOYER)
MEASURES: tuple[Measure[Any], ...] = (*CLASSIFICATION, *PER_TAP)

MAP_PICTURES = 256  # whose whole maps are looked at (an eigendecomposition each); their mean is known to about 1 %


@dataclass(frozen=True)
class Quality:
    """What was measured of one extractor.

    Attributes:
        values: by tag, see the module's docstring; what does not apply is absent.
        taps: that were measured, in the order of the table.
        order: indices of the test pictures that were looked at, (M,).
        predicted: the head's class for each of them, (M,); None where the head does not fit.
        confusion: counts by class (row) and prediction (column), (K, K); None where the head does not fit.
    """

    values: dict[str, float]
    taps: tuple[str, ...]
    order: Int64[Tensor, " m"]
    predicted: Int64[Tensor, " m"] | None
    confusion: Int64[Tensor, "k k"] | None


def measure_quality(
    backbone: Backbone,
    data: Dataset,
    *,
    device: torch.device,
    precision: Precision,
    taps: Iterable[str] | None = None,
    limit: int | None = LIMIT,
    size_px: int | None = None,
    use_head: bool = True,
    baseline: Backbone | None = None,
    advance: Callable[[int], object] | None = None,
) -> Quality:
    """Return every measure of an extractor on a data set. The global random state stays as it is.

    Probe and neighbours learn from training pictures; everything is measured on test pictures.

    Args:
        backbone: moved to `device`.
        data: on any device.
        device: where the network computes.
        precision: number format inside the network.
        taps: None = the network's default style and content taps.
        limit: training pictures, and half as many test pictures, always the same stratified ones. None = all.
        size_px: side that the pictures are scaled to. None = as they are.
        use_head: False where the head is known to tell other classes; else it is used if their number fits.
        baseline: the random twin, moved to `device` and measured alike under `random/`, with batch norm that has the
            statistics of a batch of the training pictures.
        advance: called with the count of pictures behind each batch, `count_pictures` in total a network.

    Raises:
        UserError: for an unknown tap, pictures too small for one, features that are not finite, or a limit below 2.
    """
    if limit is not None and limit < 2:
        raise UserError(f"--limit {limit}: at least 2 (training pictures; half as many test pictures).")
    backbone = backbone.to(device)
    names = tuple(backbone.default_taps if taps is None else dict.fromkeys(taps))
    if not names:
        raise UserError("no tap to measure: name at least one (--taps).")
    train_order = stratified(data.train.labels, limit)
    test_order = stratified(data.test.labels, None if limit is None else limit // 2)
    first = first_batch(data.train, train_order, device, size_px)
    backbone.features(first[:1], names)  # raises for what cannot be measured
    has_head = use_head and count_classes(backbone, first[:1]) == len(data.classes)

    def read(part: Part, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        for image, labels in batches(part, order, device, size_px):
            yield image, labels
            if advance is not None:
                advance(len(labels))

    train = extract(backbone, read(data.train, train_order), names, precision)
    test = extract(backbone, read(data.test, test_order), names, precision, with_logits=has_head)
    values: dict[str, float] = {}
    if test.logits is not None:
        values |= {measure.name: measure.function(test.logits, test.labels) for measure in CLASSIFICATION}
    whole_maps = look_at_maps(backbone, read(data.test, test_order[:MAP_PICTURES]), names, precision)
    for name, of_maps in whole_maps:
        pairs = (train.taps[name].pooled, train.labels, test.taps[name].pooled, test.labels)
        values[f"{PROBE.name}/{name}"] = PROBE.function(*pairs)
        values[f"{KNN.name}/{name}"] = KNN.function(*pairs)
        values[f"{RANKME.name}/{name}"] = RANKME.function(test.taps[name].pooled)
        values[f"{DEAD.name}/{name}"] = DEAD.function(test.taps[name].lowest, test.taps[name].highest)
        values |= {f"{key}/{name}": value for key, value in of_maps.items()}
    values |= style_means(values, backbone.style_taps)
    if baseline is not None:
        random = measure_quality(
            settled(baseline.to(device), first),
            data,
            device=device,
            precision=precision,
            taps=names,
            limit=limit,
            size_px=size_px,
            use_head=use_head,
            advance=advance,
        )
        values |= {tag.replace("extractor/", "random/", 1): value for tag, value in random.values.items()}
    predicted = None if test.logits is None else test.logits.argmax(dim=1).cpu()
    confusion = None if test.logits is None else confusion_matrix(test.logits, test.labels).cpu()
    return Quality(values, names, test_order, predicted, confusion)


def count_pictures(data: Dataset, limit: int | None) -> int:
    """Return how many pictures a network sees in one measurement."""
    train, test = len(data.train), len(data.test)
    if limit is not None:
        train, test = min(limit, train), min(limit // 2, test)
    return train + test + min(MAP_PICTURES, test)


def style_means(values: dict[str, float], style_taps: Iterable[str]) -> dict[str, float]:
    """Return one value a measure for the table of runs: the mean over the default style taps.

    Where one of them was not measured there is none: a mean over other taps could not be compared.
    """
    found = {}
    for measure in PER_TAP:
        tags = [f"{measure.name}/{name}" for name in style_taps]
        if tags and all(tag in values for tag in tags):
            found[measure.name] = sum(values[tag] for tag in tags) / len(tags)
    return found
