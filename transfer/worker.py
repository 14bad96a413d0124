"""What a worker does with jobs of `python -m transfer`, in whatever process: it paints and judges."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nstkit.backbones.spec import BackboneSpec
from nstkit.config import Device
from nstkit.errors import UserError, too_little_memory
from nstkit.hardware import choose_device
from nstkit.pictures.tensors import shrink, to_tensor
from transfer.config import TransferConfig
from transfer.jobs.easel import Easel, Ready
from transfer.jobs.job import Job
from transfer.judges.panel import JUDGE_PX, Panel, load_panel
from transfer.painting.loop import Painting, Step
from transfer.painting.scene import Scene
from transfer.pairs import Pair, read_by_name
from transfer.progress import FRAME_PX, is_frame_due
from transfer.report import Reporter, judges_line, snapshots


@dataclass(frozen=True)
class Candidates:
    """What a judge could take a picture for: pictures at the size at which networks look at them, by name."""

    styles: Mapping[str, Tensor]
    contents: Mapping[str, Tensor]


@dataclass(frozen=True)
class Outcome:
    """What came of a job, in whatever process.

    Attributes:
        painting: None where it could not be painted.
        judged: the judges' values.
        line: about the judges, for the screen; may be empty.
        error: why it could not be painted.
        steps: of which nobody was told while it was painted, their canvases small, or empty where none is shown.
        notes: warnings of another process.
    """

    painting: Painting | None = None
    judged: Mapping[str, float] = field(default_factory=dict)
    line: str = ""
    error: str = ""
    steps: Sequence[Step] = ()
    notes: Sequence[str] = ()


class PairPainter:
    """Paints jobs and judges them; keeps the last network and its judges.

    Attributes:
        easel: where it paints.
        reporter: is told of each step; None = the steps come with the outcome.
    """

    def __init__(self, config: TransferConfig, candidates: Candidates, device: Device) -> None:
        self._config, self._candidates = config, candidates
        self.easel = Easel(choose_device(device))
        self.reporter: Reporter | None = None
        self._panel: tuple[BackboneSpec, Panel | None] | None = None

    def panel(self, painter: BackboneSpec) -> Panel | None:
        """Return who judges what a network paints; None for nobody."""
        if self._panel is None or self._panel[0] != painter:
            self._panel = None
            self._panel = (painter, load_judges(self._config, painter, self._candidates, self.easel.device))
        return self._panel[1]

    def __call__(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Return what came of jobs of one network; raise `UserError` where that or the judges cannot be had."""
        ready, panel = [self.easel.ready(job) for job in jobs], self.panel(jobs[0].spec)
        if len(jobs) > 1:
            return self._paint_together(jobs, ready, panel)
        (job,), recorder = jobs, Recorder(self._config)
        keeps = self.reporter is not None
        with noted(not keeps) as notes:
            try:
                with too_little_memory(f"too little memory for {job.size_px} px. Give a smaller --size or network."):
                    scene = self.easel.scene(job)
                    if self.reporter is not None:
                        self.reporter.begin(job.pair, scene)
                    watch = (recorder,) if self.reporter is None else (self.reporter.step, self.reporter.at_scale)
                    painting = self.easel.paint(job, ready[0], scene, *watch, keeps_unfinished=keeps)
                outcome = judged_outcome(painting, scene, panel, recorder)
            except UserError as error:
                outcome = Outcome(error=str(error))
        return [replace(outcome, notes=notes)]

    def _paint_together(self, jobs: Sequence[Job], ready: Sequence[Ready], panel: Panel | None) -> list[Outcome]:
        recorders = [Recorder(self._config) for _ in jobs]
        with noted(True) as notes:
            try:
                with too_little_memory(f"too little memory for {len(jobs)} pictures at once. Give a smaller --batch."):
                    scenes = [self.easel.scene(job) for job in jobs]
                    found = self.easel.paint_together(jobs, ready, scenes, recorders)
            except UserError as error:
                return [Outcome(error=str(error), notes=notes if job is jobs[0] else ()) for job in jobs]
            outcomes = [
                Outcome(error=str(painting))
                if isinstance(painting, UserError)
                else judged_outcome(painting, scene, panel, recorder)
                for painting, scene, recorder in zip(found, scenes, recorders, strict=True)
            ]
        return [replace(outcomes[0], notes=notes), *outcomes[1:]]


def judged_outcome(painting: Painting, scene: Scene, panel: Panel | None, recorder: "Recorder") -> Outcome:
    """Return a painting with what judges say of it, and the steps that were recorded."""
    seen = scene.at((painting.image.shape[2], painting.image.shape[3]))
    judged = {} if panel is None else judge(panel, painting.image, seen)
    line = judges_line(judged, panel) if panel is not None and judged else ""
    return Outcome(replace(painting, image=painting.image.cpu()), judged, line, steps=recorder.steps)


class Recorder:
    """Keeps the steps of a painting for a reporter that is told of them later."""

    def __init__(self, config: TransferConfig) -> None:
        self._snapshots = snapshots(config.optimization.steps)
        self._is_film, self._last_frame = config.output.animation is not None, 0
        self.steps: list[Step] = []

    def __call__(self, step: Step) -> None:
        """Keep one, its canvas as small as it is shown, or empty."""
        is_frame = self._is_film and is_frame_due(step.number, self._last_frame)
        self._last_frame = step.number if is_frame else self._last_frame
        is_seen = is_frame or step.number in self._snapshots
        canvas = shrink(step.canvas, FRAME_PX).cpu().clone() if is_seen else step.canvas.new_empty(1, 3, 0, 0)
        self.steps.append(replace(step, canvas=canvas))


@contextlib.contextmanager
def noted(is_on: bool) -> Iterator[list[str]]:
    """Collect warnings instead of showing them, where that is on."""
    if not is_on:
        yield []
        return
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield notes
        finally:
            notes += [str(warning.message) for warning in caught if not issubclass(warning.category, RuntimeWarning)]


def gather_candidates(config: TransferConfig, pairs: Sequence[Pair]) -> Candidates:
    """Return all pictures of the command that a judge could take a picture for, and those of `--judge-style`.

    They are kept at the size at which networks look at them: as numbers, hundreds at the painter's size would fill the
    memory.
    """
    judging, size_px = config.judging, config.pictures.size
    if not is_judged(config):
        return Candidates({}, {})
    styles = {**read_by_name(judging.judge_style, size_px)}
    styles |= {pair.style_name: pair.style for pair in pairs if pair.style is not None}
    contents = {pair.content_name: pair.content for pair in pairs if pair.content is not None}
    return Candidates(
        {name: shrink(to_tensor(picture, size_px), JUDGE_PX) for name, picture in styles.items()},
        {name: shrink(to_tensor(picture, size_px), JUDGE_PX) for name, picture in contents.items()},
    )


def is_judged(config: TransferConfig) -> bool:
    """Return whether anybody judges."""
    return config.judging.judge != ("none",) and config.pictures.mode == "transfer"


def load_judges(
    config: TransferConfig, painter: BackboneSpec, candidates: Candidates, device: torch.device
) -> Panel | None:
    """Return the judges of what `painter` paints, itself never among them; None for `--judge none`."""
    if not is_judged(config):
        return None
    panel = load_panel(
        config.judging.judge,
        painter=painter,
        device=device,
        styles=candidates.styles,
        contents=candidates.contents,
    )
    for line in (", ".join(eye.label for eye in panel.eyes), *panel.notes):
        print(f"judges:  {line}")
    return panel


def judge(panel: Panel, picture: torch.Tensor, scene: Scene) -> dict[str, float]:
    """Return the judges' values; none where they are interrupted, or the picture is too narrow or lacks an original."""
    if scene.content is None or scene.style is None:
        return {}
    try:
        with too_little_memory("too little memory"):
            return panel.judge(picture, scene.content, scene.style)
    except KeyboardInterrupt:  # the painting is finished and not yet saved
        return {}
    except (ValueError, UserError) as error:
        warnings.warn(f"not judged: {error}", stacklevel=2)
        return {}
