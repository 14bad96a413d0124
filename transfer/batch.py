"""Every pair painted with one backbone, into one run folder."""

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nstkit.backbones.backbone import Backbone
from nstkit.bars import say
from nstkit.errors import UserError, printable
from nstkit.hardware import device_name, use_device
from nstkit.interruption import Interruption, uninterrupted
from nstkit.memory import free_memory_bytes
from nstkit.pictures.read import read_picture
from nstkit.runs import Run, open_run
from transfer.config import TransferConfig
from transfer.jobs.crew import open_crew
from transfer.jobs.job import Job
from transfer.jobs.store import Store
from transfer.jobs.work import Crew, Lost
from transfer.painting.estimate import check_least_of, fit_memory, tiles_line
from transfer.painting.loop import Painting
from transfer.pairs import Pair, largest_sizes, output_path
from transfer.report import Reporter
from transfer.resume import COMMAND, Plan, belongs_to, read_curves
from transfer.worker import Outcome, PairPainter, gather_candidates

if TYPE_CHECKING:
    from transfer.overview import Overview


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
    if workers < 2 or asked.working.cluster is not None or device.type != "cpu":
        return memory
    return max(0.1, free_memory_bytes(device, memory) / 2**30 / workers)


def paint_network(
    plan: Plan,
    painter: PairPainter,
    crew: Crew[list[Job], list[Outcome]],
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
    crew: Crew[list[Job], list[Outcome]],
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
    groups = in_groups(jobs, config)
    try:
        # Every worker computes in the format and in the tiles that were found here.
        for position, outcomes in crew.work([[as_found(job, config) for job in group] for group in groups]):
            if isinstance(outcomes, Lost):
                outcomes = [Outcome(error=outcomes.reason)] * len(groups[position])
            for job, outcome in zip(groups[position], outcomes, strict=True):
                for note in outcome.notes:
                    warnings.warn(note, stacklevel=2)
                if outcome.painting is None:
                    errors[job.pair.name] = outcome.error
                    continue
                take(reporter, job, outcome, outcome.painting, config)
                if outcome.painting.unfinished is not None:
                    errors[job.pair.name] = f"saved as far as it was painted: {outcome.painting.unfinished}"
            is_cut = any(outcome.painting is not None and outcome.painting.is_interrupted for outcome in outcomes)
            if is_cut or (interruption is not None and interruption.is_asked):
                raise KeyboardInterrupt
    finally:
        with uninterrupted():
            reporter.close()
    return errors


def take(reporter: Reporter, job: Job, outcome: Outcome, painting: Painting, config: TransferConfig) -> None:
    """Save what came of a job, and say it."""
    with uninterrupted():
        if outcome.steps:
            reporter.begin(job.pair)
            for step in outcome.steps:
                reporter.log(step)
        path = reporter.end(job, painting, outcome.judged)
    say(summary(path, painting, config))
    if outcome.line:
        say(f"judged:  {outcome.line}")


def in_groups(jobs: Sequence[Job], config: TransferConfig) -> list[list[Job]]:
    """Return jobs in groups that are painted at one time: those whose canvases have one size, `--batch` at most."""
    count = config.working.batch
    alike: dict[object, list[Job]] = {}
    for number, job in enumerate(jobs):
        content, styles = job.pair.sizes(job.size_px)
        alike.setdefault(content or styles[0] if count > 1 else number, []).append(job)
    return [group[first : first + count] for group in alike.values() for first in range(0, len(group), count)]


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
