"""Which run `--resume` continues and from where; what a final fit repeats."""

import json
from collections.abc import Iterable
from pathlib import Path

from nstkit.checkpoint import read_checkpoint
from nstkit.config import settings_of
from nstkit.errors import UserError
from train_backbone.config import TrainConfig, as_word
from train_backbone.training import Training

# What the saved state depends on. All else may change: the settings of the resuming command hold.
MUST_AGREE = ("arch", "norm", "width", "head", "init", "dataset", "image_size", "protocol", "split_seed", "background")
MUST_AGREE += ("train_fraction", "label_noise", "batch_size", "schedule", "seed", "final_fit")
FINAL_FIT_MUST_AGREE = tuple(name for name in MUST_AGREE if name not in ("seed", "final_fit", "split_seed"))
ABOUT_THE_FOLDER = ("resume", "run_name", "runs_dir")


def find_resumable(config: TrainConfig) -> Path | None:
    """Return the run folder that `--resume` means, None for a new run.

    A run that was killed before its first save is continued from its start.

    Raises:
        UserError: for a folder that is no run, or a run that differs in one of `MUST_AGREE`.
    """
    if config.resume is None:
        return None
    if config.resume == "auto":
        parent = config.runs_dir / "train_backbone"
        folders = (
            [parent / config.run_name] if config.run_name else [path.parent for path in parent.glob("*/config.json")]
        )
        folders = [folder for folder in folders if (folder / "config.json").is_file()]
        newest_first = sorted(folders, key=last_change, reverse=True)
        same = (folder for folder in newest_first if not differences(folder, config, settings_of(config)))
        return next((folder for folder in same if not is_finished(folder)), None)
    folder = Path(config.resume)
    if not (folder / "config.json").is_file():
        raise UserError(f"--resume {folder}: no run there. Give the folder of a run of train_backbone, or auto.")
    if found := differences(folder, config, MUST_AGREE):
        raise UserError(f"--resume {folder}: that run has {', '.join(found)}. Resume with the same settings.")
    return folder


def is_already_done(config: TrainConfig) -> bool:
    """Return whether `--resume auto` names a run of the same settings that is finished.

    So a command that is started again after every interruption ends well once it is through.
    """
    if config.resume != "auto" or config.run_name is None:
        return False
    folder = config.runs_dir / "train_backbone" / config.run_name
    return is_finished(folder) and not differences(folder, config, settings_of(config))


def last_change(folder: Path) -> float:
    """Return when a run was last saved [s since 1970]; when it was begun, where it was not."""
    return next(path.stat().st_mtime for name in ("last.pt", "config.json") if (path := folder / name).exists())


def differences(folder: Path, config: TrainConfig, names: Iterable[str]) -> list[str]:
    """Return `--name value` for each setting of the run that differs from the config's."""
    try:
        saved = json.loads((folder / "config.json").read_text())["given"]
    except (OSError, ValueError, KeyError):
        return ["an unreadable config.json"]
    now = settings_of(config)
    return [
        f"--{name.replace('_', '-')} {as_word(saved.get(name))}"
        for name in names
        if name not in ABOUT_THE_FOLDER and saved.get(name) != now[name]
    ]


def is_finished(folder: Path) -> bool:
    """Return whether a run has written its row of the table, the last thing it does."""
    metrics = folder / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    return bool(lines) and '"measures"' in lines[-1]  # a finished run that is being prolonged has such a line inside


def load_training(training: Training, folder: Path) -> None:
    """Bring a training to where the run in `folder` was last saved; to its start if it was not."""
    if (folder / "last.pt").exists():
        try:
            training.load_state_dict(read_checkpoint(folder / "last.pt")["training"])
        except KeyError as error:
            raise UserError(f"--resume {folder}: saved by another version ({error} missing). Train anew.") from error


def rates_to_replay(config: TrainConfig) -> list[float] | None:
    """Return rate over peak in each epoch of the run that `--final-fit` names, None without it.

    Raises:
        UserError: where that run is not finished, or was trained otherwise.
    """
    folder = config.final_fit
    if folder is None:
        return None
    if not (folder / "last.pt").is_file() or not is_finished(folder):
        raise UserError(f"--final-fit {folder}: no finished run there. Give the folder of a run of train_backbone.")
    if found := differences(folder, config, FINAL_FIT_MUST_AGREE):
        raise UserError(f"--final-fit {folder}: that run has {', '.join(found)}. Fit with the same settings.")
    content = read_checkpoint(folder / "last.pt")
    return [epoch["lr"] / content["config"]["lr"] for epoch in content["training"]["history"]]
