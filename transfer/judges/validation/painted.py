"""The cases that need a network: paintings that count as good, and such that are known to hold more style or less."""

from collections.abc import Iterator
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from nstkit.backbones.spec import BackboneSpec, Padding, parse_backbone
from transfer.judges import frauds
from transfer.judges.networks import named_by
from transfer.judges.validation.cases import Case, Subject
from transfer.judges.validation.painter import Commission, Painter
from transfer.painting.scene import Scene
from transfer.painting.settings import Loss, PaintSettings

RANDOM = "vgg11@random"
"""Its own style loss falls as far as that of a trained network; the picture is the photograph in another light."""
RANDOM_STEPS = 20
STYLE_WEIGHTS = (3.0, 10.0, 30.0)
STOPS = (2 / 15, 1 / 3, 1.0)
"""Shares of the evaluations after which a painting of the default loss is looked at: 10, 25 and 75 of 75."""
PLAIN_LOSSES: tuple[Loss, ...] = ("gatys", "neural-style")
"""Absolute losses, made for the activations of ImageNet's VGG19: other networks stand still under them, or burst."""
PLAIN_STOPS = (2 / 15, 1 / 3, 2 / 3, 4 / 3)
"""Likewise for these losses, which take longer: even after the last the photograph is still in its own light."""
PLAIN_NETWORK = "vgg19"
ALL_SERIES = 2
"""How many of the painters paint all series; those named behind them, which may be slow, only what is needed of all."""
FAINT = 1 / 255
BRIGHTER = 1.05


def paint_cases(painter: Painter, subject: Subject, specs: tuple[str, ...], steps: int, seed: int) -> Iterator[Case]:
    """Yield the painted cases of a pair: by a random network, and by each given one.

    Args:
        painter: paints and remembers.
        subject: the pair.
        specs: networks whose paintings count as good.
        steps: evaluations of the loss a painting.
        seed: of noise.
    """
    with named_by("--painter"):
        networks = [parse_backbone(text) for text in specs]
    random = _Studio(painter, parse_backbone(RANDOM), subject, steps, seed)
    few_steps = random.settings.changed(steps=min(steps, RANDOM_STEPS))
    # By nobody: what such a network paints is a fraud for itself as well.
    yield Case(
        subject.name, "random_network", random.paint("random_network", few_steps), subject.content, subject.style
    )
    for number, spec in enumerate(networks):
        studio = _Studio(painter, spec, subject, steps, seed)
        yield from studio.paintings()
        if spec.name == PLAIN_NETWORK and spec.weights != "random":
            yield from studio.plain_paintings()
        if number < ALL_SERIES:
            yield from studio.more_paintings()
            yield from studio.repaintings()


@dataclass(frozen=True)
class _Studio:
    """One network before one pair.

    Attributes:
        painter: paints and remembers.
        spec: of the network.
        subject: the pair.
        steps: evaluations of the loss a painting.
        seed: of noise.
    """

    painter: Painter
    spec: BackboneSpec
    subject: Subject
    steps: int
    seed: int

    @property
    def settings(self) -> PaintSettings:
        """The defaults."""
        return PaintSettings.of(steps=self.steps, seed=self.seed, scales=1).resolved()

    def paintings(self) -> Iterator[Case]:
        """Yield the painting, and itself after fewer evaluations."""
        stops = _stops(STOPS, self.steps)
        *early, painting = self.painter.paint_stops(self._commission("painting", self.settings), stops)
        yield self._case("painting", painting)
        for stop, picture in zip(stops, (*early, painting), strict=True):
            yield self._case("painting", picture, "dose/evaluations", float(stop))

    def more_paintings(self) -> Iterator[Case]:
        """Yield a series of style weights, a texture, and a painting in another style."""
        for weight in STYLE_WEIGHTS:
            picture = self.paint("painting", self.settings.changed(style_weight=weight))
            yield self._case("painting", picture, "dose/weight", weight)
        texture = self.settings.changed(init="noise", content_weight=0.0)
        yield self._case("synthesis", self.paint("synthesis", texture))
        other = Scene(self.subject.content, self.subject.other_style)
        yield self._case("other_painting", self.paint("other_painting", self.settings, other))

    def plain_paintings(self) -> Iterator[Case]:
        """Yield series of under-stylized pictures, from the photograph on."""
        stops = _stops(PLAIN_STOPS, self.steps)
        for loss in PLAIN_LOSSES:
            settings = PaintSettings.of(seed=self.seed, scales=1, loss=loss, canvas="pixels", steps=1).resolved()
            pictures = self.painter.paint_stops(self._commission(loss, settings), stops)
            yield self._case("content", self.subject.content, f"dose/{loss}", 0.0)
            for stop, picture in zip(stops, pictures, strict=True):
                yield self._case("painting", picture, f"dose/{loss}", float(stop))

    def repaintings(self) -> Iterator[Case]:
        """Yield the painting with changes that should not matter.

        They are faint noise in the start, by two seeds; all shifted by a pixel; another padding; a start that is a
        little brighter.
        """
        content, style = self.subject.content, self.subject.style
        for cause, seed in (("noise", self.seed), ("seed", self.seed + 1)):
            start = frauds.add_noise(content, FAINT, seed)
            yield self._repainting(cause, Scene(content, style, start))
        yield self._repainting("shift", Scene(_shifted(content), _shifted(style)))
        yield self._repainting("padding", Scene(content, style), "replicate")
        # No more than that: from a blurred photograph, or one in the style's colours, come pictures that the eye tells
        # apart.
        yield self._repainting("start", Scene(content, style, frauds.change_gamma(content, BRIGHTER)))

    def paint(self, kind: str, settings: PaintSettings, scene: Scene | None = None) -> Float[Tensor, "1 3 h w"]:
        """Return one painting, of the pair where no other scene is given."""
        return self.painter.paint(self._commission(kind, settings, scene))

    def _repainting(self, cause: str, scene: Scene, padding: Padding = "zero") -> Case:
        picture = self.painter.paint(self._commission(f"again-{cause}", self.settings, scene, padding))
        assert scene.content is not None and scene.style is not None  # noqa: PT018
        return Case(
            *(self.subject.name, "painting", picture, scene.content, scene.style, f"repainting/{cause}"),
            painter=self.spec.label,
        )

    def _commission(
        self, kind: str, settings: PaintSettings, scene: Scene | None = None, padding: Padding = "zero"
    ) -> Commission:
        scene = scene or Scene(self.subject.content, self.subject.style)
        return Commission(f"{self.subject.name}-{kind}-{self.spec.label}", self.spec, scene, settings, padding)

    def _case(self, kind: str, picture: Tensor, series: str = "", amount: float = 1.0) -> Case:
        return Case(
            pair=self.subject.name,
            kind=kind,
            picture=picture,
            content=self.subject.content,
            style=self.subject.style,
            series=series,
            amount=amount,
            painter=self.spec.label,
        )


def _stops(shares: tuple[float, ...], steps: int) -> list[int]:
    """Return these shares of the evaluations, rising from 1.

    Example:
        >>> _stops(PLAIN_STOPS, 75), _stops(PLAIN_STOPS, 1)
        ([10, 25, 50, 100], [1, 2, 3, 4])
    """
    stops: list[int] = []
    for share in shares:
        stops.append(max(round(share * steps), (stops or [0])[-1] + 1))
    return stops


def _shifted(picture: Tensor) -> Tensor:
    """Return the picture one pixel further down and to the right, its edge repeated."""
    return functional.pad(picture, (1, 0, 1, 0), mode="replicate")[..., :-1, :-1]
