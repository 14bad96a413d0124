"""The run folder: what a command leaves behind, and the one list of columns by which runs are compared.

RUNS_DIR/<command>/<name>/
    config.json     the resolved settings and the environment
    metrics.jsonl   the truth: one object a step
    events.out.*    TensorBoard, the view
    <part>/         the view of a part that has the same curves as others, such as a pair among several
    images/         pictures
"""

import contextlib
import errno
import json
import math
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from nstkit.config import CommandConfig, as_typed, settings_of
from nstkit.files import clear_unfinished, write_atomically, writing
from nstkit.folders import held, is_run, new_folder
from nstkit.hardware import describe_environment
from nstkit.pictures.save import save_picture
from nstkit.pictures.tensors import shrink

# TensorBoard takes the columns of its HParams table from the first run that declares any, and drops what later runs
# add. So every run of every command declares all of these. A setting that it does not have is "none" or NaN, a measure
# that it does not have an empty cell.
SETTING_KEYS = (
    "command",
    "backbone",
    "arch",
    "norm",
    "width",
    "dataset",
    "epochs",
    "lr",
    "content",
    "style",
    "loss",
    "statistic",
    "optimizer",
    "init",
    "style_weight",
    "size_px",
    "steps",
    "seed",
    "judged_by",
)
NUMERIC_SETTING_KEYS = {"width", "epochs", "lr", "style_weight", "size_px", "steps", "seed"}
MEASURE_KEYS = (  # TensorBoard shows the first few without being asked: those of the question, quality against style
    "extractor/probe",
    "judge/style",
    "judge/content",
    "extractor/top1",
    "judge/artefacts",
    "judge/texture",
    "judge/colour",
    "extractor/knn",
    "extractor/rankme",
    "extractor/dead",
    "extractor/peak",
)
EVENT_PICTURE_PX = 512  # TensorBoard keeps its pictures in memory; the full size goes to images/


class Run:
    """An open run folder. Use it as a context manager: leaving it flushes and closes everything."""

    def __init__(
        self,
        folder: Path,
        config: CommandConfig,
        environment: Mapping[str, Any],
        *,
        given: Mapping[str, Any] | None = None,
        resume_step: int | None = None,
        keeps: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> None:
        """Open a run folder: a new one, or one that is continued after `resume_step`.

        `config` holds the resolved settings, `environment` hardware and versions, `given` the settings before they
        were resolved, by which a later command recognises its own run. Where a run's steps do not follow each other,
        `keeps` says in place of `resume_step` which lines of metrics.jsonl stay; what TensorBoard was told stays too.
        """
        self.folder = folder
        self._is_new = resume_step is None and keeps is None
        settings = {**settings_of(config), "given": dict(given or {}), "environment": dict(environment)}
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._others = {path.name for path in folder.iterdir()}
            write_atomically(folder / "config.json", lambda file: file.write(json.dumps(settings, indent=2).encode()))
            self._open(resume_step, keeps)

    def _open(self, after_step: int | None, keeps: Callable[[Mapping[str, Any]], bool] | None = None) -> None:
        clear_unfinished(self.folder)
        if after_step is not None:
            cut_back(self.folder / "metrics.jsonl", lambda line: line["step"] <= after_step)
        elif keeps is not None:
            cut_back(self.folder / "metrics.jsonl", keeps)
        self._metrics = open(self.folder / "metrics.jsonl", "ab", buffering=0)  # noqa: SIM115 (closed by __exit__)
        purge_step = None if after_step is None else after_step + 1
        self._writers = {"": SummaryWriter(str(self.folder), purge_step=purge_step)}

    def _close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def _writer(self, part: str = "") -> SummaryWriter:
        """Return what writes the view of the run or of a part of it."""
        if part not in self._writers:
            folder = self.folder / part
            # One that was begun before, and is now made anew, is forgotten.
            self._writers[part] = SummaryWriter(str(folder), purge_step=0 if folder.exists() else None)
        return self._writers[part]

    def leave(self, part: str) -> None:
        """Close the view of a finished part: an open one takes a file and a thread, and parts may be hundreds."""
        if part and part in self._writers:
            self._writers.pop(part).close()

    def rewind(self, step: int) -> None:
        """Forget all that was logged behind `step`, in metrics.jsonl and for TensorBoard."""
        self._metrics.close()
        self._close()
        self._open(step)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        is_empty = self._is_new and self._metrics.tell() == 0
        self._metrics.close()
        try:
            self._close()
        except OSError:
            if error is None:  # otherwise it is the full disk that ended the work, once more
                raise
        if error is not None and is_empty:
            self._leave_nothing()
            if issubclass(error, KeyboardInterrupt):
                print(f"nothing was finished yet: {self.folder} is not kept", file=sys.stderr)

    def _leave_nothing(self) -> None:
        """Remove what a run has written that failed before its first step; what was there before it stays."""
        for path in [path for path in self.folder.iterdir() if path.name not in self._others]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _write(self, content: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        line = json.dumps(content).encode() + b"\n"
        if self._metrics.write(line) != len(line):  # the rest of the disk; a resumed run drops the cut line
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def log(self, step: int, scalars: Mapping[str, float], part: str = "", *, is_shown: bool = True) -> None:
        """Append one step to metrics.jsonl and to TensorBoard; what is not finite is null in JSON, which has no NaN.

        Args:
            step: from 0.
            scalars: by tag.
            part: of the run that they belong to, a name for a folder: in TensorBoard a run of its own with the same
                tags, in metrics.jsonl what these begin with.
            is_shown: False keeps them out of TensorBoard, where each would be a card with a single point.
        """
        first = f"{part}/" if part else ""
        finite = {f"{first}{tag}": value if math.isfinite(value) else None for tag, value in scalars.items()}
        self._write({"step": step, "time": round(time.time(), 3), **finite})
        for tag, value in scalars.items() if is_shown else ():
            self._writer(part).add_scalar(tag, value, step)

    def flush(self) -> None:
        """Bring everything logged so far onto the disk."""
        for writer in self._writers.values():
            writer.flush()

    def show_picture(
        self,
        tag: str,
        image: Float[Tensor, "1 3 h w"],
        step: int = 0,
        part: str = "",
        *,
        longer_px: int = EVENT_PICTURE_PX,
    ) -> None:
        """Put a picture of the run or of a part of it into TensorBoard, at most `longer_px` wide or high."""
        self._writer(part).add_image(tag, shrink(image.detach().float().cpu(), longer_px)[0].clamp(0, 1), step)

    def save_picture(self, name: str, picture: Image.Image | Tensor, texts: Mapping[str, str] | None = None) -> Path:
        """Write a picture at full size under `images/` and return its path."""
        path = self.folder / "images" / name
        save_picture(picture, path, texts)
        return path

    def show_text(self, tag: str, text: str, step: int = 0, part: str = "") -> None:
        """Put Markdown on the run or on a part of it into TensorBoard."""
        self._writer(part).add_text(tag, text, step)

    def compare_by(self, settings: Mapping[str, Any], measures: Mapping[str, float], step: int = 0) -> None:
        """Write this run's row of the table that all runs of all commands share (TensorBoard's HParams).

        Args:
            settings: some of `SETTING_KEYS`.
            measures: some of `MEASURE_KEYS`; all else has no column and goes to metrics.jsonl alone.
            step: the step that the measures belong to.
        """
        row, values = table_row(settings, measures)
        file_writer = self._writer().file_writer
        assert file_writer is not None  # it is gone only behind close()
        for summary in hparams(row, values):
            file_writer.add_summary(summary)
        for tag, value in values.items():
            if not math.isnan(value):  # the column is declared above; a curve of NaN would be an empty card
                self._writer().add_scalar(tag, value, step)
        self._write({"step": step, "settings": dict(settings), "measures": dict(measures)})
        self.flush()


def table_row(settings: Mapping[str, Any], measures: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, float]]:
    """Return one row with every column filled: what is missing is "none" (words) or NaN (numbers)."""
    unknown = set(settings) - set(SETTING_KEYS)
    assert not unknown, f"no column for {unknown}: the list of columns is fixed, see SETTING_KEYS"
    row: dict[str, Any] = {}
    for key in SETTING_KEYS:
        value = settings.get(key)
        if key in NUMERIC_SETTING_KEYS:
            row[key] = math.nan if value is None else float(value)
        else:
            row[key] = "none" if value is None else str(value)
    return row, {key: float(measures.get(key, math.nan)) for key in MEASURE_KEYS}


@contextlib.contextmanager
def open_run(
    config: CommandConfig,
    device: torch.device,
    command: str,
    slug: str,
    *,
    given: CommandConfig,
    name: str | None = None,
    may_continue: bool = False,
    continued: Path | None = None,
    keeps: Callable[[Mapping[str, Any]], bool] | None = None,
) -> Iterator[Run]:
    """Open the folder of a new run, say how to watch it, and at the end, also of one that is interrupted, where it is.

    Args:
        config: resolved settings.
        device: described in config.json.
        command: the folder's parent.
        slug: what the folder's name says where it has no other name.
        given: the settings before they were resolved.
        name: the folder's, as `run_names` allowed it. None = date, time and slug.
        may_continue: a run of that name is continued, its log begun anew; otherwise it is refused.
        continued: the folder of a run that is continued, whatever its name.
        keeps: which lines of its log stay; None = its log is begun anew.

    Raises:
        UserError: where there is a run of that name already, another process writes into it, or nothing can be written.
    """
    parent, runs_dir = config.run.runs_dir / command, config.run.runs_dir
    if continued is None and may_continue and name is not None and is_run(parent / name):
        continued = parent / name
    keeps = None if continued is None else keeps
    with new_folder(parent, name, slug) if continued is None else held(continued) as folder:
        resume_step = 0 if continued is not None and keeps is None else None
        environment = describe_environment(device)
        print(f"watch:   {tensorboard_command(runs_dir)}")
        try:
            settings = settings_of(given)
            with Run(folder, config, environment, given=settings, resume_step=resume_step, keeps=keeps) as run:
                yield run
        finally:
            if is_run(folder):  # one that failed before its first step leaves none
                print(f"results: {folder}")


def cut_back(metrics: Path, keeps: Callable[[Mapping[str, Any]], bool]) -> None:
    """Drop the lines of metrics.jsonl that are not to be kept, and a last line that a kill left unfinished."""
    if not metrics.exists():
        return
    kept = []
    for line in metrics.read_text().splitlines():
        try:
            if keeps(json.loads(line)):
                kept.append(line + "\n")
        except ValueError:
            break
    write_atomically(metrics, lambda file: file.write("".join(kept).encode()))


def tensorboard_command(runs_dir: Path) -> str:
    """Return the command that shows the runs, with every picture instead of a sample of ten a tag."""
    logdir = shlex.quote(os.path.relpath(runs_dir))
    return as_typed(f"tensorboard --logdir {logdir} --samples_per_plugin images=1000")
