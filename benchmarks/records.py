"""Trainings as a claim: what some finished runs reached, in what time, with their curves.

    uv run python -m train_backbone --preset cpu --run-name cpu
    uv run python benchmarks/records.py cpu runs/train_backbone/cpu

prints a row a run and their mean, and writes benchmarks/results/record-NAME.json. The test top-1 is of the checkpoint
that was best on the validation pictures; the test set had no say in which. Give the runs of several seeds together.
"""

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from results_file import write_results

from nstkit.checkpoint import read_checkpoint
from nstkit.model_card import ABOUT_PLACES


@dataclass(frozen=True)
class Settings:
    """Collect finished runs of train_backbone into one result file."""

    name: Annotated[str, tyro.conf.Positional]
    """Of the result file."""
    runs: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Run folders."""


def main() -> None:
    """Read the runs, print them, write the file."""
    settings = tyro.cli(Settings)
    rows = [read_run(folder) for folder in settings.runs]
    print(f"{'run':28s}{'epochs':>7s}{'seed':>5s}{'val':>8s}{'test':>8s}{'per class':>10s}{'minutes':>9s}")
    for row in rows:
        print(
            f"{row['run']:28s}{len(row['curve']):7d}{row['settings']['seed']:5d}{row['val_top1']:8.2%}"
            f"{row['test_top1']:8.2%}{row['test_mean_per_class']:10.2%}{row['training_s'] / 60:9.1f}"
        )
    tests = [row["test_top1"] for row in rows]
    spread = statistics.stdev(tests) if len(tests) > 1 else None
    print(f"mean {statistics.mean(tests):.2%}" + (f", deviation {spread:.2%} (n = {len(tests)})" if spread else ""))
    summary = {"n": len(rows), "test_top1_mean": statistics.mean(tests), "test_top1_deviation": spread}
    write_results(f"record-{settings.name}", torch.device("cpu"), {**summary, "runs": rows})


def read_run(folder: Path) -> dict[str, Any]:
    """Return what a finished run reached: settings that were chosen, measures, curve, time, hardware."""
    content = read_checkpoint(folder / "ckpt.pt")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    curve = [line for line in lines if "val/top1" in line]
    config, quality = content["config"], content["quality"]
    rates = [line["time/images_per_s"] for line in lines if "time/images_per_s" in line]
    return {
        "run": folder.name,
        "settings": {name: value for name, value in config.items() if name not in ABOUT_PLACES},
        "val_top1": quality["val/top1"],
        "test_top1": quality["extractor/top1"],
        "test_top5": quality["extractor/top5"],
        "test_mean_per_class": quality.get("extractor/mean_per_class", quality["extractor/top1"]),
        "training_s": sum(line["time/epoch_s"] for line in curve),
        "images_per_s": statistics.median(rates),
        "curve": [{key: line[key] for key in ("step", "val/top1", "val/loss", "time/epoch_s")} for line in curve],
        "hardware": content["environment"],
    }


if __name__ == "__main__":
    main()
