"""The content term: the features of the canvas and of the content, place by place."""

import math
from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.conventions import Convention
from transfer.painting.losses.look import Question, View
from transfer.painting.losses.parts import Compared, Part, Targets, tag_of, varying_taps


class ContentTerm:
    """The features of the canvas and of the content."""

    name = "content"
    compares_with: Compared = "content"

    def __init__(self, weight: float, taps: dict[str, float], convention: Convention) -> None:
        self.weight, self.taps, self._convention = weight, taps, convention
        self.parts: list[Part] = []

    def prepare(self, targets: Targets) -> Iterator[Part]:
        """Yield the parts of one octave; a tap whose features of the content do not vary has none."""
        content = targets.untouched
        taps = list(varying_taps(self.taps, content, targets.label))
        for tap, maps in content.maps(taps).items():
            scale = self._convention.content_scale(content.moments[tap], math.prod(content.sizes[tap]))
            place = (targets.octave, tap)
            yield Part(tag_of(self.name, tap, targets.octave), (place,), self.taps[tap], (maps,), scale=scale)

    def question(self, part: Part, shift: tuple[int, int]) -> Question:
        """Return what asks how far the canvas is from the content's features, which move with it."""
        ((_, tap),) = part.places

        def question(view: View) -> Tensor:
            target = view.beside[tap] if any(shift) else view.cut(part.targets[0], tap)
            return self._convention.content(view.features[tap], target)

        return question

    def loss(self, part: Part, answer: Tensor) -> Float[Tensor, ""]:
        """Return that distance as the convention counts it."""
        return answer / part.scale
