"""How much memory a painting takes, found out before it is begun, and the tiles in which it fits where it would not."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from nstkit.backbones.backbone import Backbone
from nstkit.errors import UserError
from nstkit.memory import MAYBE_TOO_MUCH, TENSORS_SHARE, Demand, free_memory_bytes, process_bytes
from nstkit.rehearsal import rehearse
from nstkit.settings import known
from transfer.painting.least_memory import LEAST_HISTORY, Size, bytes_a_pair, least_bytes
from transfer.painting.loop import paint
from transfer.painting.pyramid import plan_scales
from transfer.painting.reach import NoTiles, measure_tiling
from transfer.painting.scene import Scene
from transfer.painting.settings import START_PICTURES, PaintSettings
from transfer.painting.tiles import Tiling, cut_into_tiles

REHEARSED_STEPS = 3  # after which an optimizer has all that it will have, but for the history of L-BFGS
REHEARSED_TILES = 2  # of the largest: one computed, and the gradient of another
CAUTIOUS_BYTES = 2**14  # for each pixel of content and style; VGG19 takes a quarter of it, a large ConvNeXt half
TILES_PX = 2048, 1024, 512, 256, 128  # sides of cores that are tried; smaller ones would be mostly border
GOOD_TILE_PX = 512  # down to which tiles are made smaller before the history of L-BFGS is shortened


def check_least_of(
    backbone: Backbone, content: Size | None, styles: Sequence[Size], settings: PaintSettings, device: torch.device
) -> None:
    """Raise `UserError` where a painting needs far more memory than is free by what it takes beside the features.

    That is known at once, before the number format is measured. The arguments are those of `fit_memory`.
    """
    what = f"Painting {max(content or styles[0])} px with {backbone.label}"
    least, free = least_bytes(content, styles, settings.optimization), free_memory_bytes(device, settings.memory)
    Demand(what, least, free, "Use a smaller --size.", is_least=True).check()


def fit_memory(
    content: Size | None, styles: Sequence[Size], backbone: Backbone, settings: PaintSettings, device: torch.device
) -> PaintSettings:
    """Return the settings with which a painting of these sizes fits into the free memory: whole, else in tiles.

    Where even tiles do not leave enough of it, the history of L-BFGS is shortened too.

    Args:
        content: (height, width) of the content picture [px].
        styles: of each style; without a content the first has the size of the result.
        backbone: that paints, on the device.
        settings: resolved.
        device: where it paints.

    Raises:
        UserError: where it does not fit in any way; a warning where it may not.
    """
    check_least_of(backbone, content, styles, settings, device)
    free, asked = free_memory_bytes(device, settings.memory), settings.optimization.tile
    if asked is not None and max(max(size) for size in (content, *styles) if size is not None) > asked:
        check_tiles(backbone, settings)
    if cautious_bytes(content, styles, settings) < free / 2:  # finding out more takes a second
        return settings
    whole = None if asked else painting_bytes(content, styles, backbone, settings, device)
    if asked is None and (whole is None or whole <= MAYBE_TOO_MUCH * free):
        return settings
    what = f"Painting {max(content or styles[0])} px with {backbone.label}"
    try:
        tiling = measure_tiling(backbone, settings.losses, TILES_PX[-1])
    except NoTiles as error:
        advice = _advice(max(content or styles[0]), whole or 0, free)
        Demand(what, whole or 0, free, f"{advice} {error}.").check()
        return settings
    core_px, history, needed = _largest_tiles(content, styles, backbone, settings, device, tiling, free)
    Demand(f"{what} in tiles", needed, free, _advice(max(content or styles[0]), needed, free)).check()
    return settings.changed(tile=core_px, history=history)


def _largest_tiles(
    content: Size | None,
    styles: Sequence[Size],
    backbone: Backbone,
    settings: PaintSettings,
    device: torch.device,
    tiling: Tiling,
    free_bytes: int,
) -> tuple[int, int, int]:
    """Return the largest cores [px] and the longest history that fit, else the least, and what they take [bytes].

    The arguments are those of `fit_memory`, how the network's pictures are cut, and the memory.
    """
    size, asked = content or styles[0], settings.optimization.tile
    longest = max(max(each) for each in (content, *styles) if each is not None)
    pair = TENSORS_SHARE * bytes_a_pair(size, settings.optimization)
    history = settings.optimization.history
    remembered = min(history, _steps_of_last_scale(size, settings))
    least = min(remembered, LEAST_HISTORY)
    least_px = max(TILES_PX[-1], tiling.step_px)
    for core_px in [asked] if asked else [px for px in TILES_PX if least_px < px < longest] + [least_px]:
        found = painting_bytes(content, styles, backbone, settings, device, replace(tiling, core_px=core_px))
        if found is None:
            raise UserError(f"{backbone.label} does not paint in tiles here. Use a smaller --size.")
        needed = found
        over = needed - MAYBE_TOO_MUCH * free_bytes
        if over <= 0:
            return core_px, history, needed
        kept = max(least, remembered - math.ceil(over / pair)) if pair else history
        if over <= (remembered - kept) * pair and core_px <= GOOD_TILE_PX:
            break
    return core_px, kept, round(needed - (remembered - kept) * pair)


def check_tiles(backbone: Backbone, settings: PaintSettings) -> None:
    """Raise `UserError` where the tiles that the settings ask for would paint another picture than the whole."""
    try:
        measure_tiling(backbone, settings.losses, TILES_PX[-1])
    except NoTiles as error:
        raise UserError(f"--tile {settings.optimization.tile}: {error}. Leave it out.") from error


def _advice(longer_px: int, needed: int, free: int) -> str:
    fitting_px = int(longer_px * math.sqrt(MAYBE_TOO_MUCH * free / max(needed, 1)) / 32) * 32
    smaller = f"--size {fitting_px} would fit" if 64 <= fitting_px < longer_px else "Use a smaller --size"
    return f"{smaller}; a smaller network, --precision bf16 and a shorter --history take less."


def tiles_line(content: Size | None, styles: Sequence[Size], settings: PaintSettings) -> str | None:
    """Return the line that says in which tiles a painting of these sizes is done, None where it is not.

    The arguments are those of `fit_memory`, which gave the settings.
    """
    tile, size = settings.optimization.tile, content or styles[0]
    if tile is None or max(size) <= tile:
        return None
    count = len(cut_into_tiles(size, Tiling(tile, 0, 1)))
    kept = f" and a history of {settings.optimization.history}" if settings.optimization.optimizer == "lbfgs" else ""
    return f"{size[1]} x {size[0]} px in {count} tiles of up to {tile} px{kept}"


def painting_bytes(
    content: Size | None,
    styles: Sequence[Size],
    backbone: Backbone,
    settings: PaintSettings,
    device: torch.device,
    tiling: Tiling | None = None,
) -> int | None:
    """Return by how much memory grows while such a scene is painted [bytes], None where that cannot be told.

    The arguments are those of `fit_memory`, and how the pictures are cut.
    """
    optimization = settings.optimization
    init = optimization.init if optimization.init in START_PICTURES else "grey"  # a file's picture comes to the same
    last_scale = settings.changed(scales=1, steps=REHEARSED_STEPS, seconds=None, init=init, tile=None)
    cut = None if tiling is None else replace(tiling, only=REHEARSED_TILES)

    def work(network: Backbone) -> None:
        picture = None if content is None else torch.rand(1, 3, *content, device=device)
        pictures = [torch.rand(1, 3, *size, device=device) for size in styles]
        shares = (1.0,) * max(1, len(styles))
        scene = Scene(picture, pictures[0] if pictures else None, further=tuple(pictures[1:]), shares=shares)
        paint(scene, network, last_scale, tiling=cut)

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
