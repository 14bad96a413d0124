"""Which run `--resume` continues, and from where."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nstkit.checkpoint import read_checkpoint
from nstkit.config import settings_of
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


def load_training(training: Training, folder: Path) -> None:
    """Bring a training to where the run in `folder` was last saved. If it never was, leave it at its start.

    Raises:
        UserError: for a last.pt that is damaged or of another training.
    """
    if not (folder / "last.pt").exists():
        return
    saved: Any = read_checkpoint(folder / "last.pt").get("training")
    if fault := find_fault(training, saved):
        raise UserError(
            f"--resume {folder}: its last.pt cannot be gone on from ({fault}): it is damaged or of another version. "
            f"Train anew."
        )
    training.load_state_dict(saved)
