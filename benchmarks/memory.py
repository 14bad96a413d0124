"""The estimate of memory that a command makes before its work, beside what the command then takes.

    uv run python benchmarks/memory.py

prints a table and writes benchmarks/results/memory-<device>.json. Every row is the whole command in a process of its
own. The estimate is what the process has when it is made, and what it says will be added; the peak is the process's
highest resident memory (VmHWM), so that both hold Python, torch and its libraries, about 0.8 GiB. `added` compares what
came on top of that alone.
"""

import contextlib
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from results_file import write_results

from nstkit import memory

PAINTERS = ("carried", "vgg19@random", "squeezenet1_1@random", "resnet50@random")
TRAININGS = (
    "--arch vgg19 --batch-size 128",
    "--arch vgg11 --head fc4096 --norm none --batch-size 32",
    "--arch resnet18 --image-size 64 --batch-size 64",
)


@dataclass(frozen=True)
class Settings:
    """Compare estimates of memory with what is taken."""

    size: tuple[int, ...] = (256, 512)
    """Longer side of a painting [px]."""
    precision: tuple[str, ...] = ("fp32", "bf16")
    """Number formats."""
    steps: int = 10
    """Evaluations of a painting, which are also the history of L-BFGS; a training takes three steps."""


def main() -> None:
    """Run every command, print the table, write the file."""
    settings = tyro.cli(Settings)
    jobs = [
        ("transfer", f"--backbone {name} --size {size} --precision {precision} --steps {settings.steps} --judge none")
        for name in PAINTERS
        for size in settings.size
        for precision in settings.precision
    ]
    jobs += [
        ("train_backbone", f"{words} --precision {precision} --dataset patterns --max-steps 3 --no-quality")
        for words in TRAININGS
        for precision in settings.precision
    ]
    rows = []
    print(f"{'estimate MiB':>12s}{'peak MiB':>10s}{'ratio':>7s}{'added':>7s}{'took s':>8s}")
    for command, words in jobs:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            row = {"command": f"{command} {words}", **pool.submit(measure, command, words).result()}
        rows.append(row)
        print(
            f"{row['estimate_mib']:12,.0f}{row['peak_mib']:10,.0f}{row['ratio']:7.2f}{row['ratio_added']:7.2f}"
            f"{row['time_s']:8.2f}  {row['command']}",
            flush=True,
        )
    device = torch.device("cpu")
    write_results("memory-cpu", device, {"rows": rows})


def measure(command: str, words: str) -> dict[str, Any]:
    """Return the figures of one command, which is run in this process."""
    from importlib import import_module

    estimates = import_module("transfer.painting.estimate" if command == "transfer" else "train_backbone.estimate")
    estimates.cautious_bytes = lambda *_: sys.maxsize  # small paintings are estimated as well
    name = "painting_bytes" if command == "transfer" else "training_bytes"
    estimate_bytes, seen = getattr(estimates, name), {}

    def estimate(*arguments: Any) -> int | None:
        started = time.perf_counter()
        needed = estimate_bytes(*arguments)
        seen.update(time_s=time.perf_counter() - started, needed_mib=needed / 2**20, before_mib=status_mib("VmRSS"))
        return needed

    setattr(estimates, name, estimate)
    with tempfile.TemporaryDirectory() as runs_dir, open(Path(runs_dir) / "log", "w") as log:
        sys.argv = [command, *words.split(), "--quiet", "--device", "cpu", "--runs-dir", runs_dir]
        with contextlib.redirect_stdout(log):
            import_module(f"{command}.__main__").main()
    peak_mib, estimate_mib = status_mib("VmHWM"), seen["before_mib"] + seen["needed_mib"]
    return {
        **seen,
        "estimate_mib": estimate_mib,
        "peak_mib": peak_mib,
        "ratio": estimate_mib / peak_mib,
        "ratio_added": seen["needed_mib"] / (peak_mib - seen["before_mib"]),
    }


def status_mib(field: str) -> float:
    """Return a field of /proc/self/status that is given in kB."""
    lines = (memory.PROC / "self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1]) / 1024


if __name__ == "__main__":
    main()
