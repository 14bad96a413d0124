"""The style term: a statistic of the canvas's features and of the styles', such as their Gram matrices."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.conventions import Convention
from transfer.painting.losses.look import Look, Question, View
from transfer.painting.losses.parts import Compared, Part, Targets, tag_of, varying_taps
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
        for look in targets.styles:
            taps = list(varying_taps(taps, look, targets.label))
        groups = [[*taps]] if self._statistic.joins_taps else [[tap] for tap in taps]
        parts = [(group, region) for group in groups for region in self._regions if group]
        untouched = self._summaries(targets.untouched, [(group, region.content) for group, region in parts])
        styles = [
            self._summaries(look, [(group, region.of_style(number)) for group, region in parts])
            for number, look in enumerate(targets.styles)
        ]
        for (group, region), own, *goals in zip(parts, untouched, *styles, strict=True):
            part = self._prepare_part(group, region, targets, own, goals)
            if part is not None:
                yield part

    def _summaries(
        self, look: Look, places: Sequence[tuple[list[str], Tensor | None]]
    ) -> Iterator[tuple[Tensor | None, Tensor]]:
        """Yield what each position of a picture counts and its summary, for taps and where a region lies in it."""
        weights = [weights_at(guide, look.sizes[taps[0]]) for taps, guide in places]
        questions = {
            str(k): self._question(taps, own) for k, ((taps, _), own) in enumerate(zip(places, weights, strict=True))
        }
        for own, answer in zip(weights, look.total(questions).values(), strict=True):
            yield own, self._statistic.closed(answer)

    def _prepare_part(
        self,
        taps: list[str],
        region: Region,
        targets: Targets,
        untouched: tuple[Tensor | None, Tensor],
        styles: Sequence[tuple[Tensor | None, Tensor]],
    ) -> Part | None:
        """Return the part of some taps in a region, None where that is too small to be seen in them.

        Args:
            taps: names.
            region: of the canvas.
            targets: all else.
            untouched: what each position counts and the summary.
            styles: likewise for each style.
        """
        own, first = untouched
        summaries, shares = [], []
        for (weights, summary), share in zip(styles, self._shares, strict=True):
            if share and is_seen(weights):
                summaries.append(summary)
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
            weights=own,
        )
        scale = self._convention.style_scale(first, lambda summary: self._distance_from(part, summary))
        if self._convention.counts_pixels:
            scale = scale / positions_a_pixel(targets.untouched.sizes[taps[0]], targets.size) ** 2
        return replace(part, scale=scale)

    def _distance_from(self, part: Part, summary: Tensor) -> Tensor:
        return mixed([self._distance(summary, target) for target in part.targets], part.shares)

    def _question(self, taps: Sequence[str], weights: Tensor | None) -> Question:
        """Return what asks for the summary of some taps, as a mean over positions of these weights; None = all alike.

        The weights are those of the whole picture's maps of the first tap.
        """
        strengths = [self.taps[tap] for tap in taps]

        def question(view: View) -> Tensor:
            features = [view.features[tap] for tap in taps]
            if weights is None:
                return view.share(taps[0]) * self._statistic.opened(self._statistic.summary(features, strengths, None))
            own = view.cut(weights, taps[0])
            return own.sum() / weights.sum() * self._statistic.opened(self._statistic.summary(features, strengths, own))

        return question

    def question(self, part: Part, shift: tuple[int, int]) -> Question:
        """Return what asks for the canvas's summary in the part's region, which moves with it."""
        weights = part.weights
        if weights is not None and any(shift):
            weights = weights_at(part.region.content, weights.shape[2:], shift)
        return self._question([tap for _, tap in part.places], weights)

    def loss(self, part: Part, answer: Tensor) -> Float[Tensor, ""]:
        """Return how far that is from the part's summary."""
        return self._distance_from(part, self._statistic.closed(answer)) / part.scale


def mixed(values: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Return the sum of values, each times its share; the value itself where it is alone."""
    if len(values) == 1:
        return values[0]
    return torch.stack([share * value for share, value in zip(shares, values, strict=True)]).sum(dim=0)


def is_seen(weights: Tensor | None) -> bool:
    """Return whether a region covers at least as much as one position of a map; None = all of it."""
    return weights is None or bool(weights.sum() >= 1)


def positions_a_pixel(maps: tuple[int, int], size: tuple[int, int]) -> float:
    """Return how many positions maps of this (height, width) have for each pixel of their picture of `size`."""
    return maps[0] * maps[1] / (size[0] * size[1])
