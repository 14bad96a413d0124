"""The content term: the features of the canvas and of the content, place by place."""

from collections.abc import Iterator, Sequence

from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.conventions import Convention
from transfer.painting.losses.parts import Compared, Part, Targets, View, tag_of, varying_taps


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
