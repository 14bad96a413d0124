"""How far a canvas is from one scene, as one network sees it: features computed once, weight x term added up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from nstkit.backbones.backbone import Backbone
from nstkit.config import Precision
from nstkit.errors import UserError
from nstkit.pictures.tensors import shrink
from nstkit.quality.activity import PEAK
from transfer.painting.lens import Lens
from transfer.painting.losses.conventions import CONVENTIONS
from transfer.painting.losses.look import Look, Question, View
from transfer.painting.losses.parts import FeatureTerm, Part, Targets, Term
from transfer.painting.losses.terms import build_terms
from transfer.painting.scene import Scene
from transfer.painting.settings import LossSettings
from transfer.painting.tiles import Tiling

Beside = tuple[Tensor, list[str]] | None
Seen = Mapping[int, Mapping[str, Tensor]]
"""Features of a canvas by octave and tap."""
SMALLEST_OCTAVE_PX = 48  # shorter side below which no further octave is taken


class Objective:
    """The loss of a canvas for one scene.

    Attributes:
        terms: what it is the sum of.
        facts: `peak/TAP` and `peak_smoothed/TAP`, the peakiness of the style's features before and after smoothing.
    """

    def __init__(
        self,
        backbone: Backbone,
        scene: Scene,
        settings: LossSettings,
        precision: Precision,
        tiling: Tiling | None = None,
    ) -> None:
        """Compute the targets.

        Args:
            backbone: whose features are compared.
            scene: at the size of the canvas. `start` is the first canvas: for a texture its distance from the style is
                1, and `equalize` needs it.
            settings: resolved.
            precision: of the network's computation.
            tiling: how large pictures are cut, see `transfer.painting.losses.look`; None = not at all.

        Raises:
            UserError: where no tap has features that vary.
        """
        self._scene, self._settings, self._tiling = scene, settings, tiling
        self.terms = build_terms(settings, scene, backbone)
        taps = list(dict.fromkeys(tap for term in self.terms for tap in term.taps))
        self._lens = Lens(backbone, settings, taps, precision)
        self.facts: dict[str, float] = {}
        with torch.no_grad():
            for octave in range(settings.octaves):
                if octave == 0 or self._shorter_px() / 2**octave >= SMALLEST_OCTAVE_PX:
                    self._prepare(octave, taps)
            self._measure_peaks()
        compared = [term for term in self.terms if term.taps]
        if not any(term.parts for term in compared):
            raise UserError(f"{backbone.label}: no tap has features that vary. Choose others, see --list-taps.")
        if CONVENTIONS[settings.loss].averages_taps:
            for term in compared:
                total = sum({part.places: part.weight for part in term.parts}.values())  # whatever regions they have
                term.parts = [replace(part, weight=part.weight / total) for part in term.parts]
        for term in self.terms:
            term.parts = [replace(part, weight=part.weight * part.region.weight) for part in term.parts]
        if settings.equalize != "none" and scene.start is not None:
            self._equalize(compared, scene.start)

    def _shorter_px(self) -> int:
        return min(min(picture.shape[2:]) for picture in (self._untouched(), *self._scene.styles))

    def _untouched(self) -> Tensor:
        """Return the picture whose distance from the style counts as 1."""
        picture = self._scene.start if self._scene.content is None else self._scene.content
        assert picture is not None, "a texture needs its first canvas"
        return picture

    def _prepare(self, octave: int, taps: list[str]) -> None:
        """Give every term its parts of one octave."""
        style_taps = [tap for term in self.terms if term.compares_with == "style" for tap in term.taps]
        untouched = self._untouched()
        targets = Targets(
            self._lens.backbone.label,
            octave,
            size=(untouched.shape[2] >> octave, untouched.shape[3] >> octave),
            untouched=self._look(untouched, octave, taps),
            styles=[self._look(style, octave, style_taps) for style in self._scene.styles],
        )
        for term in self.terms:
            term.parts += term.prepare(targets)

    def _look(
        self,
        picture: Tensor,
        octave: int,
        taps: list[str],
        beside: Beside = None,
        seen: Mapping[str, Tensor] | None = None,
    ) -> Look:
        """Return the network's look at a picture, halved as often as the octave says, and at one beside it."""
        if beside is not None:
            beside = (halved(beside[0], octave), beside[1])
        return Look(self._lens, halved(picture, octave), taps, self._tiling, beside, seen)

    def _measure_peaks(self) -> None:
        smoothed, style = list(self._lens.smoothed), self._scene.style
        if smoothed and style is not None:
            style = style if self._tiling is None else shrink(style, self._tiling.core_px)
            for name, features in (("peak", self._lens.unsmoothed), ("peak_smoothed", self._lens.features)):
                self.facts |= {
                    f"{name}/{tap}": float(PEAK.function(maps)) for tap, maps in features(style, smoothed).items()
                }

    def _equalize(self, terms: list[Term], start: Tensor) -> None:
        """Weigh the parts so that at `start` their losses are 1, or their gradients have the L1 norm of the mean."""
        image = start.detach().clone().requires_grad_(True)
        losses = self._losses(image, (0, 0), {})
        for term in terms:
            sizes = []
            for part in term.parts:
                loss = losses[part.tag]
                if self._settings.equalize == "gradient":
                    (loss,) = torch.autograd.grad(loss, image, retain_graph=True)
                sizes.append(loss.abs().sum().item())
            alive = [size for size in sizes if size > 0]
            aim = 1.0 if self._settings.equalize == "loss" else sum(alive) / max(1, len(alive))
            term.parts = [  # a part that is 0 already, as content is for the content picture, keeps its weight
                replace(part, weight=part.weight * aim / size) if size > 0 else part
                for part, size in zip(term.parts, sizes, strict=True)
            ]

    def __call__(
        self, image: Float[Tensor, "1 3 h w"], shift: tuple[int, int] = (0, 0), seen: Seen | None = None
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted `loss/total` and its unweighted parts by tag, such as `loss/style/relu1_1`.

        Args:
            image: in [0, 1], of the content picture's size.
            shift: [px] down and to the right by which the picture, and the content with it, is rolled first.
            seen: the picture's features, where they were computed together with others'; see `features_together`.
        """
        of_parts = self._losses(image, shift, seen or {})
        total = image.new_zeros(())
        losses: dict[str, Tensor] = {}
        for term in self.terms:
            weighed = [part.weight * of_parts[part.tag] for part in term.parts]
            of_term = torch.stack(weighed).sum() if weighed else image.new_zeros(())
            losses |= {**{part.tag: of_parts[part.tag] for part in term.parts}, f"loss/{term.name}": of_term}
            total = total + term.weight * of_term
        return {"loss/total": total, **losses}

    def _losses(self, image: Tensor, shift: tuple[int, int], seen: Seen) -> dict[str, Tensor]:
        """Return the loss of every part by tag; the features of each octave are computed once for all terms."""
        rolled, content = image, None
        if any(shift):  # the content's features move with the picture, but not by whole positions
            rolled = torch.roll(image, shift, dims=(2, 3))
            content = None if self._scene.content is None else torch.roll(self._scene.content, shift, dims=(2, 3))
        losses = {part.tag: term.loss(part, image) for term in self.terms for part in term.parts if not part.places}
        movable = self._places([term for term in self.terms if term.compares_with == "content"])
        for octave, taps in self._places(self.terms).items():
            beside = None if content is None or octave not in movable else (content, movable[octave])
            look = self._look(rolled, octave, taps, beside, seen.get(octave))
            asked = [
                (term, part)
                for term in self.terms
                if isinstance(term, FeatureTerm)
                for part in term.parts
                if part.places[0][0] == octave
            ]
            if self._settings.normalize_gradients:
                losses |= look.total({part.tag: normalized(term, part, shift) for term, part in asked})
            else:
                answers = look.total({part.tag: term.question(part, shift) for term, part in asked})
                losses |= {part.tag: term.loss(part, answers[part.tag]) for term, part in asked}
        return losses

    @property
    def company(self) -> object | None:
        """What is equal for objectives whose canvases the network may see together; None for one that wants its own."""
        if self._tiling is not None:
            return None
        taps = tuple((octave, *names) for octave, names in self._places(self.terms).items())
        return id(self._lens.backbone), taps, self._scene.size

    def features_together(self, images: Float[Tensor, "b 3 h w"]) -> list[Seen]:
        """Return what the network sees of each of several canvases, computed in one pass: by octave and tap."""
        passes = {
            octave: self._lens.features(halved(images, octave), taps)
            for octave, taps in self._places(self.terms).items()
        }
        return [
            {octave: {tap: maps[n : n + 1] for tap, maps in seen.items()} for octave, seen in passes.items()}
            for n in range(len(images))
        ]

    @staticmethod
    def _places(terms: list[Term]) -> dict[int, list[str]]:
        """Return the taps of the terms' parts by octave."""
        places: dict[int, dict[str, None]] = {}
        for octave, tap in (place for term in terms for part in term.parts for place in part.places):
            places.setdefault(octave, {})[tap] = None
        return {octave: list(places[octave]) for octave in sorted(places)}


def halved(picture: Float[Tensor, "b 3 h w"], times: int) -> Float[Tensor, "b 3 h2 w2"]:
    """Return the means of squares of 2 x 2 pixels, so many times."""
    return functional.avg_pool2d(picture, 2**times) if times else picture


def normalized(term: FeatureTerm, part: Part, shift: tuple[int, int]) -> Question:
    """Return what asks for the loss of a part itself, whose gradient has the L1 norm 1 in the features."""
    question, taps = term.question(part, shift), [tap for _, tap in part.places]

    def ask(view: View) -> Tensor:
        def loss_of(features: Sequence[Tensor]) -> Tensor:
            return term.loss(part, question(replace(view, features=dict(zip(taps, features, strict=True)))))

        return with_normalized_gradient(loss_of, [view.features[tap] for tap in taps])

    return ask


def with_normalized_gradient(
    loss_of: Callable[[Sequence[Tensor]], Tensor], features: Sequence[Tensor]
) -> Float[Tensor, ""]:
    """Return the loss; the gradient that it sends into the features is divided by its L1 norm, before any weight.

    Source: jcjohnson/neural-style, -normalize_gradients; in neural-style-pt the option squares the weights instead.
    """
    if not any(maps.requires_grad for maps in features):
        return loss_of(features)
    fixed = [maps.detach().requires_grad_(True) for maps in features]
    loss = loss_of(fixed)
    gradients = [gradient.float() for gradient in torch.autograd.grad(loss, fixed)]
    norm = torch.stack([gradient.abs().sum() for gradient in gradients]).sum() + 1e-8
    # Nothing is added to the loss, but what a weight sends back through this is the weight times the gradient.
    moves = [
        ((maps - at.detach()).float() * gradient / norm).sum()
        for maps, at, gradient in zip(features, fixed, gradients, strict=True)
    ]
    return loss.detach() + torch.stack(moves).sum()
