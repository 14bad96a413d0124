"""Which run `--resume` continues, and from where."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from nstkit.checkpoint import read_checkpoint
from nstkit.config import MemoryFormat, Precision, settings_of
from nstkit.datasets.arrays import Dataset
from nstkit.errors import UserError
from nstkit.settings import as_word, flag_of
from train_backbone.config import TrainConfig
from train_backbone.saved import find_fault
from train_backbone.training import Training

# What the saved state depends on. All else may change: the settings of the resuming command hold.
MUST_AGREE = (
    *("arch", "norm", "width", "head", "init", "dataset", "image_size", "protocol", "split_seed", "background"),
    *("train_fraction", "label_noise", "batch_size", "schedule", "seed", "final_fit"),
)
KNOWN_FORMATS = {"precision": get_args(Precision), "memory_format": get_args(MemoryFormat)}
ABOUT_THE_FOLDER = ("resume", "run_name", "runs_dir")


def find_resumable(config: TrainConfig) -> Path | None:
    """Return the run folder that `--resume` means. None means a new run.

    A run that was killed before its first save is continued from its start.

    Raises:
        UserError: for a folder that is no run, or a run that differs in one of `MUST_AGREE`.
    """
    resume, run_name = config.progress.resume, config.run.run_name
    if resume is None:
        return None
    if resume == "auto":
        parent = config.run.runs_dir / "train_backbone"
        folders = [parent / run_name] if run_name else [path.parent for path in parent.glob("*/config.json")]
        folders = [folder for folder in folders if (folder / "config.json").is_file()]
        newest_first = sorted(folders, key=last_change, reverse=True)
        same = (folder for folder in newest_first if not differences(folder, config, settings_of(config)))
        return next((folder for folder in same if not is_finished(folder)), None)
    folder = Path(resume)
    if not (folder / "config.json").is_file():
        raise UserError(f"--resume {folder}: no run there. Give the folder of a run of train_backbone, or auto.")
    if differing := differences(folder, config, MUST_AGREE):
        raise UserError(f"--resume {folder}: that run has {', '.join(differing)}. Resume with the same settings.")
    return folder


def find_finished(config: TrainConfig) -> Path | None:
    """Return the folder of the run that `--resume auto` names, if it has the same settings and is finished.

    So a command that is started again after every interruption ends well once the training is finished.
    """
    if config.progress.resume != "auto" or config.run.run_name is None:
        return None
    folder = config.run.runs_dir / "train_backbone" / config.run.run_name
    if not is_finished(folder) or differences(folder, config, settings_of(config)):
        return None
    return folder


def last_change(folder: Path) -> float:
    """Return when a run was last saved [s since 1970], or begun where it was never saved."""
    return next(path.stat().st_mtime for name in ("last.pt", "config.json") if (path := folder / name).exists())


def differences(folder: Path, config: TrainConfig, names: Iterable[str]) -> list[str]:
    """Return `--name value` for each setting of the run that differs from the config's."""
    try:
        saved = json.loads((folder / "config.json").read_text())["given"]
    except (OSError, ValueError, KeyError):
        return ["an unreadable config.json"]
    now = settings_of(config)
    return [
        f"{flag_of(name)} {as_word(saved.get(name))}"
        for name in names
        if name not in ABOUT_THE_FOLDER and saved.get(name) != now[name]
    ]


def is_finished(folder: Path) -> bool:
    """Return whether a run has written its row of the table, the last thing it does."""
    metrics = folder / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    return bool(lines) and '"measures"' in lines[-1]  # a finished run that is being prolonged has such a line inside


def kept_format(folder: Path, config: TrainConfig) -> dict[str, str]:
    """Return the settings of number and memory format with which the run in `folder` goes on, on whatever machine.

    The precision may be changed by the command. The optimizer's sums lie in memory as they did.

    Raises:
        UserError: for another memory format than the run's.
    """
    saved = json.loads((folder / "config.json").read_text())
    names = ("precision", "memory_format")
    kept = {name: saved[name] for name in names if saved.get(name) in KNOWN_FORMATS[name]}
    asked = config.run.memory_format
    if asked not in ("auto", kept.get("memory_format", asked)):
        raise UserError(
            f"--resume {folder}: that run computes in --memory-format {kept['memory_format']}. Leave the flag out."
        )
    return kept if config.run.precision == "auto" else {**kept, "precision": config.run.precision}


def read_saved(folder: Path) -> dict[str, Any] | None:
    """Return the last checkpoint of a run, None where it was never saved."""
    path = folder / "last.pt"
    return read_checkpoint(path) if path.exists() else None


def check_same_data(asked: str, content: Mapping[str, Any], data: Dataset) -> None:
    """Raise `UserError` where a run was trained on other pictures, classes or labels than it would now go on with.

    Args:
        asked: how the run was asked for, such as `--resume RUN`.
        content: its checkpoint. What is not in it is not compared.
        data: the data set of now, altered as the run altered it.
    """
    before, now = list(content["classes"]), list(data.classes)
    then = content.get("pictures", data.counts)
    gone, added = ([name for name in one if name not in other] for one, other in ((before, now), (now, before)))
    differing = [f"classes {word}: {', '.join(odd[:3])}" for word, odd in (("gone", gone), ("added", added)) if odd]
    if not differing and before != now:
        differing = ["classes in another order"]
    differing += [f"{then[part]} {part} pictures then, {n} now" for part, n in data.counts.items() if then[part] != n]
    if not differing and content.get("split", data.split) != data.split:
        differing = ["pictures of other names, labels or parts, though as many"]
    if differing:
        raise UserError(
            f"{asked}: that run was trained on other data: {'; '.join(differing)}. Restore the data, or train anew "
            f"under another --run-name."
        )


def load_training(training: Training, content: Mapping[str, Any], asked: str) -> None:
    """Bring a training to where the run of a checkpoint was saved.

    Args:
        training: at its start.
        content: the last checkpoint of the run.
        asked: how the run was asked for, such as `--resume RUN`.

    Raises:
        UserError: for a state that is damaged or of another training.
    """
    saved: Any = content.get("training")
    if fault := find_fault(training, saved):
        raise UserError(
            f"{asked}: its last.pt cannot be gone on from ({fault}): it is damaged or of another version. Train anew."
        )
    training.load_state_dict(saved)
