"""The number format and memory format in which a network paints fastest here."""

from collections.abc import Callable

import torch

from nstkit.backbones.backbone import Backbone
from nstkit.config import MemoryFormat, Precision
from nstkit.formats import LAYOUTS, Choice, Format, Work, choose_format, list_formats
from nstkit.hardware import autocast
from transfer.painting.settings import LossSettings, split_weights

SIDES_PX = (64, 128, 192, 256)


def fit_format(
    backbone: Backbone, losses: LossSettings, precision: Precision, memory_format: MemoryFormat = "auto"
) -> Choice:
    """Return the format in which to paint with a backbone, which is then laid out in it.

    Args:
        backbone: on its device.
        losses: resolved; name the taps, behind the deepest of which nothing is computed.
        precision: asked for.
        memory_format: asked for.
    """
    choice = choose_format(list_formats(precision, memory_format, backbone.mean.device), painting(backbone, losses))
    backbone.to_memory_format(choice.format.layout)
    return choice


def precision_in_place(backbone: Backbone, losses: LossSettings, precision: Precision) -> Precision:
    """Return the precision in which to paint with somebody else's backbone, which stays laid out as it is."""
    layout = next(name for name, layout in LAYOUTS.items() if layout == backbone.memory_format)
    return fit_format(backbone, losses, precision, layout).format.precision


def painting(backbone: Backbone, losses: LossSettings) -> Work:
    """Return what is timed: the network forward to its deepest tap, and the gradient back to the picture."""
    style_taps = split_weights(losses.style_taps or backbone.style_taps, "--style-taps")
    content_taps = split_weights(losses.content_taps or backbone.content_taps, "--content-taps")
    # Of a texture the content weighs nothing, and the other way round.
    taps = {*(style_taps if losses.style_weight else ()), *(content_taps if losses.content_weight else ())}

    def prepare(form: Format, side_px: int) -> Callable[[], object]:
        if backbone.memory_format != form.layout:
            backbone.to_memory_format(form.layout)
        image = torch.rand(1, 3, side_px, side_px, requires_grad=True)

        def step() -> object:
            with autocast(image.device, form.precision):
                features = backbone.features(image, taps)
            loss = torch.stack([maps.float().square().mean() for maps in features.values()]).sum()
            return torch.autograd.grad(loss, image)

        return step

    return Work(f"painting {' '.join(sorted(taps))}", backbone.network, SIDES_PX, prepare)
