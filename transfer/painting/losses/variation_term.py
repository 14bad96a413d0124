"""The term of total variation, which smooths the canvas."""

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.conventions import Convention
from transfer.painting.losses.parts import Compared, Part, Targets


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

    def loss(self, part: Part, answer: Float[Tensor, "1 3 h w"]) -> Float[Tensor, ""]:
        """Return the variation of the canvas."""
        return self._convention.variation(answer)
