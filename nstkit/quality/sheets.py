"""Pictures of what is inside: the channels of a tap, and its Gram matrix beside another."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.colors import FuncNorm
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torch.nn import functional

from nstkit.quality.figures import drawn

SHEET_PX = 1000  # a sheet's longer side, about
GAP_PX = 4
GRAM_CHANNELS = 96  # more of them cannot be told apart on a sheet
BRIGHTEST = 0.995  # share of the entries whose values the colours tell apart
COLOURS = "viridis"


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
    tile = tuple(max(4, int(side * tile_px) - GAP_PX) for side in (height, width))
    # Small maps in whole squares, so that their positions can be counted; large ones without moire.
    is_small = tile_px >= 1
    size = {"mode": "nearest-exact"} if is_small else {"mode": "bilinear", "antialias": True}
    scaled = functional.interpolate(scaled[None], tile, **size)[0]
    pixels = (255 * colormaps[COLOURS](scaled.clamp(0, 1).numpy())[..., :3]).round().astype(np.uint8)
    sheet = np.full((rows * (tile[0] + GAP_PX) + GAP_PX, columns * (tile[1] + GAP_PX) + GAP_PX, 3), 255, np.uint8)
    for number, picture in enumerate(pixels):
        top, left = (
            GAP_PX + place * (side + GAP_PX) for place, side in zip(divmod(number, columns), tile, strict=True)
        )
        sheet[top : top + tile[0], left : left + tile[1]] = picture
    return Image.fromarray(sheet)


def arrange(count: int, height: int, width: int) -> tuple[int, int]:
    """Return (columns, rows) by which tiles come out largest in a square, with as few places empty as can be."""

    def cost(columns: int) -> tuple[int, int]:
        rows = math.ceil(count / columns)
        return max(columns * width, rows * height), columns * rows - count

    columns = min(range(1, count + 1), key=cost)
    return columns, math.ceil(count / columns)


def gram_sheet(gram: Float[Tensor, "c c"] | Mapping[str, Float[Tensor, "c c"]], name: str = "gram") -> Image.Image:
    """Return Gram matrices as heat maps on one colour scale; of two by name, their difference (second - first) as well.

    Of many channels the 96 with the largest diagonal in the first are shown, in its order: largest first. Colours go
    with the root of the values, and half a percent of them may be beyond the scale: so a few strong channels do not
    leave the rest without colour.

    Args:
        gram: one, or several by name, such as {"style": ..., "result": ...}.
        name: title of a single one.

    Raises:
        ValueError: for matrices that are not of one shape.
    """
    named = {name: gram} if isinstance(gram, Tensor) else dict(gram)
    matrices = {key: value.detach().float().cpu() for key, value in named.items()}
    shapes = {tuple(matrix.shape) for matrix in matrices.values()}
    if len(shapes) != 1:
        raise ValueError(f"the matrices are of different shapes: {sorted(shapes)}")
    order = next(iter(matrices.values())).diagonal().argsort(descending=True, stable=True)[:GRAM_CHANNELS]
    matrices = {key: matrix[order][:, order] for key, matrix in matrices.items()}
    if len(matrices) == 2:
        before, after = matrices
        matrices[f"{after} - {before}"] = matrices[after] - matrices[before]
    largest = float(torch.cat([matrix.abs().flatten() for matrix in matrices.values()]).quantile(BRIGHTEST)) or 1.0
    norm = FuncNorm((_signed_root, _signed_square), vmin=-largest, vmax=largest)
    figure = Figure(figsize=(4.2 * len(matrices) + 1.0, 4.6), dpi=max(60, min(110, 1400 // (5 * len(matrices)))))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(1, len(matrices), squeeze=False)[0]
    for panel, (key, matrix) in zip(panels, matrices.items(), strict=True):
        image = panel.imshow(matrix.numpy(), cmap="RdBu_r", norm=norm, interpolation="nearest")
        share = float(matrix.norm() / next(iter(matrices.values())).norm().clamp(min=1e-30))
        panel.set_title(key if panel is panels[0] else f"{key}   norm x {share:.2f}", loc="left")
        panel.set(xticks=[], yticks=[])
    channels = f"{len(order)} of {next(iter(shapes))[0]} channels, strongest first"
    panels[0].set_xlabel(channels)
    scale = figure.colorbar(image, ax=list(panels), shrink=0.85, pad=0.02, extend="both")
    shares = (-1, -0.5, -0.1, 0, 0.1, 0.5, 1)
    scale.set_ticks([share * largest for share in shares], labels=[f"{share * largest:.2g}" for share in shares])
    return drawn(figure)


def _signed_root(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.sqrt(np.abs(values))


def _signed_square(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.square(values)
