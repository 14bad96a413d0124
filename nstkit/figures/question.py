"""The kit's question as one picture: extractor quality against judged style, a point for each network of all runs.

It lies in RUNS_DIR/answer/ and stands first in TensorBoard. A network's style is the mean over its paintings, of
which the bar shows the lowest and the highest; its quality is what was measured last.
"""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

QUALITY, STYLE = "extractor/probe", "judge/style"
FOLDER, TAG = "answer", "answer/quality_against_style"
INK, QUIET = "#2457a6", "#8a8a8a"
NAMED = 6  # networks without a quality that are named
TAIL_BYTES = 2**14  # of a run's metrics, whose last line is its row


@dataclass(frozen=True)
class Point:
    """A network: its name, its quality (None where it was never measured), and the judged style of its paintings."""

    name: str
    quality: float | None
    styles: tuple[float, ...]


def read_rows(runs_dir: Path) -> list[dict[str, Any]]:
    """Return the row of the table of each finished run, `settings` and `measures`, the oldest run first."""
    rows = []
    files = [path for path in runs_dir.glob("*/*/metrics.jsonl") if path.parent.parent.name != FOLDER]
    for path in sorted(files, key=lambda path: path.stat().st_mtime):
        with path.open("rb") as file:
            file.seek(max(0, os.path.getsize(path) - TAIL_BYTES))
            lines = file.read().splitlines()
        try:
            row = json.loads(lines[-1])
        except (ValueError, IndexError):  # of a run that is at work or was killed
            continue
        if isinstance(row, dict) and {"settings", "measures"} <= row.keys():
            rows.append({**row, "styles": read_styles(path.with_name("results.csv"))})
    return rows


def read_styles(results: Path) -> list[float]:
    """Return the judged style of each pair of a run, none where there is no such file."""
    if not results.is_file():
        return []
    with results.open(newline="", encoding="utf-8", errors="replace") as file:
        return [float(pair[STYLE]) for pair in csv.DictReader(file) if pair.get(STYLE)]


def points_of(rows: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Return a point for each network that painted, in the order of their names."""
    qualities: dict[str, float] = {}
    styles: dict[str, list[float]] = {}
    for row in rows:
        name, measures = str(row["settings"].get("backbone")), row["measures"]
        if QUALITY in measures:
            qualities[name] = measures[QUALITY]
        if STYLE in measures:
            styles.setdefault(name, []).extend(row.get("styles") or [measures[STYLE]])
    return [Point(name, qualities.get(name), tuple(values)) for name, values in sorted(styles.items())]


def question_figure(points: Sequence[Point]) -> "Image.Image":
    """Return the picture: a point for each network that has a quality, named, and those that have none below.

    Args:
        points: of which at least one has a quality.
    """
    from matplotlib.figure import Figure  # which most runs end without

    from nstkit.figures.compose import drawn

    known = [(point.quality, point) for point in points if point.quality is not None]
    figure = Figure(figsize=(9, 5.6), dpi=110, layout="constrained")
    plot = figure.subplots()
    for quality, point in known:
        mean = sum(point.styles) / len(point.styles)
        plot.vlines(quality, min(point.styles), max(point.styles), color=INK, alpha=0.45, lw=2)
        plot.plot(quality, mean, "o", color=INK)
        count = f" ({len(point.styles)})" if len(point.styles) > 1 else ""
        plot.annotate(point.name + count, (quality, mean), (7, 4), textcoords="offset points", fontsize=9)
    plot.set_title("Does a better feature extractor paint a better picture?", loc="left", fontsize=12)
    plot.set_xlabel("extractor/probe: classes told apart by a linear probe of the style layers, higher is better")
    plot.set_ylabel("judge/style: 0 frauds, 1 good pictures")
    plot.margins(x=0.15, y=0.12)
    plot.grid(alpha=0.3)
    notes = ["mean of each network's paintings (how many), bar from the lowest to the highest"]
    if without := [point.name for point in points if point.quality is None]:
        more = f" and {len(without) - NAMED} more" if len(without) > NAMED else ""
        notes.append(f"not measured (python -m nstkit.quality): {', '.join(without[:NAMED])}{more}")
    figure.supxlabel("\n".join(notes), fontsize=8, color=QUIET, x=0.02, ha="left")
    return drawn(figure)


def show_question(runs_dir: Path) -> None:
    """Draw the picture anew from all runs; nothing where fewer than two networks have both values."""
    points = points_of(read_rows(runs_dir))
    if sum(point.quality is not None for point in points) < 2:
        return
    from torch.utils.tensorboard import SummaryWriter

    from nstkit.pictures.save import save_picture
    from nstkit.pictures.tensors import to_tensor

    picture = question_figure(points)
    save_picture(picture, runs_dir / FOLDER / "quality_against_style.png")
    with SummaryWriter(str(runs_dir / FOLDER)) as writer:
        writer.add_image(TAG, to_tensor(picture)[0], sum(len(point.styles) for point in points))
