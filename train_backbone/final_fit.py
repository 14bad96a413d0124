"""`--final-fit`: which run is repeated on all pictures, and when its learning rate dropped."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nstkit.checkpoint import read_checkpoint
from nstkit.datasets.alter import altered
from nstkit.datasets.arrays import Dataset
from nstkit.errors import UserError
from train_backbone.config import TrainConfig
from train_backbone.resume import MUST_AGREE, check_same_data, differences, is_finished

RECIPE = tuple(name for name in MUST_AGREE if name not in ("seed", "final_fit", "split_seed"))


def read_fitted(config: TrainConfig) -> dict[str, Any] | None:
    """Return the last checkpoint of the run that `--final-fit` names, None without it.

    Raises:
        UserError: where that run is not finished, or was trained with other settings.
    """
    folder = config.progress.final_fit
    if folder is None:
        return None
    if not (folder / "last.pt").is_file() or not is_finished(folder):
        raise UserError(f"--final-fit {folder}: no finished run there. Give the folder of a run of train_backbone.")
    if differing := differences(folder, config, RECIPE):
        raise UserError(f"--final-fit {folder}: that run has {', '.join(differing)}. Fit with the same settings.")
    return read_checkpoint(folder / "last.pt")


def rates_to_replay(folder: Path, content: Mapping[str, Any]) -> list[float]:
    """Return the learning rate over its peak in each epoch of a run, of which `content` is the last checkpoint."""
    try:
        return [epoch["lr"] / content["config"]["lr"] for epoch in content["training"]["history"]]
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise UserError(f"--final-fit {folder}: its last.pt is damaged. Train that run again.") from error


def check_fitted_data(config: TrainConfig, data: Dataset, content: Mapping[str, Any]) -> None:
    """Raise `UserError` where the run that is repeated was trained on other pictures than these.

    Args:
        config: of the final fit; its seed and its split of Caltech101 may be others.
        data: as it is read, validation pictures apart.
        content: last checkpoint of the run.
    """
    chosen, saved = config.data, content["config"]
    seed = config.changed(seed=saved.get("seed", config.run.seed)).run.seed
    data = altered(data, train_fraction=chosen.train_fraction, label_noise=chosen.label_noise, seed=seed)
    if saved.get("split_seed", chosen.split_seed) != chosen.split_seed:
        content = {"classes": content["classes"]}  # all pictures are the same, not those of each part
    check_same_data(f"--final-fit {config.progress.final_fit}", content, data)
