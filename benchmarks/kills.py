"""What is left, and what is done again, when batches of paintings and a training are killed at random moments.

    OMP_NUM_THREADS=1 uv run python benchmarks/kills.py

SIGKILL, SIGTERM and SIGHUP come in turn, to a batch of `transfer` (a new run each time), to a study and to a training,
at moments spread over the time that the unbroken command takes. The latter two are started again with the same command
until they are done; then the next one begins. Prints a row a kill and writes benchmarks/results/kills.json. Broken are
pictures that do not open, rows of a table without a picture, lines of metrics.jsonl that are no JSON, and checkpoints
that do not load; equal are trainings whose weights, and all that was logged of them, are bit for bit those of a
training that nothing broke off.

Two cores of an AMD EPYC with other work on them, torch 2.15, 60 kills: nothing broken, no traceback, every picture
whole and in its table. Batches of paintings, of 18 s: SIGTERM and SIGHUP ended 13, which all saved the picture in work
as far as it was; SIGKILL lost that picture alone. Studies: none of the 31 cells that were kept at a restart was painted
again. Trainings, of 37 s and 2,580 steps: 20 of the logged steps were done again after two of the SIGKILLs, none after
the other six kills behind which it went on; all eleven are equal.
"""

import argparse
import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from results_file import write_results

from nstkit.checkpoint import read_checkpoint
from nstkit.datasets.patterns import draw_patterns
from nstkit.errors import run_command
from nstkit.sample import sample_content, sample_style

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
PATIENCE_S = 300  # a command that hangs
SHARED = ("--device", "cpu", "--precision", "fp32", "--quiet", "--runs-dir", "runs")
PICTURES = ("--content", "content", "--style", "style", "--size", "128", "--steps", "40", "--judge", "none")
TRAINING = (
    *(
        "train_backbone",
        "--dataset",
        "folder",
        "--data-dir",
        "classes",
        "--image-size",
        "32",
        "--arch",
        "vgg11",
        "--width",
        "0.0625",
    ),
    *("--batch-size", "8", "--epochs", "60", "--save-every", "1", "--no-quality", "--resume", "auto"),
)
Facts = dict[str, Any]
Words = tuple[str, ...]


def main() -> None:
    """Kill all three, print, write the file."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="of each of the three (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    settings = parser.parse_args()
    rows: dict[str, list[Facts]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_inputs(folder)
        for kind, (words, kill) in KINDS.items():
            started = time.monotonic()
            run_until(folder, (*words, "--run-name", "unbroken"), signal.SIGKILL, PATIENCE_S)
            whole_s, moments, rows[kind] = time.monotonic() - started, random.Random(settings.seed), []
            print(f"{kind}: {whole_s:.1f} s unbroken")
            while len(rows[kind]) < settings.kills:
                number, moment_s = SIGNALS[len(rows[kind]) % len(SIGNALS)], moments.uniform(0, whole_s)
                facts = {"signal": number.name, "after_s": round(moment_s, 1), **kill(folder, words, number, moment_s)}
                if facts["code"] != 0:  # otherwise it ended before
                    rows[kind].append(facts)
                    print(*(f"{name} {value}" for name, value in facts.items()), sep="  ", flush=True)
        compared = compare_trainings(folder)
        print("trainings", *compared, sep="\n  ")
    write_results("kills", torch.device("cpu"), {"settings": vars(settings), **rows, "trainings": compared})


def draw_inputs(folder: Path) -> None:
    """Write three contents, three styles, and four classes of textures, 120 pictures each."""
    for name in ("content", "style"):
        (folder / name).mkdir()
    for index in range(3):
        sample_content().crop((0, 0, 300 + 50 * index, 300)).save(folder / "content" / f"content{index}.png")
        sample_style(128, index).save(folder / "style" / f"style{index}.png")
    images, labels = draw_patterns(1440, 32, seed=0)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        if label < 4:
            path = folder / "classes" / ("test" if index % 5 == 0 else "train") / str(label) / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.transpose(1, 2, 0)).save(path)


def run_until(folder: Path, words: Words, number: int, moment_s: float) -> tuple[int, str]:
    """Start a command and send it a signal at that moment; return its exit code and what it printed."""
    command = [sys.executable, "-m", *words, *SHARED]
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}  # what was printed before a SIGKILL is read
    with subprocess.Popen(
        command, cwd=folder, env=unbuffered, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            printed, _ = process.communicate(timeout=moment_s)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            printed, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, printed


def kill_painting(folder: Path, words: Words, number: int, moment_s: float) -> Facts:
    """Kill a batch of nine paintings, which is begun anew each time; return what is left of it."""
    parent = folder / "runs" / "transfer"
    run = parent / f"batch{len(list(parent.iterdir()))}"
    code, printed = run_until(folder, (*words, "--run-name", run.name), number, moment_s)
    pictures = sorted((run / "images").glob("*.png"))
    cut_short = printed.count("interrupted at")
    faults = count_faults(run, pictures, [folder / row["picture"] for row in read_table(run)], printed)
    return {"code": code, "pictures": len(pictures), "cut_short": cut_short, **faults}


def kill_study(folder: Path, words: Words, number: int, moment_s: float) -> Facts:
    """Kill a study of nine cells that goes on where the one before was killed."""
    run = current(folder / "runs" / "study")
    before = {path: path.stat().st_mtime_ns for path in (run / "cells").glob("*.json")}
    code, printed = run_until(folder, (*words, "--run-name", run.name), number, moment_s)
    end(run, code)
    cells = sorted((run / "cells").glob("*.json"))
    again = sum(path.stat().st_mtime_ns != written for path, written in before.items())
    facts = {"code": code, "cells_before": len(before), "done_again": again, "cells": len(cells)}
    return {**facts, **count_faults(run, [path.with_suffix(".png") for path in cells], [], printed)}


def kill_training(folder: Path, words: Words, number: int, moment_s: float) -> Facts:
    """Kill a training that goes on where the one before was saved."""
    run = current(folder / "runs" / "train_backbone")
    before = last_step(run)
    code, printed = run_until(folder, (*words, "--run-name", run.name), number, moment_s)
    end(run, code)
    resumed = re.search(r"resumed at step (\d+)", printed)
    again = before - int(resumed[1]) if resumed else None  # None = killed before it was ready to go on
    facts = {"code": code, "steps_before": before, "done_again": again, "steps": last_step(run)}
    return {**facts, **count_faults(run, [], [], printed)}


KINDS: dict[str, tuple[Words, Callable[[Path, Words, int, float], Facts]]] = {
    "painting": (("transfer", *PICTURES), kill_painting),
    "study": (("transfer.study", *PICTURES), kill_study),
    "training": (TRAINING, kill_training),
}


def compare_trainings(folder: Path) -> list[str]:
    """Finish the last training; say of each whether it is equal to the one that nothing broke off."""
    parent = folder / "runs" / "train_backbone"
    run_until(folder, (*TRAINING, "--run-name", current(parent).name), signal.SIGKILL, PATIENCE_S)
    whole = result_of(parent / "unbroken")
    return [f"{run.name}: {'equal' if result_of(run) == whole else 'NOT equal'}" for run in sorted(parent.glob("run*"))]


def result_of(run: Path) -> tuple[list[Facts], dict[str, list[float]]]:
    """Return what was logged of a training but for times, and its last weights."""
    weights = {name: value.flatten().tolist() for name, value in read_checkpoint(run / "last.pt")["model"].items()}
    timeless = [
        {name: value for name, value in line.items() if name != "time" and not name.startswith("time/")}
        for line in lines_of(run)
        if "settings" not in line  # which hold the run's name
    ]
    return timeless, weights


def current(parent: Path) -> Path:
    """Return the first run that has not ended."""
    number = 0
    while (parent / f"run{number}" / ".ended").exists():
        number += 1
    return parent / f"run{number}"


def end(run: Path, code: int) -> None:
    """Note that a run has come to its end."""
    if code == 0:
        (run / ".ended").touch()


def count_faults(run: Path, pictures: list[Path], listed: list[Path], printed: str) -> Facts:
    """Return how many files of a run cannot be read, are listed and not there or the reverse, or were not finished."""

    def read_picture(path: Path) -> None:
        with Image.open(path) as picture:
            picture.load()

    readers: list[tuple[Path, Callable[[Path], object]]] = [(path, read_picture) for path in pictures]
    readers += [(path, read_checkpoint) for path in run.rglob("*.pt")]
    readers += [(run, lines_of)]
    broken = sum(not can_read(path, read) for path, read in readers)
    missing = len(set(listed) - set(pictures))
    unlisted = len(set(pictures) - set(listed)) if listed else 0
    parts = len(list(run.rglob("*.nstkit-part")))
    return {"broken": broken + missing, "unlisted": unlisted, "parts": parts, "tracebacks": printed.count("Traceback")}


def can_read(path: Path, read: Callable[[Path], object]) -> bool:
    """Return whether reading a file raises nothing."""
    try:
        read(path)
    except Exception:
        return False
    return True


def lines_of(run: Path) -> list[Facts]:
    """Return what metrics.jsonl holds; a line that is no JSON raises."""
    metrics = run / "metrics.jsonl"
    return [json.loads(line) for line in metrics.read_text().splitlines()] if metrics.exists() else []


def last_step(run: Path) -> int:
    """Return the last step that was logged."""
    return max((line["step"] for line in lines_of(run)), default=0)


def read_table(run: Path) -> list[dict[str, str]]:
    """Return the rows of results.csv."""
    path = run / "results.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


if __name__ == "__main__":
    run_command(main)
