"""Figures of a study: quality against style at the same content, the slopes, the fronts."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from nstkit.figures.compose import drawn
from transfer.study.analysis import Analysis, by_seed, line_of
from transfer.study.config import QuestionSettings

INK, MEAN, QUIET = "#1c1c1c", "#b3261e", "#8a8a8a"
MARKERS = "sD^vPX*<>h"
SEED_COLOURS = colormaps["viridis"]
WIDTH_IN, HEIGHT_IN, DPI = 8.4, 5.0, 120


def trajectory_figure(analysis: Analysis, question: QuestionSettings) -> Image.Image:
    """Return quality against outcome at the level: a line a seed, other arms as marks off the line."""
    figure, axes = _begin()
    networks, matched = analysis.table.networks, analysis.matched
    grid, quality = by_seed(analysis.table), analysis.quality
    for number, (seed, places) in enumerate(grid.items()):
        colour = SEED_COLOURS(0.1 + 0.75 * number / max(1, len(grid) - 1))
        axes.plot(quality[places], matched[places], "o-", color=colour, lw=1, ms=4, label=f"seed {seed}")
    lines = line_of(grid, analysis.slopes, quality, matched)
    if lines:
        start, rise = np.mean(list(lines.values()), axis=0)
        ends = np.array([0.0, 1.0])
        axes.plot(ends, start + rise * ends, color=MEAN, lw=2.2, label="mean of the slopes")
    others = dict.fromkeys(network.arm for network in networks if network.arm != networks[0].arm)
    for marker, arm in zip(MARKERS * len(others), others, strict=False):
        places = [place for place, network in enumerate(networks) if network.arm == arm]
        axes.plot(quality[places], matched[places], label=arm, marker=marker, ls="", ms=7, mec=INK, mew=0.7)
    axes.set(
        xlabel=f"{question.quality}: 0 = first stage, 1 = best network of the arm",
        ylabel=f"{question.outcome} at {question.matched_by} {analysis.level:g}",
    )
    _legend(axes)
    return drawn(figure)


def slope_figure(analysis: Analysis, question: QuestionSettings) -> Image.Image:
    """Return the slope of each seed, their mean with its interval, and the margin."""
    figure, axes = _begin(0.6)
    axes.axvspan(-question.margin, question.margin, color="#eceff4", label=f"margin ±{question.margin:g}")
    axes.axvline(0, color=QUIET, lw=1)
    for place, value in enumerate(analysis.slopes.values()):
        axes.plot(value, place, "o", color=INK, ms=5)
    names, count = [f"seed {seed}" for seed in analysis.slopes], len(analysis.slopes)
    if (found := analysis.primary) is not None:
        axes.plot([found.low, found.high], [count, count], color=MEAN, lw=2.2)
        axes.plot(found.mean, count, "D", color=MEAN, ms=7, label=f"mean, {1 - question.alpha:.0%} interval")
        names.append("mean")
    if (spread := analysis.bootstrap) is not None and np.isfinite(spread.low):
        axes.plot([spread.low, spread.high], [count + 1, count + 1], color=QUIET, lw=2.2)
        names.append("bootstrap over seeds,\ncontents and styles")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel=f"{question.outcome}, from a random to the best network")
    _legend(axes)
    return drawn(figure)


def front_figure(analysis: Analysis, question: QuestionSettings) -> Image.Image:
    """Return content against outcome over the style weights: a line a network, coloured by its quality."""
    figure, axes = _begin()
    colours = colormaps["plasma"]
    for place, network in enumerate(analysis.table.networks):
        content, style = (values[place] for values in analysis.front)
        share = analysis.quality[place]
        colour = colours(0.05 + 0.85 * float(np.clip(share, 0, 1))) if np.isfinite(share) else QUIET
        is_first = network.arm == analysis.table.networks[0].arm
        axes.plot(content, style, "o-" if is_first else "s--", color=colour, lw=0.9, ms=3)
    axes.axvline(analysis.level, color=MEAN, lw=1.2, label=f"level {analysis.level:g}")
    shown = axes.scatter([], [], c=[], cmap=colours, vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes, label="quality: 0 = first stage, 1 = best")
    axes.set(xlabel=question.matched_by, ylabel=question.outcome)
    _legend(axes)
    return drawn(figure)


def _begin(height: float = 1.0) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH_IN, height * HEIGHT_IN), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(axes: Axes) -> None:
    """Put the legend beside the axes, where it hides nothing."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8)
