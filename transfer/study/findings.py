"""What the report shows as tables: rows of short texts, alike for the page and for Markdown."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from transfer.study.analysis import Analysis
from transfer.study.config import QuestionSettings


@dataclass(frozen=True)
class Grid:
    """A table of short texts.

    Attributes:
        title: of it.
        about: what it says, in a sentence.
        columns: their names.
        rows: of cells.
    """

    title: str
    about: str
    columns: list[str]
    rows: list[list[str]]


def primary_grid(analysis: Analysis, question: QuestionSettings) -> Grid:
    """Return the registered test with what checks it."""
    rows = []
    if (found := analysis.primary) is not None:
        rows = [
            ["mean slope", f"{found.mean:+.4f}"],
            [f"{1 - question.alpha:.0%} interval (t, {found.count} seeds)", f"{found.low:+.4f} to {found.high:+.4f}"],
            ["p, two-sided", digits(found.p)],
            [f"p of two one-sided tests within ±{question.margin:g}", digits(analysis.equivalence_p)],
            ["deviation of the slopes", digits(found.sd)],
        ]
    if (spread := analysis.bootstrap) is not None:
        left_out = f", {spread.failed:.0%} of the draws without a slope" if spread.failed else ""
        rows.append(
            ["crossed bootstrap (seeds, contents, styles)", f"{spread.low:+.4f} to {spread.high:+.4f}{left_out}"]
        )
    if (control := analysis.placebo) is not None:
        about = f"{control.rate:.1%} of {control.replicates} permutations are significant"
        rows += [["placebo: false alarms", about], ["p by permutation", digits(control.p)]]
    censored, count = analysis.censored
    rows.append(["networks of the first arm that do not reach the level", f"{censored} of {count}"])
    rows.append(["network x pair that reach it", f"{analysis.pairs_reached:.0%}"])
    return Grid("The registered test", "A slope a training seed, tested over seeds.", ["", ""], rows)


def secondary_grid(analysis: Analysis) -> Grid:
    """Return the tests beside the registered one, with p values adjusted for their number."""
    rows = []
    if (bend := analysis.bend) is not None:
        found = f"slope {bend.first:+.3f} below {bend.at:.2f}, {bend.second:+.3f} above"
        rows.append(["inverted U (two lines)", found, digits(analysis.secondary.get("inverted U", math.nan))])
    for each in analysis.beside:
        about = f"{each.off:+.3f}" if math.isfinite(each.off) else "nothing to compare with"
        if each.test is not None:
            about += f" ({each.test.low:+.3f} to {each.test.high:+.3f})"
        name = f"{each.arm} off the line"
        about += f", {each.reached} of {each.count} networks reach the level"
        rows.append([name, about, digits(analysis.secondary.get(name, math.nan))])
    about = "How far other arms lie off the line of the first one at their own quality. p after Holm."
    return Grid("Beside it", about, ["test", "found", "p"], rows)


def variance_grid(analysis: Analysis) -> Grid:
    """Return what the variance of network x pair comes from."""
    known = {name: value for name, value in analysis.components.items() if math.isfinite(value)}
    total = sum(max(value, 0.0) for value in known.values())
    rows = [
        [name, digits(math.sqrt(max(known[name], 0.0))), f"{max(known[name], 0.0) / total:.0%}" if total else ""]
        if name in known
        else [name, "not separable here", ""]
        for name in analysis.components
    ]
    about = "Of the outcome at the level, network by network and pair by pair. 0 where it cannot be told from none."
    return Grid("Where the variance comes from", about, ["source", "deviation", "share"], rows)


def network_grid(analysis: Analysis) -> Grid:
    """Return every network with its quality and what it paints."""
    weights = [f"content, outcome at {weight:g}" for weight in analysis.table.weights]
    rows = [
        [
            network.label,
            network.arm,
            "" if network.seed is None else str(network.seed),
            digits(network.epoch),
            digits(network.quality),
            digits(analysis.quality[place]),
            digits(analysis.matched[place]),
            *(f"{a:.3f}, {b:.3f}" for a, b in np.stack([front[place] for front in analysis.front], axis=1)),
        ]
        for place, network in enumerate(analysis.table.networks)
    ]
    columns = ["network", "arm", "seed", "epoch", "quality", "scaled", "at the level", *weights]
    about = "A click on a column sorts by it. An empty cell was not measured, or does not reach the level."
    return Grid("Networks", about, columns, rows)


def replicate_grid(others: Sequence[Analysis], question: QuestionSettings) -> Grid:
    """Return the registered slope with other painters: variants, sizes, seeds of the painter."""
    rows = []
    for each in others:
        about = each.table.about
        size = about["size_px"]
        name = f"{about['variant']}, {size:g} px" if isinstance(size, float) else str(about["variant"])
        found = each.primary
        slope = "" if found is None else f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
        rows.append([name, digits(about["seed"]), slope, "" if found is None else str(found.count), f"{each.level:g}"])
    columns = ["painter", "seed", f"slope of {question.outcome}", "seeds", "level"]
    return Grid("With other painters", "The same test on pictures painted otherwise.", columns, rows)


def left_out_grid(rows: Sequence[Mapping[str, Any]], analysis: Analysis) -> Grid:
    """Return what is not in the answer, and why."""
    reasons: dict[str, int] = {}
    for row in rows:
        for column in ("error", "not judged"):
            if row.get(column):
                reasons[str(row[column])] = reasons.get(str(row[column]), 0) + 1
    found = [[f"{count} of {len(rows)} pictures", reason] for reason, count in reasons.items()]
    censored = [analysis.table.networks[place].label for place in np.flatnonzero(np.isnan(analysis.matched))]
    if censored:
        names = ", ".join(censored[:8]) + (", ..." if len(censored) > 8 else "")
        found.append(
            [f"{len(censored)} of {len(analysis.matched)} networks", f"their front does not reach it: {names}"]
        )
    return Grid("What was left out", "Nothing is extrapolated.", ["", ""], found)


def digits(value: Any) -> str:
    """Return a number in three digits, nothing for one that is not known."""
    return f"{value:.3g}" if isinstance(value, (int, float)) and math.isfinite(value) else ""


def as_markdown(grid: Grid) -> str:
    """Return a table as Markdown."""
    lines = [f"## {grid.title}", "", grid.about, ""]
    if not grid.rows:
        return "\n".join([*lines, "Nothing.", ""])
    cells = [grid.columns, ["---"] * len(grid.columns), *grid.rows]
    return "\n".join([*lines, *("| " + " | ".join(text.replace("|", "/") for text in row) + " |" for row in cells), ""])
