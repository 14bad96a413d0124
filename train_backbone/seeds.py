"""One training with each of several seeds, and their mean and deviation."""

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nstkit.checkpoint import read_checkpoint
from nstkit.files import write_csv
from nstkit.folders import check_free
from nstkit.settings import known
from train_backbone.config import TrainConfig
from train_backbone.session import slug_of


def one_each(config: TrainConfig) -> list[TrainConfig]:
    """Return the settings of each training that is asked for: those given, or one for each of `--seeds`.

    The folder of each is named by its seed, behind the name that was given or else date, time and a few settings.

    Raises:
        UserError: where one of several new runs has a name that is taken, before the first of them begins.
    """
    if not config.run.seeds:
        return [config]
    name = config.run.run_name or f"{slug_of(config)}-{time.strftime('%y%m%d-%H%M%S')}"
    trainings = [config.changed(seed=seed, seeds=(), run_name=f"{name}-seed{seed}") for seed in config.run.seeds]
    if config.progress.resume is None:
        for training in trainings:
            check_free(config.run.runs_dir / "train_backbone" / known(training.run.run_name))
    return trainings


def report_seeds(config: TrainConfig, folders: Sequence[Path]) -> None:
    """Write mean and deviation of what was measured of the trainings into one row, and print those of top-1.

    Args:
        config: with the seeds.
        folders: of the finished runs, in the order of the seeds.
    """
    row = mean_row([read_checkpoint(folder / "ckpt.pt")["quality"] for folder in folders])
    name = folders[0].name.removesuffix(f"-seed{config.run.seeds[0]}")
    path = folders[0].parent / f"{name}-seeds.csv"
    write_csv(path, [{"name": name, "seeds": " ".join(map(str, config.run.seeds)), **row}])
    top1, spread = row.get("extractor/top1"), row.get("extractor/top1 sd")
    if top1 is not None:
        deviation = "" if spread is None else f", deviation {spread:.2%}"
        print(f"test top1 {top1:.2%} on average{deviation}, {len(folders)} seeds")
    print(f"seeds:   {path}")


def mean_row(measured: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return mean and sample deviation of each measure that all trainings have.

    Example:
        >>> mean_row([{"top1": 0.25, "knn": 0.5}, {"top1": 0.75}])
        {'top1': 0.5, 'top1 sd': 0.3535533905932738}
    """
    row: dict[str, Any] = {}
    for tag in measured[0]:
        if all(tag in values for values in measured):
            values = [values[tag] for values in measured]
            row[tag] = statistics.fmean(values)
            if len(values) > 1:
                row[f"{tag} sd"] = statistics.stdev(values)
    return row
