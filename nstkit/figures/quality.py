"""Pictures of what was measured of an extractor: quality layer by layer, confusions, predictions."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int64, UInt8
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from nstkit.figures.compose import drawn

RIGHT, WRONG = "#2a9d4a", "#d1383d"
TRAINED = "#7b2d8b"
LABELLED_CLASSES = 30  # more names than this along an axis cannot be read
TOP_PAIRS = 20
SAMPLE_PX = 128  # side of a picture on the sheets, dots


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
