"""How much memory a painting takes, found out before it is begun."""

import math
from collections.abc import Sequence

import torch

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.kept import kept_bytes_a_pixel
from nstkit.memory import Demand, free_memory_bytes, process_bytes
from nstkit.rehearsal import rehearse
from nstkit.settings import known
from transfer.painting.least_memory import Size, bytes_a_pair, least_bytes
from transfer.painting.loop import paint
from transfer.painting.pyramid import plan_scales
from transfer.painting.scene import Scene
from transfer.painting.settings import START_PICTURES, PaintSettings

REHEARSED_STEPS = 3  # after which an optimizer has all that it will have, but for the history of L-BFGS
CAUTIOUS_BYTES = 2**14  # for each pixel of content and style; VGG19 takes a quarter of it, a large ConvNeXt half


def check_least_of(
    backbone: Backbone, content: Size | None, styles: Sequence[Size], settings: PaintSettings, device: torch.device
) -> None:
    """Raise `UserError` where a painting needs far more memory than is free by what its network keeps at the least.

    That is known at once, before the number format is measured. The arguments are those of `check_painting`.
    """
    free = free_memory_bytes(device)
    if cautious_bytes(content, styles, settings) >= free / 2:
        least = least_bytes(content, styles, settings.optimization)
        least += kept_bytes(content or styles[0], backbone, settings)
        what = f"Painting {max(content or styles[0])} px with {backbone.label}"
        Demand(what, least, free, "Use a smaller --size or a smaller network.", is_least=True).check()


def check_painting(
    content: Size | None, styles: Sequence[Size], backbone: Backbone, settings: PaintSettings, device: torch.device
) -> None:
    """Raise `UserError` where a painting of these sizes does not fit into the free memory, warn where it may not.

    Args:
        content: (height, width) of the content picture [px].
        styles: of each style; without a content the first has the size of the result.
        backbone: that paints, on the device.
        settings: resolved.
        device: where it paints.
    """
    free = free_memory_bytes(device)
    if cautious_bytes(content, styles, settings) < free / 2:  # finding out more takes a second
        return
    needed = painting_bytes(content, styles, backbone, settings, device)
    if needed is not None:
        longer_px = max(content or styles[0])
        fitting_px = int(longer_px * math.sqrt(free / max(needed, 1)) / 32) * 32
        smaller = f"--size {fitting_px} would fit" if 64 <= fitting_px < longer_px else "Use a smaller --size"
        advice = f"{smaller}; a smaller network, --precision bf16 and a shorter --history take less."
        Demand(f"Painting {longer_px} px with {backbone.label}", needed, free, advice).check()


def kept_bytes(size: Size, backbone: Backbone, settings: PaintSettings) -> int:
    """Return what the network keeps of a canvas of (height, width) for the gradient, at the least [bytes]."""
    taps = [*backbone.style_taps, *backbone.content_taps]
    size_of_value = 1.0 if settings.precision == "fp32" else 0.5
    return round(size_of_value * kept_bytes_a_pixel(backbone, taps) * math.prod(size))


def painting_bytes(
    content: Size | None, styles: Sequence[Size], backbone: Backbone, settings: PaintSettings, device: torch.device
) -> int | None:
    """Return by how much memory grows while such a scene is painted [bytes], None where that cannot be told.

    The arguments are those of `check_painting`.
    """
    optimization = settings.optimization
    init = optimization.init if optimization.init in START_PICTURES else "grey"  # a file's picture comes to the same
    last_scale = settings.changed(scales=1, steps=REHEARSED_STEPS, seconds=None, init=init)

    def work(network: Backbone) -> None:
        picture = None if content is None else torch.rand(1, 3, *content, device=device)
        pictures = [torch.rand(1, 3, *size, device=device) for size in styles]
        shares = (1.0,) * max(1, len(styles))
        scene = Scene(picture, pictures[0] if pictures else None, further=tuple(pictures[1:]), shares=shares)
        paint(scene, network, last_scale)

    tensors = rehearse(work, device, backbone)
    if tensors is None:
        return None
    size = content or styles[0]
    remembered = min(optimization.history, _steps_of_last_scale(size, settings)) - REHEARSED_STEPS + 1
    pair = bytes_a_pair(size, optimization)
    return process_bytes(tensors + max(0, remembered) * pair)


def cautious_bytes(content: Size | None, styles: Sequence[Size], settings: PaintSettings) -> int:
    """Return more than a painting takes with any network that is not gigantic [bytes]."""
    pixels = sum(size[0] * size[1] for size in (content, *styles) if size is not None)
    pair = bytes_a_pair(content or styles[0], settings.optimization)
    return pixels * CAUTIOUS_BYTES + settings.optimization.history * pair


def _steps_of_last_scale(size: Size, settings: PaintSettings) -> int:
    return known(settings.optimization.steps) // len(plan_scales(size, settings.optimization))
