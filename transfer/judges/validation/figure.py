"""What a human looks at: AUC of every judge against every kind of fraud, and the cases themselves on one sheet."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from nstkit.figures.compose import Tile, contact_sheet, drawn
from nstkit.pictures.tensors import to_picture
from transfer.judges.trust import Validity, ranked
from transfer.judges.validation.cases import KINDS, Case

COLOURS = {True: "#2a9d4a", False: "#d1383d", None: "#8a8a8a"}
SIGNS = {True: "✓", False: "✗", None: "?"}
PICTURE_PX = 136  # longer side on the sheet of cases
FRAME_PX = 3
CAPTION_PX = 16
COLUMNS = 10


def validity_figure(table: Mapping[str, Validity]) -> Image.Image:
    """Return the AUC of each judge (row) against each kind of fraud (column), the trusted ones marked.

    0.5 is chance, below it the judge prefers the fraud. Left of the frauds stands the mean with its 95 % interval,
    right of them the rank correlation with the dose of style and the change by exposure and size. An empty cell is a
    question that the judge was not asked.

    Args:
        table: by the judge's name.
    """
    judges = ranked(table)
    kinds = [kind for kind in KINDS if any(kind in judge.frauds for judge in judges)]
    series = list(dict.fromkeys(name for judge in judges for name in judge.dose))
    changes = list(dict.fromkeys(name for judge in judges for name in judge.changes))
    columns = ["all frauds", *kinds, *(f"dose: {name}" for name in series), *(f"change: {name}" for name in changes)]
    figure = Figure(figsize=(4.2 + 0.62 * len(columns), 2.2 + 0.42 * max(1, len(judges))), dpi=110)
    axes = figure.subplots()
    shades = np.full((len(judges), len(columns)), np.nan)
    for row, judge in enumerate(judges):
        cells = [judge.auc, *(judge.frauds.get(kind, (math.nan,))[0] for kind in kinds)]
        cells += [judge.dose.get(name, math.nan) for name in series]
        cells += [judge.changes.get(name, math.nan) for name in changes]
        shades[row, : 1 + len(kinds)] = cells[: 1 + len(kinds)]
        for column, value in enumerate(cells):
            if math.isnan(value):
                continue
            text = f"{value:.2f}"
            if column == 0 and not math.isnan(judge.low):
                text += f"\n{judge.low:.2f} to {judge.high:.2f}"
            is_weak = column <= len(kinds) and value < 0.5
            size, weight = (6.2 if column == 0 else 7.5), ("bold" if is_weak else "normal")
            axes.text(column, row, text, ha="center", va="center", fontsize=size, fontweight=weight, linespacing=0.95)
    axes.imshow(shades, cmap="RdYlGn", vmin=0, vmax=1, alpha=0.75, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(columns)), columns, rotation=50, ha="left", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(len(judges)), [f"{judge.name}  {SIGNS[judge.is_trusted]}" for judge in judges], fontsize=8)
    for label, judge in zip(axes.get_yticklabels(), judges, strict=True):
        label.set_color(COLOURS[judge.is_trusted])
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    for row in range(1, len(judges)):
        if judges[row].aspect != judges[row - 1].aspect:
            axes.axhline(row - 0.5, color="black", linewidth=1.2)
    axes.axvline(0.5, color="black", linewidth=1.2)
    axes.axvline(len(kinds) + 0.5, color="black", linewidth=1.2)
    axes.spines[:].set_visible(False)
    pairs = max((judge.pairs for judge in judges), default=0)
    note = f"How often a good picture is preferred to a fraud of the same pair (AUC, {pairs} pairs; 0.5 = chance).  "
    figure.text(0.01, 0.01, note + "✓ trusted   ✗ fails   ? no verdict", fontsize=8)
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
            dose = f" {case.series.removeprefix('dose/')} {case.amount:g}" if case.series else ""
            caption = dose.strip() if case.series == "dose/quilt" else case.kind + dose
            caption += f" by {case.painter}" if case.painter else ""
            colour = COLOURS[None if case.series else case.expected("style")]
            tiles.append(Tile(to_picture(case.picture), (caption,), colour))
        block = contact_sheet(
            tiles, COLUMNS, tile_px=PICTURE_PX, frame_px=FRAME_PX, gap_px=2, margin_px=1, line_px=CAPTION_PX
        )
        blocks.append(Tile(block))
    return contact_sheet(blocks, 1, gap_px=CAPTION_PX)
