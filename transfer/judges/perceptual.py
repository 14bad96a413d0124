"""LPIPS through a judging network that is already loaded; the learned weights of channels come with torchmetrics."""

from collections.abc import Mapping
from importlib import resources

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.spec import BackboneSpec
from nstkit.measure import Measure

TRUNKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "squeezenet1_1": ("squeeze.pth", tuple(f"features.{index}" for index in (1, 4, 7, 9, 10, 11, 12))),
    "vgg16": ("vgg.pth", ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")),
}
"""File of the channels' weights, and taps, of the networks that LPIPS was learned for."""


def read_channel_weights(spec: BackboneSpec) -> dict[str, Float[Tensor, " _"]]:
    """Return LPIPS' weights of the channels by tap, none for a network that it was not learned for.

    Args:
        spec: of the network. A file of weights of a fitting name is taken for ImageNet's.
    """
    if spec.name not in TRUNKS or spec.weights == "random":
        return {}
    file, taps = TRUNKS[spec.name]
    path = resources.files("torchmetrics") / "functional" / "image" / "lpips_models" / file
    if not path.is_file():
        return {}
    with path.open("rb") as stream:
        weights = torch.load(stream, map_location="cpu", weights_only=True)
    return {tap: weights[f"lin{index}.model.1.weight"].flatten() for index, tap in enumerate(taps)}


def perceptual_distance(
    picture: Mapping[str, Float[Tensor, "1 _ _ _"]],
    content: Mapping[str, Float[Tensor, "1 _ _ _"]],
    weights: Mapping[str, Float[Tensor, " _"]],
) -> float:
    """Return LPIPS of two pictures from their features, 0 or more, lower is more alike.

    Args:
        picture: features of the picture at the taps of `weights`, each (1, C, H, W).
        content: those of the content, of the same sizes.
        weights: of the channels, by tap; see `read_channel_weights`.

    Source: Zhang et al. 2018, The unreasonable effectiveness of deep features as a perceptual metric, equation 1.
    Differs: the network's own normalisation, which is theirs up to rounding.

    Example:
        >>> picture, content = ({"relu1_2": maps} for maps in torch.eye(2).view(2, 1, 2, 1, 1))
        >>> perceptual_distance(picture, content, {"relu1_2": torch.tensor([0.5, 0.25])})
        0.75
    """
    total = 0.0
    for tap, weight in weights.items():
        ours, target = (F.normalize(maps[tap].float(), dim=1, eps=1e-8) for maps in (picture, content))
        total += ((ours - target).square() * weight.to(ours).view(1, -1, 1, 1)).sum(1).mean().item()
    return total


LPIPS = Measure(
    name="judge/lpips",
    function=lambda evidence: perceptual_distance(
        evidence.picture_maps, evidence.content_maps, evidence.channel_weights
    ),
    unit="",
    range=(0.0, float("inf")),
    higher_is_better=False,
    source="Zhang et al. 2018, equation 1",
    aspect="content",
)
