"""The style term: a statistic of the canvas's features and of the styles', such as their Gram matrices."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.conventions import Convention
from transfer.painting.losses.parts import Compared, Part, Targets, View, tag_of, varying_taps
from transfer.painting.losses.statistics.table import Statistic
from transfer.painting.regions import WHOLE, Region, weights_at

JOINED = "taps"  # in the tag of a part that takes all of them together


class StyleTerm:
    """A statistic of features that forgets where things are, such as the Gram matrix, of the canvas and of the styles.

    Between several styles lies the mean of their statistics. A region of the canvas is compared with its regions of the
    styles, and weighs as much as its share of the canvas: strokes are as strong in a small region as in a large one.

    Source: of regions, Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", section 4.
    Differs: there every region has the same weight, whatever its size.
    """

    name = "style"
    compares_with: Compared = "style"

    def __init__(
        self,
        weight: float,
        taps: dict[str, float],
        convention: Convention,
        statistic: Statistic,
        shares: Sequence[float] = (1.0,),
        regions: Sequence[Region] = (WHOLE,),
    ) -> None:
        self.weight, self.taps, self._statistic = weight, taps, statistic
        self._shares, self._regions = shares, regions
        self._convention, self._distance = convention, convention.style or statistic.distance
        self.parts: list[Part] = []

    def prepare(self, targets: Targets) -> Iterator[Part]:
        """Yield the parts of one octave; what does not vary, or is too small at a tap, has none."""
        taps: Iterable[str] = self.taps
        for features in targets.styles:
            taps = list(varying_taps(taps, features, targets.label))
        for group in [[*taps]] if self._statistic.joins_taps else [[tap] for tap in taps]:
            for region in self._regions if group else ():
                part = self._prepare_part(group, region, targets)
                if part is not None:
                    yield part

    def _prepare_part(self, taps: list[str], region: Region, targets: Targets) -> Part | None:
        """Return the part of some taps in a region, None where that is too small to be seen in them."""
        untouched = [targets.untouched[tap] for tap in taps]
        own = weights_at(region.content, untouched[0])
        summaries, shares = [], []
        for number, (features, share) in enumerate(zip(targets.styles, self._shares, strict=True)):
            goal = [features[tap] for tap in taps]
            weights = weights_at(region.of_style(number), goal[0])
            if share and is_seen(weights):
                summaries.append(self._summary(goal, taps, weights))
                shares.append(share)
        if not is_seen(own) or not summaries:
            which = f"{targets.label}: the region {region.name}".rstrip()
            warnings.warn(f"{which} is smaller than the stride of {taps[0]}, it is left out there", stacklevel=2)
            return None
        shares = [share / sum(shares) for share in shares]
        if self._statistic.mixes:
            summaries, shares = [mixed(summaries, shares)], [1.0]
        part = Part(
            tag_of(self.name, JOINED if self._statistic.joins_taps else taps[0], targets.octave, region.name),
            tuple((targets.octave, tap) for tap in taps),
            sum(self.taps[tap] for tap in taps),
            tuple(summaries),
            tuple(shares),
            region=region,
        )
        scale = self._convention.style_scale(
            self._summary(untouched, taps, own), lambda summary: self._distance_from(part, summary)
        )
        if self._convention.counts_pixels:
            scale = scale / positions_a_pixel(untouched[0], targets.size) ** 2
        return replace(part, scale=scale)

    def _summary(self, features: Sequence[Tensor], taps: Iterable[str], weights: Tensor | None) -> Tensor:
        return self._statistic.summary(features, [self.taps[tap] for tap in taps], weights)

    def _distance_from(self, part: Part, summary: Tensor) -> Tensor:
        return mixed([self._distance(summary, target) for target in part.targets], part.shares)

    def __call__(self, part: Part, seen: Sequence[Tensor], view: View) -> Float[Tensor, ""]:
        """Return how far the statistic of `seen` is from the part's."""
        weights = weights_at(part.region.content, seen[0], view.shift)
        summary = self._summary(seen, [tap for _, tap in part.places], weights)
        return self._distance_from(part, summary) / part.scale


def mixed(values: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Return the sum of values, each times its share; the value itself where it is alone."""
    if len(values) == 1:
        return values[0]
    return torch.stack([share * value for share, value in zip(shares, values, strict=True)]).sum(dim=0)


def is_seen(weights: Tensor | None) -> bool:
    """Return whether a region covers at least as much as one position of a map; None = all of it."""
    return weights is None or bool(weights.sum() >= 1)


def positions_a_pixel(features: Float[Tensor, "b c h w"], size: tuple[int, int]) -> float:
    """Return how many positions the maps of a picture of `size` (height, width) have for each of its pixels."""
    return features.shape[2] * features.shape[3] / (size[0] * size[1])
