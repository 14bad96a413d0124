"""The terms of the loss. A new one is a class here and an entry in `build_terms`.

A term has parts, one a tap and octave, each with a target that is prepared once; an evaluation calls the term with each
part. The objective computes the features that all terms need, once, and adds up weight x term.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.settings import known
from transfer.painting.losses.conventions import CONVENTIONS, Convention
from transfer.painting.losses.functions import gram_matrix, varies
from transfer.painting.scene import Scene
from transfer.painting.settings import LossSettings, split_weights

Compared = Literal["style", "content"] | None
Place = tuple[int, str]  # octave and tap


@dataclass(frozen=True)
class Part:
    """One tap's part of a term, at one octave.

    Attributes:
        tag: where its loss is logged, such as `loss/style/relu1_1` or `loss/style/relu1_1/octave1`.
        place: octave and tap of the features that it compares, None for a term of the picture itself.
        weight: among the parts of its term.
        target: what the features are compared with, such as the Gram matrix of the style.
        scale: what the loss is divided by.
    """

    tag: str
    place: Place | None = None
    weight: float = 1.0
    target: Tensor = field(default_factory=lambda: torch.zeros(()))
    scale: Tensor = field(default_factory=lambda: torch.ones(()))


@dataclass(frozen=True)
class Targets:
    """What a term is prepared from, at one octave.

    Attributes:
        label: of the network, for warnings.
        octave: how often the pictures were halved.
        untouched: features by tap of the content, or of the first canvas where there is no content.
        style: those of the style, empty where there is none.
        size: (height, width) of the untouched picture [px].
    """

    label: str
    octave: int
    untouched: Mapping[str, Tensor]
    style: Mapping[str, Tensor]
    size: tuple[int, int]


@dataclass(frozen=True)
class View:
    """What a term sees in one evaluation.

    Attributes:
        image: the canvas, (1, 3, H, W), not shifted.
        features: of the canvas, by place; shifted where there is jitter.
        shifted_content: features of the content under the same shift, by place; empty where there is none.
    """

    image: Float[Tensor, "1 3 h w"]
    features: Mapping[Place, Tensor]
    shifted_content: Mapping[Place, Tensor]


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

    def __call__(self, part: Part, seen: Tensor, view: View) -> Float[Tensor, ""]:
        """Return the loss of one part, not weighted.

        Args:
            part: which.
            seen: the features at its place, or the canvas where it has none.
            view: all else.
        """
        ...


class StyleTerm:
    """A statistic of the features that forgets where things are: the Gram matrix, of the canvas and of the style."""

    name = "style"
    compares_with: Compared = "style"

    def __init__(
        self,
        weight: float,
        taps: dict[str, float],
        convention: Convention,
        statistic: Callable[[Tensor], Tensor] = gram_matrix,
    ) -> None:
        self.weight, self.taps, self._convention, self._statistic = weight, taps, convention, statistic
        self.parts: list[Part] = []

    def prepare(self, targets: Targets) -> Iterator[Part]:
        """Yield the parts of one octave; a tap whose features of the style do not vary has none."""
        for tap in varying_taps(self.taps, targets.style, targets.label):
            target = self._statistic(targets.style[tap])
            scale = self._convention.style_scale(self._statistic(targets.untouched[tap]), target)
            if self._convention.counts_pixels:
                scale = scale / positions_a_pixel(targets.untouched[tap], targets.size) ** 2
            yield Part(tag_of(self.name, tap, targets.octave), (targets.octave, tap), self.taps[tap], target, scale)

    def __call__(self, part: Part, seen: Tensor, view: View) -> Float[Tensor, ""]:
        """Return how far the statistic of `seen` is from the part's."""
        return self._convention.style(self._statistic(seen), part.target) / part.scale


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
            yield Part(tag_of(self.name, tap, targets.octave), (targets.octave, tap), self.taps[tap], target, scale)

    def __call__(self, part: Part, seen: Tensor, view: View) -> Float[Tensor, ""]:
        """Return how far `seen` is from the content's features, which move with the canvas."""
        assert part.place is not None
        target = view.shifted_content.get(part.place, part.target)
        return self._convention.content(seen, target) / part.scale


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

    def __call__(self, part: Part, seen: Tensor, view: View) -> Float[Tensor, ""]:
        """Return the variation of the canvas."""
        return self._convention.variation(seen)


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
        StyleTerm(known(settings.style_weight), {} if scene.style is None else style_taps, convention),
        ContentTerm(known(settings.content_weight), {} if scene.content is None else content_taps, convention),
    ]
    if settings.tv_weight:
        terms.append(VariationTerm(settings.tv_weight, convention))
    return terms


def positions_a_pixel(features: Float[Tensor, "b c h w"], size: tuple[int, int]) -> float:
    """Return how many positions the maps of a picture of `size` (height, width) have for each of its pixels."""
    return features.shape[2] * features.shape[3] / (size[0] * size[1])


def tag_of(name: str, tap: str, octave: int) -> str:
    """Return where a part is logged."""
    return f"loss/{name}/{tap}" + (f"/octave{octave}" if octave else "")


def varying_taps(taps: Iterable[str], features: Mapping[str, Tensor], label: str) -> Iterator[str]:
    """Yield the taps whose maps vary over positions; the others carry nothing and are left out, with a warning."""
    for tap in taps:
        if varies(features[tap]):
            yield tap
        else:
            warnings.warn(f"{label}: the features of {tap} do not vary, it is left out", stacklevel=2)
