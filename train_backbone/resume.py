"""Which run `--resume` continues, and from where."""

import json
from collections.abc import Iterable
from pathlib import Path

from nstkit.checkpoint import read_checkpoint
from nstkit.config import settings_of
from nstkit.errors import UserError
from train_backbone.config import TrainConfig
from train_backbone.loop import Training

# What the saved state holds. All else may change: the settings of the resuming command hold.
MUST_AGREE = ("arch", "norm", "width", "dataset", "image_size", "batch_size", "schedule", "seed")
MUST_AGREE += ("lr", "weight_decay", "ema", "precision")


def find_resumable(config: TrainConfig) -> Path | None:
    """Return the run folder that `--resume` means, None for a new run.

    Raises:
        UserError: for a folder without last.pt, or a run that differs in one of `MUST_AGREE`.
    """
    if config.resume is None:
        return None
    if config.resume == "auto":
        parent = config.runs_dir / "train_backbone"
        folders = sorted(parent.glob("*/last.pt"), key=lambda path: path.stat().st_mtime, reverse=True)
        same = (path.parent for path in folders if not _differences(path.parent, config, settings_of(config)))
        return next((folder for folder in same if not _is_finished(folder)), None)
    folder = Path(config.resume)
    if not (folder / "last.pt").is_file():
        raise UserError(f"--resume {folder}: no last.pt there. Give the folder of a run that ended an epoch, or auto.")
    if differences := _differences(folder, config, MUST_AGREE):
        raise UserError(f"--resume {folder}: that run has {', '.join(differences)}. Resume with the same settings.")
    return folder


def _differences(folder: Path, config: TrainConfig, names: Iterable[str]) -> list[str]:
    """Return `--name value` for each setting of the run that differs from the config's."""
    try:
        saved = json.loads((folder / "config.json").read_text())["given"]
    except (OSError, ValueError, KeyError):
        return ["an unreadable config.json"]
    now = settings_of(config)
    return [
        f"--{name.replace('_', '-')} {saved.get(name)}"
        for name in names
        if name not in ("resume", "run_name", "runs_dir") and saved.get(name) != now[name]
    ]


def _is_finished(folder: Path) -> bool:
    metrics = folder / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    return bool(lines) and '"measures"' in lines[-1]  # a finished run that is being prolonged has such a line inside


def load_training(training: Training, folder: Path) -> None:
    """Bring a training to where the run in `folder` stopped: the end of its last whole epoch."""
    training.load_state_dict(read_checkpoint(folder / "last.pt")["training"])
