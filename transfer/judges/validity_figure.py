"""What a human looks at: AUC of every judge against every kind of fraud, and the cases themselves on one sheet."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from nstkit.pictures import to_picture
from transfer.judges.cases import KINDS, Case
from transfer.judges.validity import Validity

COLOURS = {True: "#2a9d4a", False: "#d1383d", None: "#8a8a8a"}
SIGNS = {True: "✓", False: "✗", None: "?"}
TILE_PX = 144
CAPTION_PX = 18
COLUMNS = 10


def validity_figure(table: Mapping[str, Validity]) -> Image.Image:
    """Return the AUC of each judge (row) against each kind of fraud (column), the trusted ones marked.

    0.5 is chance, below it the judge prefers the fraud. Left of the frauds stands the mean with its 95 % interval,
    right of them the rank correlation with the dose of style and the change by exposure and size. An empty cell is a
    question that the judge was not asked.

    Args:
        table: by the judge's name.
    """
    judges = sorted(table.values(), key=lambda judge: (judge.aspect, -judge.auc if judge.auc == judge.auc else 9))
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
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def case_sheet(cases: Sequence[Case]) -> Image.Image:
    """Return every case as a small picture with its kind below; green = has the style, red = a fraud, grey = neither.

    A block a pair: its style first, the cases as they are, then the series of doses. Exposures and sizes are left out.
    """
    blocks = []
    for pair in dict.fromkeys(case.pair for case in cases):
        own = [case for case in cases if case.pair == pair]
        tiles = [_tile(to_picture(own[0].style), f"style of {pair}", "#000000")]
        for case in own:
            if case.series in ("exposure", "size"):
                continue
            dose = f" {case.series.removeprefix('dose/')} {case.amount:g}" if case.series else ""
            caption = dose.strip() if case.series == "dose/quilt" else case.kind + dose
            caption += f" by {case.painter}" if case.painter else ""
            colour = COLOURS[None if case.series else case.expected("style")]
            tiles.append(_tile(to_picture(case.picture), caption, colour))
        blocks.append(_grid(tiles))
    sheet = Image.new("RGB", (blocks[0].width, sum(block.height + CAPTION_PX for block in blocks)), "white")
    top = 0
    for block in blocks:
        sheet.paste(block, (0, top))
        top += block.height + CAPTION_PX
    return sheet


def _tile(picture: Image.Image, caption: str, colour: str) -> Image.Image:
    tile = Image.new("RGB", (TILE_PX, TILE_PX + CAPTION_PX), "white")
    picture.thumbnail((TILE_PX - 8, TILE_PX - 8), Image.Resampling.LANCZOS)
    left, top = (TILE_PX - picture.width) // 2, TILE_PX - 4 - picture.height
    draw = ImageDraw.Draw(tile)
    draw.rectangle((left - 3, top - 3, left + picture.width + 2, top + picture.height + 2), fill=colour)
    tile.paste(picture, (left, top))
    draw.text((TILE_PX // 2, TILE_PX), caption[:28], fill=colour, font=ImageFont.load_default(10), anchor="ma")
    return tile


def _grid(tiles: Sequence[Image.Image]) -> Image.Image:
    rows = math.ceil(len(tiles) / COLUMNS)
    grid = Image.new("RGB", (COLUMNS * TILE_PX, rows * (TILE_PX + CAPTION_PX)), "white")
    for number, tile in enumerate(tiles):
        row, column = divmod(number, COLUMNS)
        grid.paste(tile, (column * TILE_PX, row * (TILE_PX + CAPTION_PX)))
    return grid
