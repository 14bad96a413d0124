"""Smoothing of activations before any loss (SWAG): a few large values no longer hold the whole Gram matrix.

Source: Wang, Li, Vasconcelos 2021, "Rethinking and improving the robustness of image style transfer". The paper takes a
softmax over all channels and positions of a layer, in both losses; the code that they released scales the two deepest
layers by 0.001 instead. Both are here.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.features import Backbone
from transfer.config import Smoothing

SCALE = 0.001  # alpha of their code
SCALED_STRIDE = 16  # their layer3 and layer4


def softmax_smooth(features: Float[Tensor, "b c h w"], temperature: float = 1.0) -> Float[Tensor, "b c h w"]:
    """Return the softmax over all channels and positions of each picture, times their count.

    Args:
        features: (B, C, H, W).
        temperature: what they are divided by first; the larger, the smoother.

    Returns:
        (B, C, H, W), in float32 at least, of mean 1.

    Source: Wang, Li, Vasconcelos 2021, equation 9.
    Differs: times C H W, which keeps the values away from the smallest floats and lets pictures of different sizes be
        compared. Relative losses do not see it.
    """
    flat = features.flatten(1)
    flat = flat.float() if flat.dtype in (torch.bfloat16, torch.float16) else flat
    return ((flat / temperature).softmax(dim=1) * flat.shape[1]).view(features.shape)


def smoothed_taps(smoothing: Smoothing, backbone: Backbone, taps: Iterable[str], chosen: Iterable[str]) -> set[str]:
    """Return which of `taps` are smoothed: those in `chosen`, or if there are none those of the paper or the code."""
    if smoothing == "none":
        return set()
    chosen = set(chosen)
    backbone.check_taps(chosen)
    if smoothing == "scale" and not chosen:
        return {name for name in taps if backbone.taps[name].stride >= SCALED_STRIDE}
    return {name for name in taps if not chosen or name in chosen}


def smooth(smoothing: Smoothing, features: Float[Tensor, "b c h w"], temperature: float) -> Float[Tensor, "b c h w"]:
    """Return the features smoothed."""
    return softmax_smooth(features, temperature) if smoothing == "softmax" else features * SCALE
