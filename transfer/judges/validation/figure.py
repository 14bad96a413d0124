"""What a human looks at: AUC of every judge against every kind of fraud, and the cases themselves on one sheet."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from nstkit.figures.compose import Tile, contact_sheet, drawn
from nstkit.pictures.tensors import to_picture
from transfer.judges.trust import MOST_REPEAT_RATIO, Validity, ranked
from transfer.judges.validation.cases import KINDS, Case

COLOURS = {True: "#2a9d4a", False: "#d1383d", None: "#8a8a8a"}
SIGNS = {True: "✓", False: "✗", None: "?"}
PICTURE_PX = 136  # longer side on the sheet of cases
FRAME_PX = 3
CAPTION_PX = 16
COLUMNS = 10


@dataclass(frozen=True)
class Column:
    """A question that every judge was asked.

    Attributes:
        group: of questions, a caption for people.
        label: of the question.
        answer: returns a judge's number; nan where it was not asked.
        shade: returns for a number how good it is, in [0, 1]; nan for one that is neither good nor bad.
    """

    group: str
    label: str
    answer: Callable[[Validity], float]
    shade: Callable[[float], float] = float


def columns_of(judges: Sequence[Validity]) -> list[Column]:
    """Return the questions that at least one of the judges was asked."""
    columns = [
        Column("", "AUC, told kinds", lambda judge: judge.told[0]),
        Column("", "AUC, untold kinds", lambda judge: judge.untold[0]),
    ]
    for group, is_told in (("told", True), ("not told", False)):
        columns += [
            Column(group, kind, partial(_auc_of, kind))
            for kind, about in KINDS.items()
            if (about.told is not None) == is_told
        ]
    for group, series, shade in (
        ("the stronger preferred", "sensitivity", float),
        ("painting over under-stylized", "plain", float),
        ("order of doses", "dose", lambda correlation: 0.5 + 0.5 * correlation),
    ):
        names = dict.fromkeys(name for judge in judges for name in getattr(judge, series))
        columns += [Column(group, name, partial(_entry_of, series, name), shade) for name in names]
    columns.append(Column("again", "repaintings / networks", lambda judge: judge.repeat_ratio, _shade_of_ratio))
    changes = dict.fromkeys(name for judge in judges for name in judge.changes)
    columns += [Column("change", name, partial(_entry_of, "changes", name), lambda _: math.nan) for name in changes]
    return [column for column in columns if not all(math.isnan(column.answer(judge)) for judge in judges)]


def _auc_of(kind: str, judge: Validity) -> float:
    return judge.frauds.get(kind, (math.nan,))[0]


def _shade_of_ratio(ratio: float) -> float:
    """Return 1 for a judge that repeats itself, 0.5 where it just may vote."""
    return max(0.0, 1 - 0.5 * ratio / MOST_REPEAT_RATIO)


def _entry_of(series: str, name: str, judge: Validity) -> float:
    return getattr(judge, series).get(name, math.nan)


def validity_figure(table: Mapping[str, Validity], about: str = "") -> Image.Image:
    """Return what each judge (row) answered to each question (column), the trusted ones marked.

    How often it prefers a good picture to a fraud (AUC), to kinds that it was told of and to others; how often the
    stronger of two paintings; the rank correlation with the dose of style; how much repaintings of one picture differ,
    over what networks differ; and the change by exposure and size. Green is right, an empty cell was not asked.

    Args:
        table: by the judge's name.
        about: what the numbers rest on, for the last line.
    """
    judges = ranked(table)
    columns = columns_of(judges)
    figure = Figure(figsize=(4.2 + 0.48 * len(columns), 2.8 + 0.36 * max(1, len(judges))), dpi=100)
    axes = figure.subplots()
    values = np.array([[column.answer(judge) for column in columns] for judge in judges])
    shades = np.array(
        [
            [math.nan if math.isnan(value) else column.shade(value) for column, value in zip(columns, row, strict=True)]
            for row in values.tolist()
        ]
    )
    for row, column in np.argwhere(~np.isnan(values)):
        text = f"{values[row, column]:.2f}"
        if columns[column].label == "AUC, untold kinds" and not math.isnan(judges[row].untold[1]):
            text += "\n{1:.2f} to {2:.2f}".format(*judges[row].untold)
        is_weak = shades[row, column] < 0.5
        size, weight = (4.8 if "\n" in text else 7), ("bold" if is_weak else "normal")
        axes.text(column, row, text, ha="center", va="center", fontsize=size, fontweight=weight, linespacing=0.95)
    axes.imshow(shades, cmap="RdYlGn", vmin=0, vmax=1, alpha=0.75, aspect="auto", interpolation="nearest")
    labels = [column.label for column in columns]
    axes.set_xticks(range(len(columns)), labels, rotation=50, ha="left", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(len(judges)), [f"{judge.name}  {SIGNS[judge.is_trusted]}" for judge in judges], fontsize=8)
    for label, judge in zip(axes.get_yticklabels(), judges, strict=True):
        label.set_color(COLOURS[judge.is_trusted])
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    for row in range(1, len(judges)):
        if judges[row].aspect != judges[row - 1].aspect:
            axes.axhline(row - 0.5, color="black", linewidth=1.2)
    for group, members in itertools.groupby(range(len(columns)), lambda index: columns[index].group):
        first, *_, last = [*members] * 2
        axes.axvline(last + 0.5, color="black", linewidth=1.2)
        axes.text((first + last) / 2, len(judges) - 0.4, group, ha="center", va="top", fontsize=7, wrap=True)
    axes.spines[:].set_visible(False)
    pairs = max((judge.pairs for judge in judges), default=0)
    note = f"{pairs} pairs; AUC and preferences: 0.5 = chance.   ✓ trusted   ✗ fails   ? no verdict.   {about}"
    figure.text(0.01, 0.01, note, fontsize=8)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    return drawn(figure)


def case_sheet(cases: Sequence[Case]) -> Image.Image:
    """Return every case as a small picture with its kind below; green = has the style, red = a fraud, grey = neither.

    A block a pair: its style first, the cases as they are, then the series of doses. Exposures and sizes are left out.
    """
    blocks = []
    for pair in dict.fromkeys(case.pair for case in cases):
        of_pair = [case for case in cases if case.pair == pair]
        tiles = [Tile(to_picture(of_pair[0].style), (f"style of {pair}",))]
        for case in of_pair:
            if case.series in ("exposure", "size"):
                continue
            lines = (_caption(case), f"by {case.painter}") if case.painter else (_caption(case),)
            colour = COLOURS[None if case.series else case.expected("style")]
            tiles.append(Tile(to_picture(case.picture), lines, colour))
        block = contact_sheet(
            tiles, COLUMNS, tile_px=PICTURE_PX, frame_px=FRAME_PX, gap_px=2, margin_px=1, line_px=CAPTION_PX
        )
        blocks.append(Tile(block))
    return contact_sheet(blocks, 1, gap_px=CAPTION_PX)


def _caption(case: Case) -> str:
    """Return the kind, or the step of the series; a repainting is no step."""
    group, _, series = case.series.partition("/")
    return f"{series} {case.amount:g}" if group == "dose" else f"again: {series}" if series else case.kind
