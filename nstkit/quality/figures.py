"""Pictures of what was measured: quality layer by layer, confusions, predictions, feature maps, first filters."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

RIGHT, WRONG = "#2a9d4a", "#d1383d"
TRAINED = "#7b2d8b"
LABELLED_CLASSES = 30  # more names than this along an axis cannot be read
TOP_PAIRS = 20
SAMPLE_PX = 128  # side of a picture on the sheets, dots
FILTERS_A_ROW = 16
FILTER_PX = 48  # side of a filter on the sheet, about


def confusion_figure(confusion: Int64[Tensor, "k k"], classes: Sequence[str]) -> Image.Image:
    """Return the confusion matrix, each row as shares of its class.

    Up to 30 classes are named and have their percentages; of more, the most confused pairs are listed.

    Args:
        confusion: counts by class (row) and prediction (column), (K, K).
        classes: K names.
    """
    counts = confusion.double().numpy()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    is_labelled = len(classes) <= LABELLED_CLASSES
    if is_labelled:
        figure = Figure(figsize=(4 + 0.32 * len(classes),) * 2, dpi=120, layout="constrained")
        matrix = figure.subplots()
    else:
        figure = Figure(figsize=(11.6, 8.4), dpi=120)
        matrix = figure.add_axes((0.03, 0.04, 0.67, 0.67 * 11.6 / 8.4))
    # The root makes mistakes of a few percent visible beside a diagonal of 60 %.
    matrix.imshow(shares, cmap="BuPu", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
    matrix.set(xlabel="predicted", ylabel="class")
    matrix.set_title(f"top-1 {counts.trace() / max(counts.sum(), 1):.1%} of {int(counts.sum()):,} pictures", loc="left")
    if not is_labelled:
        matrix.set(xticks=[], yticks=[])
        lines = [f"{share:4.0%}  {a} → {b}" for a, b, share in most_confused(confusion, classes, TOP_PAIRS)]
        text = "\n".join(["share  class → prediction", "", *lines])
        matrix.text(
            1.03, 1, text, transform=matrix.transAxes, va="top", family="monospace", fontsize=9, linespacing=1.7
        )
        return drawn(figure)
    matrix.set_xticks(range(len(classes)), classes, rotation=90)
    matrix.set_yticks(range(len(classes)), classes)
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.35 else "black"
        value = f"{100 * shares[row, column]:.0f}"
        matrix.text(column, row, value, ha="center", va="center", color=colour, fontsize=8)
    return drawn(figure)


def most_confused(confusion: Int64[Tensor, "k k"], classes: Sequence[str], count: int) -> list[tuple[str, str, float]]:
    """Return (class, prediction, share of the class) of the most frequent mistakes, the worst first."""
    shares = confusion.double() / confusion.sum(dim=1, keepdim=True).clamp(min=1)
    shares.fill_diagonal_(0)
    values, places = shares.flatten().sort(descending=True, stable=True)
    worst = zip(values[:count].tolist(), places[:count].tolist(), strict=True)
    return [(classes[k // len(classes)], classes[k % len(classes)], value) for value, k in worst if value > 0]


def sample_figure(
    images: UInt8[Tensor, "n h w 3"],
    labels: Int64[Tensor, " n"],
    predicted: Int64[Tensor, " n"],
    classes: Sequence[str],
    columns: int = 8,
) -> Image.Image:
    """Return pictures with their class, framed green where the prediction is right, red with both names where not.

    Args:
        images: sRGB, 0 to 255, (N, H, W, 3).
        labels: (N,).
        predicted: (N,).
        classes: their names.
        columns: pictures a row.
    """
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=(1.5 * columns, 1.85 * rows), dpi=120)
    grid = np.atleast_1d(figure.subplots(rows, columns)).flatten()
    for panel in grid[len(images) :]:
        panel.axis("off")
    for panel, image, label, guess in zip(grid, images, labels.tolist(), predicted.tolist(), strict=False):
        panel.imshow(image.numpy(), interpolation="nearest" if image.shape[0] < SAMPLE_PX else "auto")
        panel.set(xticks=[], yticks=[])
        colour = RIGHT if label == guess else WRONG
        for spine in panel.spines.values():
            spine.set(color=colour, linewidth=3)
        title = classes[label] if label == guess else f"{classes[guess]}\n(is {classes[label]})"
        panel.set_xlabel(title, color=colour, fontsize=8, labelpad=4)
    figure.tight_layout(pad=0.6)
    return drawn(figure)


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


def taps_figure(values: Mapping[str, float], taps: Sequence[str], names: Sequence[str]) -> Image.Image:
    """Return a panel for each measure, over the taps in order of depth; dashed what a random network has.

    Args:
        values: by tag, `extractor/<name>/<tap>` and, where it was measured, `random/<name>/<tap>`.
        taps: the horizontal axis.
        names: measures without prefix.
    """
    columns = math.ceil(len(names) / 2)
    figure = Figure(figsize=(3.4 * columns, 6), dpi=110, layout="constrained")
    panels = figure.subplots(2, columns, squeeze=False)
    for panel in panels.flat[len(names) :]:
        panel.axis("off")
    for panel, name in zip(panels.flat, names, strict=False):
        for prefix, style in (("random", {"color": "grey", "ls": "--"}), ("extractor", {"color": TRAINED})):
            if f"{prefix}/{name}/{taps[0]}" in values:
                panel.plot(taps, [values[f"{prefix}/{name}/{tap}"] for tap in taps], marker="o", label=prefix, **style)
        panel.set_title(name, loc="left")
        panel.margins(y=0.15)
        panel.set_ylim(bottom=0)
        panel.tick_params(axis="x", rotation=90)
        panel.grid(alpha=0.3)
    panels[0, 0].legend(frameon=False)
    return drawn(figure)


def filter_figure(network: nn.Module) -> Image.Image | None:
    """Return the filters of the first convolution as colours around grey, each scaled by itself.

    None where no convolution takes the three colours.
    """
    found = (module for module in network.modules() if isinstance(module, nn.Conv2d) and module.weight.shape[1] == 3)
    first = next(found, None)
    if first is None:
        return None
    weight = first.weight.detach().float().cpu()  # (c, 3, k, k)
    largest = weight.abs().amax(dim=(1, 2, 3), keepdim=True)
    coloured = 0.5 + 0.5 * weight / torch.where(largest > 0, largest, 1)
    columns = FILTERS_A_ROW if len(coloured) > 2 * FILTERS_A_ROW else FILTERS_A_ROW // 2
    rows = math.ceil(len(coloured) / columns)
    side = coloured.shape[-1]
    zoom = max(1, FILTER_PX // side)
    sheet = torch.ones(3, rows * (side * zoom + 4) + 4, columns * (side * zoom + 4) + 4)
    for number, tile in enumerate(coloured.repeat_interleave(zoom, 2).repeat_interleave(zoom, 3)):
        top, left = (4 + (side * zoom + 4) * place for place in divmod(number, columns))
        sheet[:, top : top + side * zoom, left : left + side * zoom] = tile
    return Image.fromarray(sheet.mul(255).round().byte().permute(1, 2, 0).numpy())


def drawn(figure: Figure) -> Image.Image:
    """Return a figure as a picture, without a window or pyplot's global list of figures."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
