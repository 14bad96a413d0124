"""The terms of the loss. A new one is a class here and an entry in `build_terms`.

A term has parts, one a tap and octave, each with a target that is prepared once; an evaluation calls the term with each
part. The objective computes the features that all terms need, once, and adds up weight x term.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.settings import known
from transfer.painting.losses.conventions import CONVENTIONS, Convention
from transfer.painting.losses.functions import varies
from transfer.painting.losses.statistics.table import STATISTICS, Statistic
from transfer.painting.regions import WHOLE, Region, weights_at
from transfer.painting.scene import Scene
from transfer.painting.settings import LossSettings, split_weights

Compared = Literal["style", "content"] | None
Place = tuple[int, str]  # octave and tap
JOINED = "taps"  # in the tag of a part that takes all of them together


@dataclass(frozen=True)
class Part:
    """One tap's part of a term, at one octave.

    Attributes:
        tag: where its loss is logged, such as `loss/style/relu1_1` or `loss/style/relu1_1/octave1`.
        places: octave and tap of each of the features that it compares, none for a term of the picture itself.
        weight: among the parts of its term.
        targets: what the features are compared with, such as the Gram matrix of the style.
        shares: what each target counts.
        scale: what the loss is divided by.
        region: the part of the canvas that is compared.
    """

    tag: str
    places: tuple[Place, ...] = ()
    weight: float = 1.0
    targets: tuple[Tensor, ...] = ()
    shares: tuple[float, ...] = (1.0,)
    scale: Tensor = field(default_factory=lambda: torch.ones(()))
    region: Region = WHOLE


@dataclass(frozen=True)
class Targets:
    """What a term is prepared from, at one octave.

    Attributes:
        label: of the network, for warnings.
        octave: how often the pictures were halved.
        untouched: features by tap of the content, or of the first canvas where there is no content.
        styles: those of each style.
        size: (height, width) of the untouched picture [px].
    """

    label: str
    octave: int
    untouched: Mapping[str, Tensor]
    styles: Sequence[Mapping[str, Tensor]]
    size: tuple[int, int]


@dataclass(frozen=True)
class View:
    """What a term sees in one evaluation.

    Attributes:
        image: the canvas, (1, 3, H, W), not shifted.
        features: of the canvas, by place; shifted where there is jitter.
        shifted_content: features of the content under the same shift, by place; empty where there is none.
        shift: [px] by which the canvas was rolled down and to the right.
    """

    image: Float[Tensor, "1 3 h w"]
    features: Mapping[Place, Tensor]
    shifted_content: Mapping[Place, Tensor]
    shift: tuple[int, int] = (0, 0)


@runtime_checkable
class Term(Protocol):
    """One addend of the loss.

    Attributes:
        name: it is logged as `loss/NAME`.
        weight: in the sum.
        compares_with: the picture whose features it is prepared from; None for a term of the canvas itself.
        taps: the taps whose features it compares, with their weights; empty for a term of the picture itself.
        parts: filled by `prepare`.
    """

    name: str
    weight: float
    compares_with: Compared
    taps: dict[str, float]
    parts: list[Part]

    def prepare(self, targets: Targets) -> Iterator[Part]:
        """Yield the parts of one octave."""
        ...

    def __call__(self, part: Part, seen: Sequence[Tensor], view: View) -> Float[Tensor, ""]:
        """Return the loss of one part, not weighted.

        Args:
            part: which.
            seen: the features at its places, or the canvas where it has none.
            view: all else.
        """
        ...


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
        strengths = [self.taps[tap] for tap in taps]
        seen = [targets.untouched[tap] for tap in taps]
        goals = [[features[tap] for tap in taps] for features in targets.styles]
        weights = [weights_at(region.of_style(number), maps[0]) for number, maps in enumerate(goals)]
        own, has = weights_at(region.content, seen[0]), [is_seen(each) for each in weights]
        if not is_seen(own) or not any(has):
            which = f"{targets.label}: the region {region.name}".rstrip()
            warnings.warn(f"{which} is smaller than the stride of {taps[0]}, it is left out there", stacklevel=2)
            return None
        summaries = [
            self._statistic.summary(maps, strengths, each)
            for maps, each, is_there in zip(goals, weights, has, strict=True)
            if is_there
        ]
        shares = [share for share, is_there in zip(self._shares, has, strict=True) if is_there]
        shares = [share / sum(shares) for share in shares]
        if self._statistic.mixes:
            summaries, shares = [mixed(summaries, shares)], [1.0]
        part = Part(
            tag_of(self.name, JOINED if self._statistic.joins_taps else taps[0], targets.octave, region.name),
            tuple((targets.octave, tap) for tap in taps),
            sum(strengths),
            tuple(summaries),
            tuple(shares),
            region=region,
        )
        untouched = self._statistic.summary(seen, strengths, own)
        scale = self._convention.style_scale(untouched, lambda summary: self._distance_from(part, summary))
        if self._convention.counts_pixels:
            scale = scale / positions_a_pixel(seen[0], targets.size) ** 2
        return replace(part, scale=scale)

    def _distance_from(self, part: Part, summary: Tensor) -> Tensor:
        return mixed([self._distance(summary, target) for target in part.targets], part.shares)

    def __call__(self, part: Part, seen: Sequence[Tensor], view: View) -> Float[Tensor, ""]:
        """Return how far the statistic of `seen` is from the part's."""
        strengths = [self.taps[tap] for _, tap in part.places]
        weights = weights_at(part.region.content, seen[0], view.shift)
        return self._distance_from(part, self._statistic.summary(seen, strengths, weights)) / part.scale


class ContentTerm:
    """The features of the canvas and of the content."""

    name = "content"
    compares_with: Compared = "content"

    def __init__(self, weight: float, taps: dict[str, float], convention: Convention) -> None:
        self.weight, self.taps, self._convention = weight, taps, convention
        self.parts: list[Part] = []

    def prepare(self, targets: Targets) -> Iterator[Part]:
        """Yield the parts of one octave; a tap whose features of the content do not vary has none."""
        for tap in varying_taps(self.taps, targets.untouched, targets.label):
            target = targets.untouched[tap]
            scale = self._convention.content_scale(target)
            place = (targets.octave, tap)
            yield Part(tag_of(self.name, tap, targets.octave), (place,), self.taps[tap], (target,), scale=scale)

    def __call__(self, part: Part, seen: Sequence[Tensor], view: View) -> Float[Tensor, ""]:
        """Return how far `seen` is from the content's features, which move with the canvas."""
        target = view.shifted_content.get(part.places[0], part.targets[0])
        return self._convention.content(seen[0], target) / part.scale


class VariationTerm:
    """Total variation of the canvas, which smooths it."""

    name = "tv"
    compares_with: Compared = None

    def __init__(self, weight: float, convention: Convention) -> None:
        self.weight, self._convention = weight, convention
        self.taps: dict[str, float] = {}
        self.parts: list[Part] = []

    def prepare(self, targets: Targets) -> Iterator[Part]:
        """Yield the one part, at full size."""
        if targets.octave == 0:
            yield Part(f"loss/{self.name}")

    def __call__(self, part: Part, seen: Sequence[Tensor], view: View) -> Float[Tensor, ""]:
        """Return the variation of the canvas."""
        return self._convention.variation(seen[0])


def build_terms(settings: LossSettings, scene: Scene, backbone: Backbone) -> list[Term]:
    """Return the terms of a scene, not yet prepared. A picture that is not there has a term without taps.

    Args:
        settings: resolved.
        scene: tells which pictures there are.
        backbone: whose default taps hold where the settings name none.
    """
    convention = CONVENTIONS[settings.loss]
    style_taps = split_weights(settings.style_taps or backbone.style_taps, "--style-taps")
    content_taps = split_weights(settings.content_taps or backbone.content_taps, "--content-taps")
    terms: list[Term] = [
        StyleTerm(
            known(settings.style_weight),
            {} if scene.style is None else style_taps,
            convention,
            STATISTICS[settings.statistic],
            scene.shares,
            scene.regions or (WHOLE,),
        ),
        ContentTerm(known(settings.content_weight), {} if scene.content is None else content_taps, convention),
    ]
    if settings.tv_weight:
        terms.append(VariationTerm(settings.tv_weight, convention))
    return terms


def positions_a_pixel(features: Float[Tensor, "b c h w"], size: tuple[int, int]) -> float:
    """Return how many positions the maps of a picture of `size` (height, width) have for each of its pixels."""
    return features.shape[2] * features.shape[3] / (size[0] * size[1])


def tag_of(name: str, tap: str, octave: int, region: str = "") -> str:
    """Return where a part is logged."""
    return f"loss/{name}/{tap}" + (f"/octave{octave}" if octave else "") + (f"/{region}" if region else "")


def mixed(values: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Return the sum of values, each times its share; the value itself where it is alone."""
    if len(values) == 1:
        return values[0]
    return torch.stack([share * value for share, value in zip(shares, values, strict=True)]).sum(dim=0)


def is_seen(weights: Tensor | None) -> bool:
    """Return whether a region covers at least as much as one position of a map; None = all of it."""
    return weights is None or bool(weights.sum() >= 1)


def varying_taps(taps: Iterable[str], features: Mapping[str, Tensor], label: str) -> Iterator[str]:
    """Yield the taps whose maps vary over positions; the others carry nothing and are left out, with a warning."""
    for tap in taps:
        if varies(features[tap]):
            yield tap
        else:
            warnings.warn(f"{label}: the features of {tap} do not vary, it is left out", stacklevel=2)
