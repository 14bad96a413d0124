"""What paintings become: pictures, metrics, TensorBoard, a progress bar, results.csv and the row of the table."""

import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.bars import open_bar
from nstkit.config import settings_of
from nstkit.files import write_csv
from nstkit.interruption import Interruption
from nstkit.pictures.save import save_picture
from nstkit.pictures.tensors import to_picture, to_tensor
from nstkit.runs import MEASURE_KEYS, Run
from nstkit.settings import known
from transfer.config import TransferConfig
from transfer.judges.identification import STYLE
from transfer.judges.panel import Panel
from transfer.judges.trust import LEGEND, mark
from transfer.painting.loop import Painting, Step
from transfer.painting.scene import Scene
from transfer.painting.settings import STEPS, UNLIMITED_STEPS
from transfer.pairs import Pair, output_path
from transfer.progress import Progress

if TYPE_CHECKING:
    from transfer.overview import Overview

SHEET_PX = 1280  # longer side of a sheet in TensorBoard
SNAPSHOTS = 10  # canvases shown a pair, spaced evenly in the logarithm of the step: most changes early


class Reporter:
    """Takes the steps and the results of one backbone's pairs.

    Tags of a pair among several begin with its name, so that no two pairs share a curve.
    """

    def __init__(
        self,
        run: Run,
        backbone: Backbone,
        config: TransferConfig,
        pair_count: int,
        interruption: Interruption,
        overview: "Overview | None" = None,
    ) -> None:
        """Take what all pairs share; `overview` is the whole command's, None where it would hold one picture."""
        self._overview = overview
        self._run, self._backbone, self._config, self._pair_count = run, backbone, config, pair_count
        self._interruption = interruption
        steps = known(config.optimization.steps)
        self._total = None if steps == UNLIMITED_STEPS else steps
        self._snapshots = {round((self._total or STEPS) ** (k / (SNAPSHOTS - 1))) for k in range(SNAPSHOTS)}
        self._rows: list[dict[str, float | str]] = []

    def begin(self, pair: Pair, scene: Scene) -> None:
        """Show the two pictures and start the progress bar of a pair."""
        self._prefix = f"{pair.name}/" if self._pair_count > 1 else ""
        if self._pair_count == 1:
            for tag, picture in (("image/content", scene.content), ("image/style", scene.style)):
                if picture is not None:
                    self._run.show_picture(tag, picture)
        self._losses: list[float] = []
        self._size_px = max(scene.size)
        self._progress = Progress(self._run, pair.name, self._config.output)
        self._bar = open_bar(self._total, pair.name, "evaluations", is_quiet=self._config.run.quiet)

    def step(self, step: Step) -> None:
        """Take one evaluation of the loss; raise `KeyboardInterrupt` behind it if an end was asked for."""
        self._run.log(step.number, {f"{self._prefix}{tag}": value for tag, value in step.scalars.items()})
        if step.number in self._snapshots:
            self._run.show_picture(f"{self._prefix}image/canvas", step.canvas, step.number)
            self._run.flush()
        self._progress.step(step)
        self._losses.append(step.scalars["loss/total"])
        kind = "content" if self._config.pictures.mode == "content" else "style"
        self._bar.set_postfix_str(f"{kind} {step.scalars[f'loss/{kind}']:.3g}", refresh=False)
        self._bar.update()
        if self._interruption.is_asked:
            raise KeyboardInterrupt

    def at_scale(self, image: Tensor) -> None:
        """Keep what a scale has come to: a larger one may be more than the memory holds."""
        self._progress.at_scale(image)

    def end(self, pair: Pair, painting: Painting, judged: dict[str, float]) -> Path:
        """Save a painting with its settings inside; return the picture's path."""
        self._bar.close()
        about = {"backbone": self._backbone.label, "settings": settings_of(self._config), "judges": judged}
        texts = {"Software": "nstkit", "nstkit": json.dumps({**about, "losses": painting.scalars})}
        path = self._run.save_picture(f"{pair.name}.png", painting.image, texts)
        self._progress.end(painting, texts)
        out = self._config.pictures.out
        if out is not None:
            path = output_path(out, self._backbone.label, pair)
            save_picture(painting.image, path, texts)
        self._run.show_picture(f"{self._prefix}image/result", painting.image, painting.number)
        if painting.facts:
            facts = {f"{self._prefix}tap/{name}": value for name, value in painting.facts.items()}
            self._run.log(painting.number, facts)
        # Of a single pair those of the table's columns are logged with the run's row.
        logged = {tag: value for tag, value in judged.items() if self._pair_count > 1 or tag not in MEASURE_KEYS}
        if logged:
            self._run.log(painting.number, {f"{self._prefix}{tag}": value for tag, value in logged.items()})
            self._run.show_text(f"{self._prefix}judges", judges_table(judged), painting.number)
        losses = {tag: painting.scalars[tag] for tag in ("loss/total", "loss/style", "loss/content")}
        if self._overview is not None:
            picture, label = to_picture(painting.image), self._backbone.label
            self._overview.add(picture, label, pair.name, path, self._losses, {**losses, **judged})
        names = {"content": pair.content_name, "style": pair.style_name, "picture": str(path)}
        effort = {"step": painting.number, "time_s": round(painting.time_s, 3)}
        self._rows.append({**names, **effort, **losses, **judged})
        write_csv(self._run.folder / "results.csv", self._rows)  # a picture may be too narrow for the judges
        return path

    def show_inside(self, sheets: Iterable[tuple[str, Image.Image]]) -> None:
        """Show what the network saw, by tag."""
        for tag, sheet in sheets:
            self._run.show_picture(tag, to_tensor(sheet), longer_px=SHEET_PX)

    def close(self) -> None:
        """Write sheet and page so far, and this run's row of the table: medians over its pairs."""
        if self._overview is not None:
            page = self._run.folder / "index.html"
            self._overview.write_page(page)
            print(f"page:    {page}")
            sheet = self._overview.draw_sheet()
            save_picture(sheet, self._run.folder / "sheet.png")
            self._run.show_picture("image/sheet", to_tensor(sheet), longer_px=SHEET_PX)
        config, facts, quality = self._config, self._backbone.facts, self._backbone.quality
        measures = {key: quality[key] for key in MEASURE_KEYS if key in quality}
        for key in MEASURE_KEYS:
            if values := [float(row[key]) for row in self._rows if key in row]:
                measures[key] = statistics.median(values)
        settings = {
            "command": "transfer",
            "backbone": self._backbone.label,
            **{key: facts.get(key) for key in ("arch", "norm", "width", "dataset", "epochs")},
            "lr": config.optimization.lr,
            "content": _one_name(row["content"] for row in self._rows) or None,
            "style": _one_name(row["style"] for row in self._rows) or None,
            "loss": config.losses.loss,
            "statistic": config.losses.statistic,
            "optimizer": config.optimization.optimizer,
            "init": config.optimization.init,
            "style_weight": config.losses.style_weight,
            "size_px": self._size_px,
            "steps": config.optimization.steps,
            "seed": config.run.seed,
            "judged_by": self._judging_networks() or None,
        }
        self._run.compare_by(settings, measures, max(int(row["step"]) for row in self._rows))

    def _judging_networks(self) -> str:
        labels = {name.partition("@")[2] for row in self._rows for name in row if "@" in name}
        return " ".join(sorted(labels))


def judges_table(judged: Mapping[str, float]) -> str:
    """Return the judges' values as a Markdown table, those that failed their test marked."""
    rows = [f"| {mark(name)} | {value:.4g} |" for name, value in judged.items()]
    return "\n".join(["| judge | value |", "|---|---|", *rows, "", LEGEND])


def judges_line(judged: Mapping[str, float], panel: Panel) -> str:
    """Return the judges of the table of runs, and what networks beside the panel say of the style, in one line.

    It says which way is better and which failed their test (!); a dash stands for a network that painted the picture.
    """
    arrows = {measure.name: "↑" if measure.higher_is_better else "↓" for measure in panel.measures}
    beside = [f"{STYLE.name}@{eye.label}" for eye in panel.beside]
    shown = [name for name in (*MEASURE_KEYS, *beside) if name in judged]
    words = [f"{mark(name).removeprefix('judge/')}{arrows[name]} {judged[name]:.3f}" for name in shown]
    return "  ".join([*words, *(f"style@{label} -" for label in panel.absent)])


def _one_name(names: Iterable[float | str]) -> str:
    """Return the name that all share, or how many there are."""
    names = set(names)
    return str(names.pop()) if len(names) == 1 else f"{len(names)} pictures"
