"""How far a canvas is from the content and the style: the scale-free losses, and two conventions of the literature.

Pure functions first; `Objective` only holds the targets of one pair.
"""

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.features import Backbone
from nstkit.config import Precision
from nstkit.hardware import autocast
from transfer.config import Loss, TransferConfig

SMALLEST_DISTANCE = 0.01  # share of the target's own size below which a distance is not divided by itself
SMALLEST_VARIATION = 1e-6  # share of a map's energy; a map that varies less is one value everywhere


def gram_matrix(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c c"]:
    """Return F F^T / (H W), the mean over positions of the products of channels, in at least float32.

    Differs: Gatys et al. do not divide; divided, pictures of different sizes can be compared.

    Source: Gatys, Ecker, Bethge 2016, eq. 3.
    """
    if features.dtype in (torch.bfloat16, torch.float16):
        features = features.float()  # sums over thousands of positions do not fit 8 bits of mantissa
    flat = features.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def squared_distance(a: Tensor, b: Tensor) -> Float[Tensor, ""]:
    """Return the sum of squared differences, in at least float32."""
    difference = a - b
    if difference.dtype in (torch.bfloat16, torch.float16):
        difference = difference.float()
    return difference.square().sum()


def relative_style_scale(content_gram: Float[Tensor, "b c c"], style_gram: Float[Tensor, "b c c"]) -> Float[Tensor, ""]:
    """Return what a squared Gram distance is divided by: its value for the untouched content picture.

    The loss is then 1 for the content picture and 0 for the style reached, at every tap of every network, and does not
    change under F -> cF. Floored at a share of the target, for a content picture that has the style already.
    """
    return torch.maximum(squared_distance(content_gram, style_gram), SMALLEST_DISTANCE * style_gram.square().sum())


def relative_content_scale(content: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Return what a squared feature distance is divided by: the variation of the content's features over positions."""
    content = content.float()
    variation = (content - content.mean(dim=(2, 3), keepdim=True)).square().sum()
    return torch.maximum(variation, SMALLEST_DISTANCE * content.square().sum())


def gatys_style_loss(gram: Float[Tensor, "b c c"], target: Float[Tensor, "b c c"]) -> Float[Tensor, ""]:
    """Return sum (G - A)^2 / (4 N^2 M^2) for Grams that are divided by M already.

    Source: Gatys, Ecker, Bethge 2016, eq. 4. Differs: each Gram is divided by its own picture's M, which is the same
    where both pictures have one size, as in the paper.
    """
    return squared_distance(gram, target) / (4 * gram.shape[-1] ** 2)


def gatys_content_loss(features: Float[Tensor, "b c h w"], target: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Return half the sum of squared differences.

    Source: Gatys, Ecker, Bethge 2016, eq. 1.
    """
    return squared_distance(features, target) / 2


def neural_style_style_loss(gram: Float[Tensor, "b c c"], target: Float[Tensor, "b c c"]) -> Float[Tensor, ""]:
    """Return the mean squared difference of F F^T / (N M), for Grams that are divided by M already.

    Source: jcjohnson/neural-style and ProGamerGov/neural-style-pt, StyleLoss.
    """
    channels = gram.shape[-1]
    return squared_distance(gram, target) / channels**2 / gram.numel()


def neural_style_content_loss(
    features: Float[Tensor, "b c h w"], target: Float[Tensor, "b c h w"]
) -> Float[Tensor, ""]:
    """Return the mean squared difference.

    Source: jcjohnson/neural-style and ProGamerGov/neural-style-pt, ContentLoss.
    """
    return squared_distance(features, target) / target.numel()


def total_variation(image: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Return the sum of absolute differences of neighbouring pixels, over both directions.

    Source: Rudin, Osher, Fatemi 1992, in the anisotropic form of neural-style-pt.
    """
    down = (image[:, :, 1:] - image[:, :, :-1]).abs().sum()
    right = (image[:, :, :, 1:] - image[:, :, :, :-1]).abs().sum()
    return down + right


@dataclass(frozen=True)
class Target:
    """What the canvas is compared with at one tap, and what the squared distance is divided by."""

    value: Tensor
    scale: Tensor


class Objective:
    """The loss of a canvas for one content and one style picture.

    Attributes:
        style_targets: Grams of the style picture by tap.
        content_targets: features of the content picture by tap.
    """

    def __init__(
        self,
        backbone: Backbone,
        content: Float[Tensor, "1 3 h w"],
        style: Float[Tensor, "1 3 h2 w2"],
        config: TransferConfig,
        precision: Precision,
    ) -> None:
        self._backbone, self._config, self._precision = backbone, config, precision
        style_taps = config.style_taps or backbone.style_taps
        content_taps = config.content_taps or backbone.content_taps
        with torch.no_grad():
            style_features = self._features(style, style_taps)
            content_features = self._features(content, (*style_taps, *content_taps))
        self.style_targets: dict[str, Target] = {}
        for name in self._varying(style_taps, style_features):
            target = gram_matrix(style_features[name])
            self.style_targets[name] = Target(target, relative_style_scale(gram_matrix(content_features[name]), target))
        self.content_targets = {
            name: Target(content_features[name], relative_content_scale(content_features[name]))
            for name in self._varying(content_taps, content_features)
        }
        self._taps = tuple(dict.fromkeys([*self.style_targets, *self.content_targets]))

    def __call__(self, canvas: Float[Tensor, "1 3 h w"]) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted `loss/total` and its unweighted parts by tag, such as `loss/style/relu1_1`."""
        features = self._features(canvas, self._taps)
        parts: dict[str, Tensor] = {}
        for name, target in self.style_targets.items():
            parts[f"loss/style/{name}"] = style_loss(self._config.loss, gram_matrix(features[name]), target)
        for name, target in self.content_targets.items():
            parts[f"loss/content/{name}"] = content_loss(self._config.loss, features[name], target)
        zero = canvas.new_zeros(())
        style = [parts[f"loss/style/{name}"] for name in self.style_targets]
        content = [parts[f"loss/content/{name}"] for name in self.content_targets]
        # neural-style adds its layers up; the other two average them.
        average = torch.sum if self._config.loss == "neural-style" else torch.mean
        parts["loss/style"] = average(torch.stack(style)) if style else zero
        parts["loss/content"] = average(torch.stack(content)) if content else zero
        weights = self._config
        total = weights.style_weight * parts["loss/style"] + weights.content_weight * parts["loss/content"]
        if weights.tv_weight:
            # neural-style's pixels go from 0 to 255, and it adds them up; the others take the mean.
            scale = 255 if weights.loss == "neural-style" else 1 / canvas.numel()
            parts["loss/tv"] = scale * total_variation(canvas)
            total = total + weights.tv_weight * parts["loss/tv"]
        return {"loss/total": total, **parts}

    def _features(self, image: Tensor, taps: tuple[str, ...]) -> dict[str, Tensor]:
        with autocast(image.device, self._precision):
            return self._backbone.features(image, taps)

    def _varying(self, taps: tuple[str, ...], features: dict[str, Tensor]) -> list[str]:
        """Return the taps whose maps vary over positions; the others carry nothing and are left out, with a warning."""
        varying = []
        for name in taps:
            values = features[name].float()
            energy = values.square().sum()
            variation = (values - values.mean(dim=(2, 3), keepdim=True)).square().sum()
            if bool(variation > SMALLEST_VARIATION * energy) and bool(torch.isfinite(energy)):
                varying.append(name)
            else:
                warnings.warn(
                    f"{self._backbone.label}: the features of {name} do not vary, it is left out", stacklevel=3
                )
        return varying


def style_loss(loss: Loss, gram: Float[Tensor, "b c c"], target: Target) -> Float[Tensor, ""]:
    """Return one tap's style loss in a convention."""
    if loss == "relative":
        return squared_distance(gram, target.value) / target.scale
    return (gatys_style_loss if loss == "gatys" else neural_style_style_loss)(gram, target.value)


def content_loss(loss: Loss, features: Float[Tensor, "b c h w"], target: Target) -> Float[Tensor, ""]:
    """Return one tap's content loss in a convention."""
    if loss == "relative":
        return squared_distance(features, target.value) / target.scale
    return (gatys_content_loss if loss == "gatys" else neural_style_content_loss)(features, target.value)
