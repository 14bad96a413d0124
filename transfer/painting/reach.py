"""How pictures may be cut for a network and a loss: measured, for whatever network and whatever loss.

How far the features see is told by pixels that are no numbers: what is computed from one is none either, whatever the
weights are, so that those positions of a map that see it show. A network that takes a mean over the whole picture, or
attends to all of it, shows it everywhere. Then a small picture is painted whole and in tiles, which finds all else: a
loss that is no sum over places, windows or paddings that depend on the size.
"""

import math
import warnings
from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.batchnorm import settled
from nstkit.errors import UserError
from transfer.painting.lens import Lens
from transfer.painting.losses.look import NoSum
from transfer.painting.losses.objective import Objective
from transfer.painting.scene import Scene
from transfer.painting.settings import LossSettings, split_weights
from transfer.painting.tiles import Tiling

PROBES_PX = (512, 1024, 2048)  # longer side of the pictures that are looked at, until the rim sees nothing
NARROW_PX = 128  # their shorter side
ODD_PX = 3  # what the small picture is larger than a multiple of the grid
SAME = 1e-4  # relative distance of the gradients, in float32; a few 1e-6 where tiles are exact, 1e-2 where not


class NoTiles(UserError):
    """A network or a loss that tiles would paint another picture with; the message says why, without a full stop."""


def measure_tiling(backbone: Backbone, losses: LossSettings, core_px: int) -> Tiling:
    """Return how pictures are cut for this network and loss into cores of so many pixels.

    Args:
        backbone: on its device.
        losses: resolved.
        core_px: longest side of a core; a grid that is coarser makes it larger.

    Raises:
        NoTiles: where a painting in tiles would not be that of the whole picture.
    """
    named = (losses.style_taps or backbone.style_taps, losses.content_taps or backbone.content_taps)
    taps = list(dict.fromkeys(tap for words in named for tap in split_weights(words, "--style-taps")))
    step = math.lcm(backbone.sizes.multiple, *(backbone.taps[tap].stride for tap in taps))
    what = f"{backbone.label} does not paint in tiles"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reach = measure_reach(Lens(backbone, losses, taps, "fp32"), taps, step)
            if reach is None:
                raise NoTiles(f"{what}: its layers that are compared see the whole picture")
            tiling = Tiling(reach + step, reach, step)
            if not difference(backbone, losses, tiling) <= SAME:
                raise NoSum
        except NoTiles:
            raise
        except NoSum as error:
            raise NoTiles(f"{what}: the loss with these settings is no sum over places of the picture") from error
        except UserError as error:  # a network of one size, or one that noise says nothing to
            raise NoTiles(f"{what}: {str(error).removesuffix('.')}") from error
    return replace(tiling, core_px=max(step, core_px))


@torch.no_grad()
def measure_reach(lens: Lens, taps: Iterable[str], step_px: int) -> int | None:
    """Return how far around a core the features see [px], a multiple of the grid; None where it is very far.

    Args:
        lens: the network.
        taps: their names.
        step_px: the grid, a multiple of every stride.
    """
    taps = list(taps)
    for side in PROBES_PX:
        reaches = [_reach_along(lens, taps, step_px, side, axis) for axis in (2, 3)]
        if None not in reaches:
            farthest = max(reach for reach in reaches if reach is not None)
            return math.ceil(farthest / step_px) * step_px
    return None


def _reach_along(lens: Lens, taps: list[str], step_px: int, side_px: int, axis: int) -> int | None:
    """Return how far beside a stripe across the picture features see it, None where those at the rim do."""
    size = [math.ceil(NARROW_PX / step_px) * step_px] * 2
    size[axis - 2] = side_px // step_px * step_px
    picture = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)).to(lens.backbone.mean)
    start = side_px // 2 // step_px * step_px
    picture.narrow(axis, start, step_px).fill_(math.nan)
    farthest = 0
    for tap, maps in lens.features(picture, taps).items():
        seen = maps.isnan().movedim(axis, 0).flatten(1).any(dim=1).nonzero().flatten().tolist()
        if not seen or seen[0] == 0 or seen[-1] == maps.shape[axis] - 1:
            return None
        stride = lens.backbone.taps[tap].stride
        farthest = max(farthest, start - seen[0] * stride, (seen[-1] + 1) * stride - (start + step_px))
    return farthest


def difference(backbone: Backbone, losses: LossSettings, tiling: Tiling) -> float:
    """Return how far the gradient of a small canvas in tiles is from that of the whole, over the latter's norm.

    Args:
        backbone: the network.
        losses: resolved.
        tiling: with cores so small that the canvas has several.
    """
    size = max(NARROW_PX, tiling.step_px) + ODD_PX, 2 * tiling.core_px + ODD_PX
    generator = torch.Generator().manual_seed(0)
    content, style, canvas = torch.rand(3, 1, 3, *size, generator=generator).to(backbone.mean)
    style, canvas = style**4, 1 - canvas**2  # of different colours: what is alike leaves only rounding to compare
    network = settled(backbone, [content, style])
    scene = Scene(content, style, canvas)
    whole, tiled = (gradient_of(Objective(network, scene, losses, "fp32", each), canvas) for each in (None, tiling))
    return float((tiled - whole).norm() / whole.norm())


@torch.enable_grad()
def gradient_of(objective: Objective, canvas: Tensor) -> Tensor:
    """Return the gradient of the total loss of a canvas."""
    image = canvas.clone().requires_grad_(True)
    return torch.autograd.grad(objective(image)["loss/total"], image)[0]
