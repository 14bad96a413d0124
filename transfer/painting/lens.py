"""Features as the losses compare them: computed at a precision, their channels on one scale, their peaks smoothed.

The canonical gauge: dividing a channel and multiplying the weights that read it leaves a ReLU network's answers as they
are, but not the picture that it paints. Accuracy says nothing about this scale; a canonical one takes the freedom away.

Smoothing (SWAG): a few large activations no longer hold the whole Gram matrix. Source: Wang, Li, Vasconcelos 2021,
"Rethinking and improving the robustness of image style transfer". The paper takes a softmax over all channels and
positions of a layer, in both losses; the code that they released scales the two deepest layers by 0.001 instead. Both
are here.
"""

import functools
import math
from collections.abc import Iterable

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.config import Precision
from nstkit.errors import UserError
from nstkit.hardware import autocast
from nstkit.pictures.tensors import to_tensor
from nstkit.sample import sample_content, sample_style
from nstkit.settings import as_word
from transfer.painting.settings import LossSettings, Smoothing

GAUGE_PX = 256
FLOOR = 0.05  # of the median channel's mean: a nearly dead channel is not blown up
SCALE = 0.001  # alpha of SWAG's code
SCALED_STRIDE = 16  # their layer3 and layer4


class Lens:
    """A network looked through as the settings of the loss want it.

    Attributes:
        backbone: the network.
        smoothed: names of the taps that are smoothed.
    """

    def __init__(self, backbone: Backbone, settings: LossSettings, taps: Iterable[str], precision: Precision) -> None:
        """Choose what is smoothed, and measure the gauge at `taps`."""
        taps = list(taps)
        self.backbone, self._settings, self._precision = backbone, settings, precision
        self.smoothed = smoothed_taps(settings.smoothing, backbone, taps, settings.smoothing_taps)
        self._scales = channel_scales(backbone, taps, precision) if settings.gauge == "canonical" else {}

    def features(self, image: Float[Tensor, "b 3 h w"], taps: Iterable[str]) -> dict[str, Float[Tensor, "b _ _ _"]]:
        """Return the features of pictures of one size, as the losses compare them, by tap.

        Args:
            image: one or several of a size, sRGB in [0, 1].
            taps: their names.
        """
        return {
            tap: smooth(self._settings.smoothing, maps, self._settings.temperature) if tap in self.smoothed else maps
            for tap, maps in self.unsmoothed(image, taps).items()
        }

    def unsmoothed(self, image: Float[Tensor, "b 3 h w"], taps: Iterable[str]) -> dict[str, Float[Tensor, "b _ _ _"]]:
        """Return the features before smoothing; see `features`."""
        with autocast(image.device, self._precision):
            features = self.backbone.features(image, taps)
        return {tap: maps / self._scales[tap] if tap in self._scales else maps for tap, maps in features.items()}


@torch.no_grad()
def channel_scales(
    backbone: Backbone, taps: Iterable[str], precision: Precision
) -> dict[str, Float[Tensor, "1 c 1 1"]]:
    """Return what each channel is divided by at each tap: its mean |F| over a fixed set of pictures.

    The set: the two sample photographs and the drawn sample style, 256 px.

    Args:
        backbone: on any device.
        taps: their names.
        precision: of the network's computation.

    Returns:
        (1, C, 1, 1) by tap, at least 5 % of the median channel's.

    Source: Gatys, Ecker, Bethge 2016, section 2: weights of the VGG scaled so that each filter's mean activation over
        images and positions is 1.
    Differs: a few fixed pictures in place of ImageNet; |F|, for networks whose features have a sign; the floor.
    """
    device = backbone.mean.device
    sums: dict[str, list[Tensor]] = {name: [] for name in taps}
    for picture in _fixed_pictures():
        image = to_tensor(picture, GAUGE_PX).to(device)
        with autocast(device, precision):
            features = backbone.features(image, sums)
        for name, maps in features.items():
            sums[name].append(maps.float().abs().mean(dim=(0, 2, 3)))
    means = {name: torch.stack(values).mean(dim=0) for name, values in sums.items()}
    return {name: mean.clamp(min=_floor(mean)).view(1, -1, 1, 1) for name, mean in means.items()}


@functools.cache
def _fixed_pictures() -> tuple[Image.Image, ...]:
    return sample_content("china"), sample_content("flower"), sample_style()


def _floor(mean: Float[Tensor, " c"]) -> float:
    """Return a share of the median of the channels that are alive; 1 where all are dead."""
    median = float(mean.where(mean > 0, torch.nan).nanmedian())
    return 1.0 if math.isnan(median) else FLOOR * median


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

    Example:
        >>> softmax_smooth(torch.zeros(1, 2, 3, 3)).mean()
        tensor(1.)
    """
    flat = features.flatten(1)
    flat = flat.float() if flat.dtype in (torch.bfloat16, torch.float16) else flat
    return ((flat / temperature).softmax(dim=1) * flat.shape[1]).view(features.shape)


def smoothed_taps(
    smoothing: Smoothing, backbone: Backbone, taps: Iterable[str], chosen: Iterable[str]
) -> frozenset[str]:
    """Return which of `taps` are smoothed: those in `chosen`, or if there are none those of the paper or the code.

    Raises:
        UserError: for a chosen one that is not among them.
    """
    if smoothing == "none":
        return frozenset()
    chosen, taps = set(chosen), list(taps)
    backbone.check_taps(chosen)
    if others := sorted(chosen - set(taps)):
        raise UserError(f"--smoothing-taps {as_word(others)}: no layer of the loss. Allowed: {', '.join(taps)}.")
    if smoothing == "scale" and not chosen:
        return frozenset(name for name in taps if backbone.taps[name].stride >= SCALED_STRIDE)
    return frozenset(name for name in taps if not chosen or name in chosen)


def smooth(smoothing: Smoothing, features: Float[Tensor, "b c h w"], temperature: float) -> Float[Tensor, "b c h w"]:
    """Return the features smoothed by a softmax, or scaled."""
    return softmax_smooth(features, temperature) if smoothing == "softmax" else features * SCALE
