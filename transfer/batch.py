"""Every pair painted with one backbone, into one run folder."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.spec import BackboneSpec
from nstkit.bars import say
from nstkit.config import Device
from nstkit.errors import UserError, printable, too_little_memory
from nstkit.hardware import choose_device, device_name, use_device
from nstkit.interruption import Interruption, uninterrupted
from nstkit.memory import free_memory_bytes
from nstkit.pictures.read import read_picture
from nstkit.pictures.tensors import shrink, to_tensor
from nstkit.runs import Run, open_run
from transfer.config import TransferConfig
from transfer.jobs.crew import Crew, Lost, open_crew
from transfer.jobs.easel import Easel
from transfer.jobs.job import Job
from transfer.jobs.store import Store
from transfer.judges.panel import JUDGE_PX, Panel, load_panel
from transfer.painting.estimate import check_least_of, fit_memory, tiles_line
from transfer.painting.loop import Painting, Step
from transfer.painting.scene import Scene
from transfer.pairs import Pair, largest_sizes, output_path, read_by_name
from transfer.progress import FRAME_PX, is_frame_due
from transfer.report import Reporter, judges_line, snapshots
from transfer.resume import COMMAND, Plan, belongs_to, read_curves

if TYPE_CHECKING:
    from transfer.overview import Overview


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

    def __call__(self, job: Job) -> Outcome:
        """Return what came of a job; raise `UserError` where its network or the judges cannot be had."""
        ready, panel = self.easel.ready(job), self.panel(job.spec)
        steps = Recorder(self._config)
        keeps = self.reporter is not None
        with noted(not keeps) as notes:
            try:
                with too_little_memory(f"too little memory for {job.size_px} px. Give a smaller --size or network."):
                    scene = self.easel.scene(job)
                    if self.reporter is not None:
                        self.reporter.begin(job.pair, scene)
                    watch = (steps,) if self.reporter is None else (self.reporter.step, self.reporter.at_scale)
                    painting = self.easel.paint(job, ready, scene, *watch, keeps_unfinished=keeps)
                seen = scene.at((painting.image.shape[2], painting.image.shape[3]))
                judged = {} if panel is None else judge(panel, painting.image, seen)
            except UserError as error:
                return Outcome(error=str(error), notes=notes)
        line = judges_line(judged, panel) if panel is not None and judged else ""
        painting = replace(painting, image=painting.image.cpu())
        return Outcome(painting, judged, line, steps=steps.steps, notes=notes)


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


def paint_all(asked: TransferConfig, plans: Sequence[Plan]) -> dict[str, str]:
    """Paint what is not finished of every network's plan; return by network and pair why some could not be painted.

    Args:
        asked: the command's settings, not resolved.
        plans: all of the same pairs.

    Raises:
        UserError: where nothing could be painted.
    """
    device = use_device(asked.run.device)
    given, name = asked, device_name(asked.run.device, device)
    asked = asked.changed(device=name, memory=memory_of_each(asked, device))
    pairs = [job.pair for job in plans[0].jobs]
    candidates = gather_candidates(asked, pairs)
    painter = PairPainter(asked.resolved(), candidates, asked.run.device)
    overview = None
    if len(plans) * len(pairs) > 1:
        from transfer.overview import Overview

        overview = Overview(pairs, asked.resolved())
    build = partial(PairPainter, asked.resolved(), candidates, given.run.device)  # in other processes
    failed: dict[str, str] = {}
    unused = 0  # networks that painted nothing
    with open_crew(build if asked.working.workers else lambda: painter, asked.working, given.run.device) as crew:
        for plan in plans:
            try:
                errors = paint_network(plan, painter, crew, given, asked, overview)
            except UserError as error:
                if len(plans) == 1:
                    raise
                errors = {job.pair.name: str(error) for job in plan.jobs}
                unused += 1
            failed |= {f"{plan.label} {name}": why for name, why in errors.items()}
    if unused == len(plans):
        raise UserError(next(iter(failed.values())))
    return failed


def memory_of_each(asked: TransferConfig, device: torch.device) -> float | None:
    """Return the memory that each of several workers on this machine may fill [GiB]; None = what it finds free."""
    workers, memory = asked.working.workers, asked.run.memory
    if workers < 2 or asked.working.ray_address is not None or device.type != "cpu":
        return memory
    return max(0.1, free_memory_bytes(device, memory) / 2**30 / workers)


def paint_network(
    plan: Plan,
    painter: PairPainter,
    crew: Crew[Job, Outcome],
    given: TransferConfig,
    asked: TransferConfig,
    overview: "Overview | None",
) -> dict[str, str]:
    """Paint what is not finished of one network's plan into its run folder; see `paint_all`.

    Args:
        plan: at least one job.
        painter: of this process.
        crew: who paints.
        given: the command's settings.
        asked: those with the device that was found.
        overview: takes the pictures, beside those of other networks; None for a single one.
    """
    job, pairs = plan.jobs[0], [job.pair for job in plan.jobs]
    backbone, device = painter.easel.network(job), painter.easel.device
    backbone.label = plan.label
    asked.check_taps(backbone)
    fitted = asked.changed(backbone=(plan.spec.text,)).resolved(backbone.patch_px)
    check_least_memory(backbone, pairs, fitted, device)
    choice = painter.easel.formatted(job).choice
    fitted = fitted.changed(**choice.settings)
    fitted = fit_largest(backbone, pairs, fitted, device)
    is_here = not asked.working.workers
    if is_here:
        painter.panel(plan.spec)  # what is wrong with the judges ends the command before it begins
    finished = plan.finished(asked.pictures.out)
    slug = f"{backbone.label}-{pairs[0].name if len(pairs) == 1 else f'{len(pairs)}-pairs'}"
    keeps = belongs_to(finished, len(pairs))
    with (
        open_run(
            fitted, device, COMMAND, slug, given=given, name=plan.name, continued=plan.continued, keeps=keeps
        ) as run,
        Interruption() if is_here else contextlib.nullcontext() as interruption,
    ):
        print(f"format:  {choice}")
        reporter = Reporter(run, backbone, fitted, pairs, interruption, overview)
        painter.reporter = reporter if is_here else None
        if finished:
            print(f"resumed: {len(finished)} of {len(pairs)} pictures are finished")
            take_finished(reporter, run, plan, finished, asked.pictures.out)
        waiting = [job for job in plan.jobs if job.pair.name not in finished]
        errors = paint_pairs(waiting, reporter, crew, fitted, interruption)
        if errors and not reporter.has_pictures:
            raise UserError(next(iter(errors.values())))
    return errors


def take_finished(
    reporter: Reporter, run: Run, plan: Plan, finished: Mapping[str, Mapping[str, Any]], out: Path | None
) -> None:
    """Give a reporter the pictures that an earlier run has finished."""
    store, curves = Store(run.folder / "images"), read_curves(run.folder / "metrics.jsonl")
    for job in plan.jobs:
        if (about := finished.get(job.pair.name)) is not None:
            own = store.path(job.pair.name)
            path = own if out is None else output_path(out, plan.label, job.pair)
            losses = curves.get(job.pair.name if len(plan.jobs) > 1 else "", ())
            reporter.take(job.pair, path, read_picture(own), about, losses)


def paint_pairs(
    jobs: Sequence[Job],
    reporter: Reporter,
    crew: Crew[Job, Outcome],
    config: TransferConfig,
    interruption: Interruption | None,
) -> dict[str, str]:
    """Paint, judge and save every job; return by pair why some could not be painted.

    Args:
        jobs: of one network, not finished.
        reporter: that takes the results, the finished ones already among them.
        crew: who paints.
        config: resolved settings.
        interruption: is asked after each picture; None = a signal ends the work at once.
    """
    errors: dict[str, str] = {}
    try:
        # Every worker computes in the format and in the tiles that were found here.
        for position, outcome in crew.work([as_found(job, config) for job in jobs]):
            pair = jobs[position].pair
            if isinstance(outcome, Lost):
                outcome = Outcome(error=outcome.reason)
            for note in outcome.notes:
                warnings.warn(note, stacklevel=2)
            painting = outcome.painting
            if painting is None:
                errors[pair.name] = outcome.error
                continue
            with uninterrupted():
                if outcome.steps:
                    replay(reporter, pair, outcome.steps)
                path = reporter.end(jobs[position], painting, outcome.judged)
            say(summary(path, painting, config))
            if outcome.line:
                say(f"judged:  {outcome.line}")
            if painting.unfinished is not None:
                errors[pair.name] = f"saved as far as it was painted: {painting.unfinished}"
            if painting.is_interrupted or (interruption is not None and interruption.is_asked):
                raise KeyboardInterrupt
    finally:
        with uninterrupted():
            reporter.close()
    return errors


def as_found(job: Job, config: TransferConfig) -> Job:
    """Return a job that is painted in the number format, in the tiles and with the history that these settings name."""
    optimization = config.optimization
    painting = job.painting.changed(
        precision=config.run.precision,
        memory=config.run.memory,
        tile=optimization.tile,
        history=optimization.history,
    )
    return replace(job, painting=painting, memory_format=config.run.memory_format)


def replay(reporter: Reporter, pair: Pair, steps: Sequence[Step]) -> None:
    """Tell a reporter of the steps of a pair that was painted elsewhere."""
    reporter.begin(pair)
    for step in steps:
        reporter.step(step)


def check_least_memory(backbone: Backbone, pairs: list[Pair], config: TransferConfig, device: torch.device) -> None:
    """Raise `UserError` where the largest of the pairs needs far more memory than is free, see `check_least_of`."""
    check_least_of(backbone, *largest_sizes(pairs, config.pictures.size), config.painting, device)


def fit_largest(backbone: Backbone, pairs: list[Pair], config: TransferConfig, device: torch.device) -> TransferConfig:
    """Return the settings with which the largest of the pairs fits into the free memory, and say where it is cut.

    Args:
        backbone: on the device.
        pairs: at least one.
        config: resolved settings.
        device: where to paint.
    """
    sizes = largest_sizes(pairs, config.pictures.size)
    fitted = fit_memory(*sizes, backbone, config.painting, device)
    if line := tiles_line(*sizes, fitted):
        print(f"memory:  {line}")
    return config.changed(tile=fitted.optimization.tile, history=fitted.optimization.history)


def summary(path: Path, painting: Painting, config: TransferConfig) -> str:
    """Return the line that says what has been painted."""
    kind = "content" if config.pictures.mode == "content" else "style"
    cut = f"  interrupted at {painting.number} of {config.optimization.steps}" if painting.is_interrupted else ""
    return f"{printable(path)}  {kind} loss {painting.scalars[f'loss/{kind}']:.3g}  {painting.time_s:.1f} s{cut}"


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
