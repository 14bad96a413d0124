"""The term of total variation, which smooths the canvas."""

from collections.abc import Iterator, Sequence

from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.conventions import Convention
from transfer.painting.losses.parts import Compared, Part, Targets, View


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
