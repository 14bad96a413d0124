"""How far a canvas is from one pair of pictures, as one network sees it."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from nstkit.backbones.features import Backbone
from nstkit.config import Precision
from nstkit.errors import UserError
from nstkit.hardware import autocast
from nstkit.quality.activity import PEAK
from transfer.config import TransferConfig, split_weights
from transfer.gauge import channel_scales
from transfer.losses import (
    content_loss,
    gram_matrix,
    relative_content_scale,
    relative_style_scale,
    style_loss,
    total_variation,
)
from transfer.smoothing import smooth, smoothed_taps

KINDS: tuple[Literal["style", "content"], ...] = ("style", "content")
SMALLEST_VARIATION = 1e-6  # share of a map's energy; a map that varies less is one value everywhere
SMALLEST_OCTAVE_PX = 48  # shorter side below which no further octave is taken


@dataclass(frozen=True)
class Term:
    """One tap's part of the loss.

    Attributes:
        kind: what is compared, Gram matrices or features.
        octave: how often the picture is halved first.
        tap: where.
        target: the Gram matrix of the style, or the features of the content.
        scale: what the squared distance is divided by in the relative loss.
        weight: among the terms of its kind.
    """

    kind: Literal["style", "content"]
    octave: int
    tap: str
    target: Tensor
    scale: Tensor
    weight: float

    @property
    def tag(self) -> str:
        """Where it is logged, such as `loss/style/relu1_1` or `loss/style/relu1_1/octave1`."""
        return f"loss/{self.kind}/{self.tap}" + (f"/octave{self.octave}" if self.octave else "")


class Objective:
    """The loss of a canvas for one content and one style picture.

    Attributes:
        terms: what it is made of.
        facts: `peak/TAP` and `peak_smoothed/TAP`, the peakiness of the style's features before and after smoothing.
    """

    def __init__(
        self,
        backbone: Backbone,
        content: Float[Tensor, "1 3 h w"] | None,
        style: Float[Tensor, "1 3 h2 w2"] | None,
        config: TransferConfig,
        precision: Precision,
        start: Float[Tensor, "1 3 h w"] | None = None,
    ) -> None:
        """Compute the targets. What is None has no terms.

        `start` is the first canvas: for a texture its distance from the style is 1, and `equalize` needs it.

        Raises:
            UserError: where no tap has features that vary.
        """
        self._backbone, self._config, self._precision, self._content = backbone, config, precision, content
        self._style_weights = self._weights("style_taps") if style is not None else {}
        self._content_weights = self._weights("content_taps") if content is not None else {}
        taps = dict.fromkeys([*self._style_weights, *self._content_weights])
        self._smoothed = smoothed_taps(config.smoothing, backbone, taps, config.smoothing_taps)
        self._gauge = channel_scales(backbone, taps, precision) if config.gauge == "canonical" else {}
        self.terms: list[Term] = []
        self.facts: dict[str, float] = {}
        reference = start if content is None else content
        shorter_px = min(min(picture.shape[2:]) for picture in (reference, style) if picture is not None)
        with torch.no_grad():
            for octave in range(config.octaves):
                if octave == 0 or shorter_px / 2**octave >= SMALLEST_OCTAVE_PX:
                    self._aim(octave, reference, style)
        if not self.terms:
            raise UserError(f"{backbone.label}: no tap has features that vary. Choose others, see --list-taps.")
        if config.loss != "neural-style":  # which adds its layers up; the others average them
            sums = {kind: sum(term.weight for term in self.terms if term.kind == kind) for kind in KINDS}
            self.terms = [replace(term, weight=term.weight / sums[term.kind]) for term in self.terms]
        if config.equalize != "none" and start is not None:
            self._equalize(start)

    def _weights(self, setting: Literal["style_taps", "content_taps"]) -> dict[str, float]:
        given = getattr(self._config, setting) or getattr(self._backbone, setting)
        return split_weights(given, "--" + setting.replace("_", "-"))

    def _aim(self, octave: int, reference: Tensor, style: Tensor | None) -> None:
        """Add the terms of one octave."""
        features = self._features(reference, octave, [*self._style_weights, *self._content_weights])
        if style is not None:
            style_features = self._features(style, octave, list(self._style_weights))
            for tap in self._varying(list(self._style_weights), style_features):
                target = gram_matrix(style_features[tap])
                scale = relative_style_scale(gram_matrix(features[tap]), target)
                self.terms.append(Term("style", octave, tap, target, scale, self._style_weights[tap]))
            if octave == 0 and self._smoothed:
                raw = self._raw_features(style, octave, list(self._smoothed))
                self.facts |= {f"peak/{tap}": PEAK.function(values) for tap, values in raw.items()}
                smoothed = self._features(style, octave, list(self._smoothed))
                self.facts |= {f"peak_smoothed/{tap}": PEAK.function(values) for tap, values in smoothed.items()}
        for tap in self._varying(list(self._content_weights), features):
            scale = relative_content_scale(features[tap])
            self.terms.append(Term("content", octave, tap, features[tap], scale, self._content_weights[tap]))

    def _equalize(self, start: Tensor) -> None:
        """Weigh the terms so that at `start` their losses are 1, or their gradients have the L1 norm of the mean."""
        image = start.detach().clone().requires_grad_(True)
        losses = self._losses(image, (0, 0))
        if self._config.equalize == "loss":
            sizes = [loss.item() for loss in losses]
        else:
            gradients = [torch.autograd.grad(loss, image, retain_graph=True)[0] for loss in losses]
            sizes = [gradient.abs().sum().item() for gradient in gradients]
        for kind in ("style", "content"):
            own = [i for i, term in enumerate(self.terms) if term.kind == kind and sizes[i] > 0]
            aim = 1.0 if self._config.equalize == "loss" else sum(sizes[i] for i in own) / max(1, len(own))
            for i in own:  # a term that is 0 already, as content is for the content picture, keeps its weight
                self.terms[i] = replace(self.terms[i], weight=self.terms[i].weight * aim / sizes[i])

    def __call__(
        self, image: Float[Tensor, "1 3 h w"], shift: tuple[int, int] = (0, 0)
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted `loss/total` and its unweighted parts by tag, such as `loss/style/relu1_1`.

        Args:
            image: in [0, 1], of the content picture's size.
            shift: [px] down and to the right by which the picture, and the content with it, is rolled first.
        """
        config, losses = self._config, self._losses(image, shift)
        parts = {term.tag: loss for term, loss in zip(self.terms, losses, strict=True)}
        total = image.new_zeros(())
        for kind in KINDS:
            own = [term.weight * loss for term, loss in zip(self.terms, losses, strict=True) if term.kind == kind]
            parts[f"loss/{kind}"] = torch.stack(own).sum() if own else image.new_zeros(())
            total = total + getattr(config, f"{kind}_weight") * parts[f"loss/{kind}"]
        if config.tv_weight:
            # neural-style multiplies pixels by 256 and adds their differences up; the others take the mean.
            parts["loss/tv"] = (256 if config.loss == "neural-style" else 1 / image.numel()) * total_variation(image)
            total = total + config.tv_weight * parts["loss/tv"]
        return {"loss/total": total, **parts}

    def _losses(self, image: Tensor, shift: tuple[int, int]) -> list[Tensor]:
        """Return the loss of each term."""
        content = self._content
        if any(shift):
            image = torch.roll(image, shift, dims=(2, 3))
            content = None if content is None else torch.roll(content, shift, dims=(2, 3))
        found: dict[tuple[int, str], Tensor] = {}
        moved: dict[tuple[int, str], Tensor] = {}
        for octave in sorted({term.octave for term in self.terms}):
            taps = list(dict.fromkeys(term.tap for term in self.terms if term.octave == octave))
            found |= {(octave, tap): values for tap, values in self._features(image, octave, taps).items()}
            contents = [term.tap for term in self.terms if term.octave == octave and term.kind == "content"]
            if any(shift) and contents:  # content's features move with the picture, but not by whole positions
                with torch.no_grad():
                    shifted = self._features(content, octave, contents)
                moved |= {(octave, tap): values for tap, values in shifted.items()}
        losses = []
        for term in self.terms:
            place = (term.octave, term.tap)
            target = moved.get(place, term.target) if term.kind == "content" else term.target

            def loss_of(features: Tensor, term: Term = term, target: Tensor = target) -> Tensor:
                if term.kind == "style":
                    return style_loss(self._config.loss, gram_matrix(features), target, term.scale)
                return content_loss(self._config.loss, features, target, term.scale)

            is_normalized = self._config.normalize_gradients
            losses.append(_with_normalized_gradient(loss_of, found[place]) if is_normalized else loss_of(found[place]))
        return losses

    def _features(self, image: Tensor, octave: int, taps: list[str]) -> dict[str, Tensor]:
        """Return the features of a picture, halved `octave` times, as the losses compare them."""
        features = self._raw_features(image, octave, taps)
        return {
            tap: smooth(self._config.smoothing, values, self._config.temperature) if tap in self._smoothed else values
            for tap, values in features.items()
        }

    def _raw_features(self, image: Tensor, octave: int, taps: list[str]) -> dict[str, Tensor]:
        image = functional.avg_pool2d(image, 2**octave) if octave else image
        with autocast(image.device, self._precision):
            features = self._backbone.features(image, taps)
        return {tap: values / self._gauge[tap] if tap in self._gauge else values for tap, values in features.items()}

    def _varying(self, taps: list[str], features: dict[str, Tensor]) -> list[str]:
        """Return the taps whose maps vary over positions; the others carry nothing and are left out, with a warning."""
        varying = []
        for tap in taps:
            values = features[tap].float()
            energy = values.square().sum()
            variation = (values - values.mean(dim=(2, 3), keepdim=True)).square().sum()
            if bool(variation > SMALLEST_VARIATION * energy) and bool(torch.isfinite(energy)):
                varying.append(tap)
            else:
                warnings.warn(
                    f"{self._backbone.label}: the features of {tap} do not vary, it is left out", stacklevel=5
                )
        return varying


def _with_normalized_gradient(loss_of: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    """Return the loss; the gradient that it sends into the features is divided by its L1 norm, before any weight.

    Source: jcjohnson/neural-style, -normalize_gradients; in neural-style-pt the option squares the weights instead.
    """
    if not features.requires_grad:
        return loss_of(features)
    fixed = features.detach().requires_grad_(True)
    loss = loss_of(fixed)
    gradient = torch.autograd.grad(loss, fixed)[0].float()
    gradient = gradient / (gradient.abs().sum() + 1e-8)
    # Nothing is added to the loss, but what a weight sends back through this is the weight times the gradient.
    return loss.detach() + ((features - fixed.detach()).float() * gradient).sum()
