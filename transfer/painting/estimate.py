"""How much memory a painting takes, found out before it is begun, and the tiles in which it fits where it would not."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

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
LEAST_TILE_PX, LARGEST_TILE_PX = 128, 2048  # smaller ones are mostly border
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
        tiling = measure_tiling(backbone, settings.losses, LEAST_TILE_PX)
    except NoTiles as error:
        advice = _advice(max(content or styles[0]), whole or 0, free)
        Demand(what, whole or 0, free, f"{advice} {error}.").check()
        return settings
    outlay = _Outlay.measured(content, styles, backbone, settings, device, tiling)
    core_px, history = outlay.fitting(MAYBE_TOO_MUCH * free, asked)
    needed = outlay.bytes(core_px, history)
    Demand(f"{what} in tiles", needed, free, _advice(max(content or styles[0]), needed, free)).check()
    return settings.changed(tile=core_px, history=history)


def check_tiles(backbone: Backbone, settings: PaintSettings) -> None:
    """Raise `UserError` where the tiles that the settings ask for would paint another picture than the whole."""
    try:
        measure_tiling(backbone, settings.losses, LEAST_TILE_PX)
    except NoTiles as error:
        raise UserError(f"--tile {settings.optimization.tile}: {error}. Leave it out.") from error


def _advice(longer_px: int, needed: int, free: int) -> str:
    fitting_px = int(longer_px * math.sqrt(MAYBE_TOO_MUCH * free / max(needed, 1)) / 32) * 32
    smaller = f"--size {fitting_px} would fit" if 64 <= fitting_px < longer_px else "Use a smaller --size"
    return f"{smaller}; a smaller network, --precision bf16 and a shorter --history take less."


@dataclass(frozen=True)
class _Outlay:
    """What a painting in tiles takes: so much whatever the tiles, and so much for each pixel of the largest of them.

    Attributes:
        sizes: of content and styles.
        tiling: whose cores are of any size.
        fixed_bytes: with the history that is asked for.
        bytes_a_pixel: of the largest tile.
        pair_bytes: of L-BFGS.
        history: asked for, as far as it is reached.
    """

    sizes: tuple[Size, ...]
    tiling: Tiling
    fixed_bytes: float
    bytes_a_pixel: float
    pair_bytes: float
    history: int

    @classmethod
    def measured(
        cls,
        content: Size | None,
        styles: Sequence[Size],
        backbone: Backbone,
        settings: PaintSettings,
        device: torch.device,
        tiling: Tiling,
    ) -> "_Outlay":
        """Return that of a painting, from rehearsals with two sizes of tiles; between them it is a straight line."""
        sizes = tuple(size for size in (content, *styles) if size is not None)
        large_px = min(LARGEST_TILE_PX, max(max(size) for size in sizes) // 2)
        points = []
        for core_px in (tiling.core_px, max(large_px, 2 * tiling.core_px)):
            cut = replace(tiling, core_px=core_px)
            needed = painting_bytes(content, styles, backbone, settings, device, cut)
            if needed is None:
                raise UserError(f"{backbone.label} cannot be painted with in tiles here. Use a smaller --size.")
            points.append((_largest_area(sizes, cut), needed))
        (few, less), (many, more) = points
        slope = (more - less) / max(1, many - few)
        size = content or styles[0]
        remembered = min(settings.optimization.history, _steps_of_last_scale(size, settings))
        pair = TENSORS_SHARE * bytes_a_pair(size, settings.optimization)
        return cls(sizes, tiling, less - slope * few, slope, pair, remembered)

    def bytes(self, core_px: int, history: int) -> int:
        """Return what it takes with cores of at most so many pixels and so long a history."""
        area = _largest_area(self.sizes, replace(self.tiling, core_px=core_px))
        return round(self.fixed_bytes + self.bytes_a_pixel * area - (self.history - history) * self.pair_bytes)

    def fitting(self, room_bytes: float, asked_px: int | None) -> tuple[int, int]:
        """Return the largest cores [px], and the longest history beside them, that fit; the smallest if none does."""
        cores = [asked_px] if asked_px else list(self._cores())
        shortest = min(self.history, LEAST_HISTORY) if self.pair_bytes else self.history
        for least_px in (min(GOOD_TILE_PX, cores[0]), cores[-1]):
            for history in range(self.history, shortest - 1, -1):
                for core_px in cores:
                    if core_px >= least_px and self.bytes(core_px, history) <= room_bytes:
                        return core_px, history
        return cores[-1], shortest

    def _cores(self) -> Iterable[int]:
        """Yield the sides that cut the longest side into 2, 3, ... equal parts, down to the smallest."""
        longest, step = max(max(size) for size in self.sizes), self.tiling.step_px
        for count in range(2, longest // self.tiling.core_px + 1):
            core_px = math.ceil(longest / count / step) * step
            if core_px <= LARGEST_TILE_PX:
                yield core_px
        yield self.tiling.core_px


def _largest_area(sizes: Iterable[Size], tiling: Tiling) -> int:
    return max(tile.area for size in sizes for tile in cut_into_tiles(size, tiling))


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
