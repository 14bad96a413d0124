"""The grid painted, cell by cell: skipped where it is finished, judged by the same judges, laid out on one sheet."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.batchnorm import settled
from nstkit.backbones.spec import BackboneSpec
from nstkit.bars import Seldom, open_bar, say
from nstkit.config import Device
from nstkit.errors import UserError, printable, too_little_memory
from nstkit.figures.compose import Tile, contact_sheet
from nstkit.files import write_csv, write_text
from nstkit.hardware import choose_device
from nstkit.interruption import uninterrupted
from nstkit.pictures.read import read_picture
from nstkit.pictures.save import save_picture
from nstkit.pictures.tensors import shrink, to_picture, to_tensor
from nstkit.runs import Run
from transfer.jobs.crew import open_crew
from transfer.jobs.easel import Easel
from transfer.jobs.job import Job
from transfer.jobs.store import JOB, Store
from transfer.jobs.work import Lost
from transfer.judges.panel import JUDGE_PX, Panel, load_panel
from transfer.painting.loop import Painting, Step
from transfer.painting.losses.objective import Objective
from transfer.painting.scene import Scene
from transfer.painting.settings import LossSettings
from transfer.pairs import read_by_name
from transfer.study.cells import Row, about, key_of, named
from transfer.study.config import StudyConfig

Value = TypeVar("Value")

TRACED_STEPS = (10, 25, 50, 75, 100, 150, 200, 300)  # after which the cost of the canvas is noted
COST = LossSettings(content_weight=1.0, style_weight=10.0, tv_weight=0.0)  # what all cells are compared by
GAP_PX = 8  # between the pictures of the sheet
FAILED_PX = 64  # side of the blank tile of a cell that could not be painted


def run_grid(
    run: Run, cells: list[Job], config: StudyConfig, device: Device, columns: Mapping[str, Row] | None = None
) -> list[Row]:
    """Paint, judge and keep every cell that is not finished; return the rows of all, in order.

    Args:
        run: open, in the study's folder.
        cells: those of one network together.
        config: of the study.
        device: that was asked for; every worker finds its own.
        columns: what the rows say of a network besides, by its label.
    """
    store = Store(run.folder / "cells")
    keys = [key_of(cell, config.judging) for cell in cells]
    rows: dict[int, Row] = {}
    tiles: dict[int, Tile] = {}
    seldom = Seldom()

    def take(position: int, row: Row, picture: Image.Image, note: str = "") -> None:
        # Which may have changed since it was painted.
        row = {**row, **named(cells[position]), **(columns or {}).get(cells[position].spec.label, {})}
        say(f"[{len(rows) + 1}/{len(cells)}] {printable(describe(row))}{note}")
        run.log(position + 1, {name: value for name, value in row.items() if "/" in name and value is not None})
        rows[position], tiles[position] = row, Tile(picture, captions(row))
        # What holds lists, such as the trace, stays in the cells' own files.
        plain = [{name: value for name, value in row.items() if not isinstance(value, list)} for row in in_order(rows)]
        write_csv(run.folder / "results.csv", plain)
        seldom.do(lay_out)

    def lay_out() -> None:
        sheet = contact_sheet(in_order(tiles), config.grid.columns, gap_px=GAP_PX, margin_px=GAP_PX)
        save_picture(sheet, run.folder / "sheet.png")
        run.show_picture("image/sheet", to_tensor(sheet), len(tiles))

    waiting = []
    try:
        for position, key in enumerate(keys):
            if (kept := store.find(key, key)) is None:
                waiting.append(position)
            else:
                row = {name: value for name, value in kept.items() if name != JOB}
                take(position, row, read_picture(store.path(key)), "  (finished before)")
        bar = open_bar(len(cells), "study", "cells", is_quiet=config.run.quiet, initial=len(rows))
        with bar, open_crew(partial(Painter, config, device), config.working, device) as crew:
            for place, outcome in crew.work([cells[position] for position in waiting]):
                position = waiting[place]
                row, picture = failed(cells[position], outcome.reason) if isinstance(outcome, Lost) else outcome
                if "error" not in row:
                    store.keep(keys[position], keys[position], row, picture)
                    write_text(store.folder / f"{keys[position]}.json", json.dumps(row, indent=1))
                take(position, row, picture)
                bar.update()
    finally:
        with uninterrupted():
            if tiles:
                lay_out()
    return in_order(rows)


def in_order(values: Mapping[int, Value]) -> list[Value]:
    """Return values in the order of their cells, which may come in any."""
    return [values[position] for position in sorted(values)]


def failed(cell: Job, reason: str) -> tuple[Row, Image.Image]:
    """Return the row of a cell that could not be painted, and a blank picture."""
    return {**about(cell), "error": reason}, Image.new("RGB", (FAILED_PX, FAILED_PX), "white")


class Painter:
    """Paints cells; keeps the last network and its judges loaded."""

    def __init__(self, config: StudyConfig, device: Device) -> None:
        self._judging, self._easel = config.judging, Easel(choose_device(device))
        self._panel: tuple[tuple[BackboneSpec, int], Panel] | None = None

    def __call__(self, cell: Job) -> tuple[Row, Image.Image]:
        """Return what was measured of a cell, and its picture; the reason under `error` where it cannot be painted."""
        row: Row = about(cell)
        try:
            with too_little_memory(f"too little memory for {cell.size_px} px. Give a smaller --size or network."):
                ready = self._easel.ready(cell)
                row |= ready.choice.settings
                row["style_weight"] = ready.settings.losses.style_weight
                scene = self._easel.scene(cell)  # only now: it may be what does not fit
                cost_of = build_cost(ready.backbone, scene)
                trace: list[tuple[int, float, float]] = []

                def note(step: Step) -> None:
                    if step.number in TRACED_STEPS and step.canvas.shape == scene.frame.shape:
                        trace.append((step.number, round(step.time_s, 2), round(cost_of(step.canvas), 4)))

                painting = self._easel.paint(cell, ready, scene, note)
        except UserError as error:
            _, blank = failed(cell, str(error))
            return {**row, "error": str(error)}, blank
        row |= measure(painting, scene, cost_of) | {"trace": trace} | self._judge(cell, scene, painting)
        return row, to_picture(painting.image)

    def _judge(self, cell: Job, scene: Scene, painting: Painting) -> Row:
        """Return every judge's value, none for `--judge none` or a picture that is too narrow."""
        if self._judging.judge == ("none",) or scene.content is None or scene.style is None:
            return {}
        wanted = (cell.spec, cell.size_px)
        if self._panel is None or self._panel[0] != wanted:
            others = read_by_name(self._judging.judge_style, cell.size_px)
            styles = {name: shrink(to_tensor(picture, cell.size_px), JUDGE_PX) for name, picture in others.items()}
            device = self._easel.device
            self._panel = (wanted, load_panel(self._judging.judge, painter=cell.spec, device=device, styles=styles))
        try:
            with too_little_memory("too little memory"):
                return dict(self._panel[1].judge(painting.image, scene.content, scene.style))
        except (ValueError, UserError) as error:
            return {"not judged": str(error)}


def measure(painting: Painting, scene: Scene, cost_of: Callable[[Tensor], float]) -> Row:
    """Return time, losses, and how far the picture is from flat and from the content."""
    image = painting.image
    losses = {tag: painting.scalars[tag] for tag in ("loss/total", "loss/style", "loss/content")}
    change = None if scene.content is None else float((image - scene.content).abs().mean())
    effort = {"time_s": painting.time_s, "step": painting.number}
    return {**effort, **losses, "cost": cost_of(image), "deviation": float(image.std()), "change": change}


def build_cost(backbone: Backbone, scene: Scene) -> Callable[[Float[Tensor, "1 3 h w"]], float]:
    """Return the function of a picture by which all variants are compared, whatever each of them optimises.

    It is the relative loss with content 1 and style 10, without total variation, at full size, in float32 on every
    machine.
    """
    objective = Objective(settled(backbone, scene.pictures), scene, COST, "fp32")

    @torch.no_grad()
    def cost_of(image: Tensor) -> float:
        return float(objective(image.contiguous())["loss/total"])

    return cost_of


def describe(row: Row) -> str:
    """Return a line about a cell for the screen."""
    about = f"{row['backbone']} {row['content']} x {row['style']} {row['size_px']} px {row['variant']}"
    about += f" style weight {row['style_weight']:g} seed {row['seed']}" if row["style_weight"] is not None else ""
    if "error" in row:
        return f"{about}: {row['error']}"
    judged = "".join(f"  {name} {row[f'judge/{name}']:.3f}" for name in ("style", "content") if f"judge/{name}" in row)
    return f"{about}: style loss {row['loss/style']:.3g}  cost {row['cost']:.3g}  {row['time_s']:.1f} s{judged}"


def captions(row: Row) -> tuple[str, ...]:
    """Return the lines under a picture on the sheet."""
    lines = [f"{row['backbone']} {row['size_px']} px", f"{row['content']} x {row['style']}", row["variant"]]
    if "error" in row:
        return (*lines, row["error"])
    lines[2] += f" sw {row['style_weight']:g} seed {row['seed']}"
    names = (("loss/style", "loss"), ("judge/style", "style"), ("judge/content", "content"))
    return (*lines, " ".join(f"{short} {row[name]:.3f}" for name, short in names if name in row))
