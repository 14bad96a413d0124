"""The canonical scale of a network's channels.

Dividing a channel and multiplying the weights that read it leaves a ReLU network's answers as they are, but not the
picture that it paints. Accuracy says nothing about this scale; a canonical one takes the freedom away.
"""

import functools
from collections.abc import Iterable

import torch
from jaxtyping import Float
from PIL import Image
from sklearn.datasets import load_sample_images
from torch import Tensor

from nstkit.backbones.features import Backbone
from nstkit.config import Precision
from nstkit.hardware import autocast
from nstkit.pictures import to_tensor
from transfer.sample import sample_style

GAUGE_PX = 256
FLOOR = 0.05  # of the median channel's mean: a nearly dead channel is not blown up


@torch.no_grad()
def channel_scales(
    backbone: Backbone, taps: Iterable[str], precision: Precision
) -> dict[str, Float[Tensor, "1 c 1 1"]]:
    """Return what each channel is divided by at each tap: its mean |F| over a fixed set of pictures.

    The set: the two photographs that scikit-learn carries and the drawn sample style, 256 px.

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
        image = picture.to(device)
        with autocast(device, precision):
            features = backbone.features(image, sums)
        for name, values in features.items():
            sums[name].append(values.float().abs().mean(dim=(0, 2, 3)))
    means = {name: torch.stack(values).mean(dim=0) for name, values in sums.items()}
    return {name: mean.clamp(min=_floor(mean)).view(1, -1, 1, 1) for name, mean in means.items()}


@functools.cache
def _fixed_pictures() -> tuple[Tensor, ...]:
    pictures = [Image.fromarray(image) for image in load_sample_images().images] + [sample_style()]
    return tuple(to_tensor(picture, GAUGE_PX) for picture in pictures)


def _floor(mean: Float[Tensor, " c"]) -> float:
    """Return a share of the median of the channels that are alive; 1 where all are dead."""
    alive = mean[mean > 0]
    return FLOOR * float(alive.median()) if len(alive) else 1.0
