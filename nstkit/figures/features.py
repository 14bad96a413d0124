"""Pictures of what a network makes of a picture: the channels of its taps, and its first filters."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from nstkit.figures.compose import Tile, arrange, contact_sheet, drawn

SHEET_PX = 1000  # a sheet's longer side, about
GAP_PX = 4
COLOURS = "viridis"
FILTERS_A_ROW = 16
FILTER_PX = 48  # side of a filter on the sheet, about


def feature_figure(
    image: Float[Tensor, "1 3 h w"], maps: Mapping[str, Float[Tensor, "1 _ _ _"]], columns: int = 12
) -> Image.Image:
    """Return the maps of one picture, a row a tap: the channels that vary most in it, each scaled by itself.

    Args:
        image: sRGB in [0, 1].
        maps: by tap, (1, C, H, W).
        columns: channels a tap.
    """
    figure = Figure(figsize=(0.95 * (columns + 1.4), 1.0 * len(maps) + 0.1), dpi=120)
    grid = figure.subplots(len(maps), columns + 1, squeeze=False, gridspec_kw={"hspace": 0.06, "wspace": 0.04})
    for panel in grid.flatten():
        panel.axis("off")
    grid[0, 0].imshow(image[0].permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="nearest")
    for row, (name, values) in zip(grid, maps.items(), strict=True):
        channels = values[0].float()
        label = f"{name}\n{len(channels)} channels\n{channels.shape[1]} x {channels.shape[2]}"
        above = row[0] is grid[0, 0]
        row[0].text(-0.08 if above else 0.5, 0.5, label, transform=row[0].transAxes, fontsize=7.5, va="center",
                    ha="right" if above else "center")  # fmt: skip
        order = channels.flatten(1).std(dim=1, correction=0).argsort(descending=True, stable=True)
        for panel, channel in zip(row[1:], channels[order[:columns]], strict=False):
            panel.imshow(channel.numpy(), cmap="magma", interpolation="nearest")
    figure.subplots_adjust(left=0.075, right=0.995, top=0.99, bottom=0.01)
    return drawn(figure)


def feature_sheet(maps: Float[Tensor, "1 c h w"], count: int = 36) -> Image.Image:
    """Return the channels that vary most, the strongest first, each scaled to its own range, in at most 1000 x 1000 px.

    Dark is a channel's smallest value, bright its largest. A channel that is the same everywhere is dark.

    Args:
        maps: of one picture, (1, C, H, W).
        count: channels at most.

    Raises:
        ValueError: for `count` below 1.
    """
    if count < 1:
        raise ValueError(f"count is {count}; it must be at least 1")
    channels = maps[0].detach().float().cpu()
    order = channels.flatten(1).std(dim=1, correction=0).nan_to_num(0).argsort(descending=True, stable=True)
    channels = channels[order[:count]].nan_to_num(0)
    low, high = channels.amin(dim=(1, 2), keepdim=True), channels.amax(dim=(1, 2), keepdim=True)
    scaled = (channels - low) / torch.where(high > low, high - low, 1)
    height, width = channels.shape[1:]
    columns, rows = arrange(len(channels), height, width)
    tile_px = (SHEET_PX - GAP_PX) / max(columns * width, rows * height)  # a map position
    tile = [max(4, int(side * tile_px) - GAP_PX) for side in (height, width)]
    # Small maps in whole squares, so that their positions can be counted; large ones without moire.
    is_small = tile_px >= 1
    size = {"mode": "nearest-exact"} if is_small else {"mode": "bilinear", "antialias": True}
    scaled = functional.interpolate(scaled[None], tile, **size)[0]
    pixels = (255 * colormaps[COLOURS](scaled.clamp(0, 1).numpy())[..., :3]).round().astype(np.uint8)
    tiles = [Tile(Image.fromarray(tile_pixels)) for tile_pixels in pixels]
    return contact_sheet(tiles, columns, gap_px=GAP_PX, margin_px=GAP_PX)


def filter_figure(network: nn.Module) -> Image.Image | None:
    """Return the filters of the first convolution as colours around grey, each scaled by itself.

    None where no convolution takes the three colours.
    """
    convolutions = (module for module in network.modules() if isinstance(module, nn.Conv2d))
    first = next((module for module in convolutions if module.weight.shape[1] == 3), None)
    if first is None:
        return None
    weight = first.weight.detach().float().cpu()  # (c, 3, k, k)
    largest = weight.abs().amax(dim=(1, 2, 3), keepdim=True)
    coloured = 0.5 + 0.5 * weight / torch.where(largest > 0, largest, 1)
    columns = FILTERS_A_ROW if len(coloured) > 2 * FILTERS_A_ROW else FILTERS_A_ROW // 2
    zoom = max(1, FILTER_PX // coloured.shape[-1])
    enlarged = coloured.repeat_interleave(zoom, 2).repeat_interleave(zoom, 3)
    pixels = enlarged.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    return contact_sheet([Tile(Image.fromarray(tile)) for tile in pixels], columns, gap_px=GAP_PX, margin_px=GAP_PX)
