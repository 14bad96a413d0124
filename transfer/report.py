"""What paintings become: pictures, metrics, TensorBoard, a progress bar, results.csv and the row of the table."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.bars import AnyBar, Seldom, open_bar
from nstkit.config import settings_of
from nstkit.embedded import read_texts
from nstkit.figures.question import show_question
from nstkit.files import write_csv
from nstkit.interruption import Interruption
from nstkit.pictures.save import save_picture
from nstkit.pictures.tensors import to_picture, to_tensor
from nstkit.remembered import recall
from nstkit.runs import MEASURE_KEYS, Run
from nstkit.settings import known
from transfer.config import TransferConfig
from transfer.jobs.job import Job
from transfer.jobs.store import Store
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
    """Takes the steps and the results of one backbone's pairs, one pair after the other, in any order.

    A pair among several is a part of the run: in TensorBoard it has the tags of a pair alone, and stands beside it.
    """

    def __init__(
        self,
        run: Run,
        backbone: Backbone,
        config: TransferConfig,
        pairs: Sequence[Pair],
        interruption: Interruption | None = None,
        overview: "Overview | None" = None,
    ) -> None:
        """Take what all pairs share.

        `interruption` is asked after every step; `overview` is the whole command's, None where it would hold one
        picture.
        """
        self._overview = overview
        self._run, self._backbone, self._config, self._pairs = run, backbone, config, pairs
        self._quality = backbone.quality or recall(backbone.network)
        self._interruption = interruption
        steps = known(config.optimization.steps)
        self._total = None if steps == UNLIMITED_STEPS else steps
        self._snapshots = snapshots(self._total)
        self._rows: dict[str, dict[str, float | str]] = {}
        self._seldom = Seldom()
        self._bar: AnyBar | None = None

    @property
    def has_pictures(self) -> bool:
        """Whether there is any picture so far."""
        return bool(self._rows)

    def begin(self, pair: Pair, scene: Scene | None = None) -> None:
        """Begin with a pair; a single one's two pictures are shown, and its evaluations counted."""
        self._part = pair.name if len(self._pairs) > 1 else ""
        if len(self._pairs) == 1 and scene is not None:
            for tag, picture in (("image/content", scene.content), ("image/style", scene.style)):
                if picture is not None:
                    self._run.show_picture(tag, picture)
        self._scene = scene
        self._losses: list[float] = []
        self._progress = Progress(self._run, pair.name, self._config.output)
        if self._bar is None:
            is_quiet = self._config.run.quiet
            if len(self._pairs) == 1:
                self._bar = open_bar(self._total, pair.name, "evaluations", is_quiet=is_quiet)
            else:
                done = len(self._rows)
                self._bar = open_bar(
                    len(self._pairs), self._backbone.label, "pictures", is_quiet=is_quiet, initial=done
                )

    def step(self, step: Step) -> None:
        """Take one evaluation of the loss; raise `KeyboardInterrupt` behind it if an end was asked for."""
        self.log(step)
        if self._interruption is not None and self._interruption.is_asked:
            raise KeyboardInterrupt

    def log(self, step: Step) -> None:
        """Take one evaluation of the loss, which may be long past."""
        self._run.log(step.number, step.scalars, self._part)
        if step.number in self._snapshots:
            self._run.show_picture("image/canvas", step.canvas, step.number, self._part)
            self._run.flush()
        self._progress.step(step)
        self._losses.append(step.scalars["loss/total"])
        kind = "content" if self._config.pictures.mode == "content" else "style"
        if self._bar is not None:
            is_single = len(self._pairs) == 1
            place = "" if is_single else f"{self._part}/{step.number}/{self._total or '?'} "
            self._bar.set_postfix_str(f"{place}{kind} {step.scalars[f'loss/{kind}']:.3g}", refresh=False)
            self._bar.update(1 if is_single else 0)

    def at_scale(self, image: Tensor) -> None:
        """Keep what a scale has come to: a larger one may be more than the memory holds."""
        self._progress.at_scale(image)

    def end(self, job: Job, painting: Painting, judged: Mapping[str, float]) -> Path:
        """Save a painting with its settings inside; return the picture's path.

        One that was interrupted, or is smaller than it should be, is not known again as that of its job.
        """
        pair = job.pair
        about = {
            "backbone": self._backbone.label,
            "settings": settings_of(self._config),
            "judges": dict(judged),
            "losses": painting.scalars,
            "step": painting.number,
            "time_s": round(painting.time_s, 3),
        }
        store = Store(self._run.folder / "images")
        is_whole = not painting.is_interrupted and painting.unfinished is None
        path = store.keep(pair.name, job.key if is_whole else "", about, painting.image, pair.exif)
        texts = read_texts(path)
        self._progress.end(painting, texts)
        out = self._config.pictures.out
        if out is not None:
            path = output_path(out, self._backbone.label, pair)
            save_picture(painting.image, path, texts, pair.exif)
        self._run.show_picture("image/result", painting.image, painting.number, self._part)
        facts = {f"tap/{name}": value for name, value in painting.facts.items()}
        beside = {tag: value for tag, value in judged.items() if tag not in MEASURE_KEYS}
        if facts or beside:
            self._run.log(painting.number, {**facts, **beside}, self._part, is_shown=False)
        if judged:
            self._run.show_text("judges", judges_table(judged), painting.number, self._part)
        of_table = {tag: value for tag, value in judged.items() if tag in MEASURE_KEYS}
        if of_table and self._part:  # of a single pair they are logged with the run's row
            self._run.log(painting.number, of_table, self._part)
        self._run.leave(self._part)
        self.take(pair, path, to_picture(painting.image), about, self._losses)
        if self._bar is not None and len(self._pairs) > 1:
            self._bar.update()
        if len(self._pairs) == 1:
            self._show_inside(pair, painting)
        self._seldom.do(self._write_views)
        return path

    def take(
        self, pair: Pair, path: Path, picture: Image.Image, about: Mapping[str, Any], losses: Sequence[float]
    ) -> None:
        """Take a finished picture, just painted or found in the run's folder, into the tables and the overview.

        Args:
            pair: what it was painted from.
            path: where it lies.
            picture: it.
            about: what its file says of it.
            losses: of every evaluation, so far as they are known.
        """
        totals = {tag: about["losses"][tag] for tag in ("loss/total", "loss/style", "loss/content")}
        judged = about["judges"]
        if self._overview is not None:
            label = self._backbone.label
            self._overview.add(picture, label, pair.name, path, losses, {**totals, **judged})
        names = {"content": pair.content_name, "style": pair.style_name, "picture": str(path)}
        effort = {"step": about["step"], "time_s": about["time_s"]}
        self._rows[pair.name] = {**names, **effort, **totals, **judged}
        in_order = [self._rows[pair.name] for pair in self._pairs if pair.name in self._rows]
        write_csv(self._run.folder / "results.csv", in_order)  # a picture may be too narrow for the judges

    def _show_inside(self, pair: Pair, painting: Painting) -> None:
        """Show what the network saw."""
        from transfer.inside import draw_inside  # matplotlib takes a while

        scene = self._scene
        if scene is None:
            scene = pair.scene(self._config.pictures.size, self._backbone.mean.device)
        picture = painting.image.to(scene.frame)
        for tag, sheet in draw_inside(self._backbone, scene, picture, self._config.painting):
            self._run.show_picture(tag, to_tensor(sheet), longer_px=SHEET_PX)

    def close(self) -> None:
        """Write sheet, page and row of the table as far as there are pictures, the sheet also for TensorBoard."""
        if self._bar is not None:
            self._bar.close()
        if not self._rows:
            return
        sheet = self._write_views()
        if sheet is not None:
            print(f"page:    {self._run.folder / 'index.html'}")
            self._run.show_picture("image/sheet", to_tensor(sheet), longer_px=SHEET_PX)
        show_question(self._config.run.runs_dir)

    def _write_views(self) -> Image.Image | None:
        """Write what shows all pictures so far, and this run's row of the table: medians over its pairs."""
        self._write_row()
        if self._overview is None:
            return None
        self._overview.write_page(self._run.folder / "index.html")
        sheet = self._overview.draw_sheet()
        save_picture(sheet, self._run.folder / "sheet.png")
        return sheet

    def _write_row(self) -> None:
        config, facts, quality = self._config, self._backbone.facts, self._quality
        rows = self._rows.values()
        measures = {key: quality[key] for key in MEASURE_KEYS if key in quality}
        for key in MEASURE_KEYS:
            if values := [float(row[key]) for row in rows if key in row]:
                measures[key] = statistics.median(values)
        content, styles = self._pairs[-1].sizes(config.pictures.size)
        settings = {
            "command": "transfer",
            "backbone": self._backbone.label,
            **{key: facts.get(key) for key in ("arch", "norm", "width", "dataset", "epochs")},
            "lr": config.optimization.lr,
            # TensorBoard keeps the first row that it is told, so this is of all that will be painted.
            "content": _one_name(pair.content_name for pair in self._pairs) or None,
            "style": _one_name(pair.style_name for pair in self._pairs) or None,
            "loss": config.losses.loss,
            "statistic": config.losses.statistic,
            "optimizer": config.optimization.optimizer,
            "init": config.optimization.init,
            "style_weight": config.losses.style_weight,
            "size_px": max(content or styles[0]),
            "steps": config.optimization.steps,
            "seed": config.run.seed,
            "judged_by": self._judging_networks() or None,
        }
        self._run.compare_by(settings, measures, max(int(row["step"]) for row in rows))

    def _judging_networks(self) -> str:
        labels = {name.partition("@")[2] for row in self._rows.values() for name in row if "@" in name}
        return " ".join(sorted(labels))


def snapshots(total: int | None) -> set[int]:
    """Return after which evaluations of `total` the canvas is shown; None = as many as there is time for."""
    return {round((total or STEPS) ** (k / (SNAPSHOTS - 1))) for k in range(SNAPSHOTS)}


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
    words += [f"style@{label} -" for label in panel.absent]
    legend = ["(! = fails its own test)"] if any(mark(name) == f"{name}!" for name in shown) else []
    return "  ".join([*words, *legend])


def _one_name(names: Iterable[float | str]) -> str:
    """Return the name that all share, or how many there are."""
    names = set(names)
    return str(names.pop()) if len(names) == 1 else f"{len(names)} pictures"
