"""What the terms of the loss are made of: parts, and what they are prepared from.

A term has parts, one a tap, octave and region, each with a target that is prepared once. In an evaluation each part
asks its question of the canvas's features, and its loss follows from the answer, a sum over positions. The objective
computes the features that all terms need, once, and adds up weight x term.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.functions import varies
from transfer.painting.losses.look import Look, Question
from transfer.painting.regions import WHOLE, Region

Compared = Literal["style", "content"] | None
Place = tuple[int, str]  # octave and tap


@dataclass(frozen=True)
class Part:
    """One tap's part of a term, at one octave and in one region.

    Attributes:
        tag: where its loss is logged, such as `loss/style/relu1_1` or `loss/style/relu1_1/octave1`.
        places: octave and tap of each of the features that it compares, none for a term of the picture itself.
        weight: among the parts of its term.
        targets: what the features are compared with, such as the Gram matrix of the style.
        shares: what each target counts.
        scale: what the loss is divided by.
        region: the part of the canvas that is compared.
        weights: what each position of the first place's maps counts in it, where the canvas is not shifted.
    """

    tag: str
    places: tuple[Place, ...] = ()
    weight: float = 1.0
    targets: tuple[Tensor, ...] = ()
    shares: tuple[float, ...] = (1.0,)
    scale: Tensor = field(default_factory=lambda: torch.ones(()))
    region: Region = WHOLE
    weights: Tensor | None = None


@dataclass(frozen=True)
class Targets:
    """What a term is prepared from, at one octave.

    Attributes:
        label: of the network, for warnings.
        octave: how often the pictures were halved.
        untouched: look at the content, or at the first canvas where there is no content.
        styles: at each style.
        size: (height, width) of the untouched picture [px].
    """

    label: str
    octave: int
    untouched: Look
    styles: Sequence[Look]
    size: tuple[int, int]


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

    def loss(self, part: Part, answer: Tensor) -> Float[Tensor, ""]:
        """Return the loss of one part, not weighted.

        Args:
            part: which.
            answer: to its question, or the canvas where it has no place.
        """
        ...


@runtime_checkable
class FeatureTerm(Term, Protocol):
    """A term of the canvas's features, whose parts all have a place."""

    def question(self, part: Part, shift: tuple[int, int]) -> Question:
        """Return what a part asks of the canvas's features.

        Args:
            part: which.
            shift: [px] by which the canvas was rolled down and to the right.
        """
        ...


def tag_of(name: str, tap: str, octave: int, region: str = "") -> str:
    """Return where a part is logged."""
    return f"loss/{name}/{tap}" + (f"/octave{octave}" if octave else "") + (f"/{region}" if region else "")


def varying_taps(taps: Iterable[str], look: Look, label: str) -> Iterator[str]:
    """Yield the taps whose maps vary over positions; the others carry nothing and are left out, with a warning."""
    for tap in taps:
        if varies(look.moments[tap]):
            yield tap
        else:
            warnings.warn(f"{label}: the features of {tap} do not vary, it is left out", stacklevel=2)
