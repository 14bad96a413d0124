"""Which run folders `--resume` continues, and which of their pictures are finished."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nstkit.backbones.spec import BackboneSpec
from nstkit.config import settings_of
from nstkit.errors import UserError
from nstkit.folders import is_run
from nstkit.settings import as_word, flag_of
from transfer.config import TransferConfig
from transfer.jobs.job import Job
from transfer.jobs.store import Store
from transfer.pairs import output_path

ABOUT_THE_FOLDER = ("resume", "run_name", "runs_dir")
COMMAND = "transfer"


@dataclass(frozen=True)
class Plan:
    """What one network paints, and into which folder.

    Attributes:
        spec: the network.
        label: its name among the others.
        jobs: all, finished or not.
        name: of the run's folder, None for one by date and settings.
        continued: the folder of an earlier run.
    """

    spec: BackboneSpec
    label: str
    jobs: Sequence[Job]
    name: str | None
    continued: Path | None = None

    def finished(self, out: Path | None) -> dict[str, Mapping[str, Any]]:
        """Return by pair what the files of finished pictures say of them; those that `--out` lacks are not finished."""
        if self.continued is None:
            return {}
        store = Store(self.continued / "images")
        found: dict[str, Mapping[str, Any]] = {}
        for job in self.jobs:
            is_out = out is None or output_path(out, self.label, job.pair).is_file()
            if is_out and (about := store.find(job.pair.name, job.key)) is not None:
                found[job.pair.name] = about
        return found


def find_runs(asked: TransferConfig, specs: Sequence[BackboneSpec], names: Sequence[str | None]) -> list[Path | None]:
    """Return for each network the folder of the earlier run that `--resume` continues, None for a new one.

    Args:
        asked: the command's settings, not resolved.
        specs: the networks.
        names: of their folders, where the command names them.

    Raises:
        UserError: for a folder that is no run, or that of another command.
    """
    resume = asked.run.resume
    if resume is None:
        return [None] * len(specs)
    if resume == "auto":
        taken: set[Path] = set()
        return [_newest(asked, spec, name, taken) for spec, name in zip(specs, names, strict=True)]
    folder = Path(resume)
    if len(specs) > 1:
        raise UserError(f"--resume {folder}: that is one run, and {len(specs)} networks paint. Give auto.")
    if not is_run(folder):
        raise UserError(f"--resume {folder}: no run there. Give the folder of a run of transfer, or auto.")
    if differing := differences(folder, asked, specs[0]):
        raise UserError(f"--resume {folder}: that run has {', '.join(differing)}. Resume with the same settings.")
    return [folder]


def _newest(asked: TransferConfig, spec: BackboneSpec, name: str | None, taken: set[Path]) -> Path | None:
    parent = asked.run.runs_dir / COMMAND
    folders = [path.parent for path in parent.glob("*/config.json")] if name is None else [parent / name]
    newest_first = sorted(filter(is_run, folders), key=lambda folder: (folder / "config.json").stat().st_mtime)
    same = (folder for folder in reversed(newest_first) if folder not in taken and not differences(folder, asked, spec))
    found = next(same, None)
    taken |= {found} if found is not None else set()
    return found


def differences(folder: Path, asked: TransferConfig, spec: BackboneSpec) -> list[str]:
    """Return `--name value` for each setting of a run that is another than the command's, places aside."""
    try:
        saved = json.loads((folder / "config.json").read_text())
        given, backbone = saved["given"], saved["backbone"]
    except (OSError, ValueError, KeyError, TypeError):
        return ["an unreadable config.json"]
    now = settings_of(asked)
    differing = [name for name in now if name not in ABOUT_THE_FOLDER and given.get(name) != now[name]]
    words = [f"{flag_of(name)} {as_word(given.get(name))}" for name in differing]
    return words or ([] if backbone == [spec.text] else [f"--backbone {as_word(backbone)}"])


def belongs_to(finished: Mapping[str, Any], count: int) -> Callable[[Mapping[str, Any]], bool]:
    """Return what says of a line of metrics.jsonl whether it is about a finished picture.

    Args:
        finished: by the name of the pair, of which the line's tags begin with one.
        count: of all pairs; a single one's name does not stand there.
    """

    def keeps(line: Mapping[str, Any]) -> bool:
        if "measures" in line:
            return False  # the row of the table is written anew
        if count == 1:
            return bool(finished)
        return any(tag.partition("/")[0] in finished for tag in line if tag not in ("step", "time"))

    return keeps


def read_curves(metrics: Path) -> dict[str, list[float]]:
    """Return the losses of every evaluation in metrics.jsonl, by the name of the pair; of a single one by no name."""
    curves: dict[str, list[float]] = {}
    for line in metrics.read_text().splitlines():
        for tag, value in json.loads(line).items():
            if tag.endswith("loss/total") and value is not None:
                curves.setdefault(tag.removesuffix("loss/total").removesuffix("/"), []).append(value)
    return curves
