"""A hundred pairs in bulk: killed three times, one picture broken, and with two workers of Ray, one of them killed.

    OMP_NUM_THREADS=1 uv run --extra grid python benchmarks/bulk.py

Ten contents in ten styles at 128 px, 15 evaluations each with the carried network, one content broken. The command is
run to its end; then again, ended by SIGKILL three times at moments spread over that time, each time gone on with by
`--resume auto`; then with two workers, one of which gets a SIGKILL while it paints. Prints a row a run and writes
benchmarks/results/bulk.json: how many pictures there are, how many were painted twice, whether all are equal to those
of the first run to the bit, whether the broken one is named, and the exit code, which is 1 for it.

Two cores of an AMD EPYC that were busy with other work, torch 2.15, Ray 2.60, threads: 1. Killed when 23, 45 and 58 of
the 90 pictures were finished, then run to the end: 90 pictures, none painted twice, none that differs from the unbroken
run; with two workers likewise; the broken picture was named, with exit code 1. Times say nothing on such a machine.
"""

import argparse
import csv
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
from results_file import write_results

from nstkit.embedded import read_texts
from nstkit.errors import run_command
from nstkit.pictures.read import read_picture
from nstkit.sample import sample_content, sample_style

WORDS = ("--content", "content", "--style", "style", "--judge", "none", "--device", "cpu", "--precision", "fp32")
RAY = ("--workers", "2", "--threads", "1")
BROKEN = "content3.png"
PATIENCE_S = 3600
Facts = dict[str, Any]


def main() -> None:
    """Run all four, print, write the file."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--side", type=int, default=10, help="contents, and styles (default: 10)")
    parser.add_argument("--size", type=int, default=128, help="longer side [px] (default: 128)")
    parser.add_argument("--steps", type=int, default=15, help="evaluations (default: 15)")
    parser.add_argument("--kills", type=int, default=3, help="of the command (default: 3)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: 0)")
    given = parser.parse_args()
    words = (*WORDS, "--size", str(given.size), "--steps", str(given.steps))
    moments = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_inputs(folder, given.side)
        bulk = Bulk(folder, words, given.side * (given.side - 1))
        rows = [bulk.run("whole")]
        whole_s = rows[0]["seconds"]
        for _ in range(given.kills):
            after_s = moments.uniform(0.1, 0.9) * whole_s / given.kills
            rows.append(bulk.run("killed", end=lambda process, after_s=after_s: kill_after(process, after_s)))
        rows.append(bulk.run("killed"))
        rows.append(bulk.run("workers", *RAY))
        rows.append(bulk.run("worker-killed", *RAY, end=lambda process: kill_worker(process, whole_s / 4)))
    write_results("bulk", torch.device("cpu"), {"settings": vars(given), "runs": rows})


class Bulk:
    """Runs the command and looks at what it leaves."""

    def __init__(self, folder: Path, words: tuple[str, ...], wanted: int) -> None:
        self._folder, self._words, self._wanted = folder, words, wanted

    def run(self, name: str, *more: str, end: Callable[[subprocess.Popen], object] | None = None) -> Facts:
        """Start the command, or go on with it, under the name of a run; `end` may kill something of it."""
        run = self._folder / "runs" / "transfer" / name
        before = {path: path.stat().st_mtime_ns for path in finished(run)}
        words = ("--runs-dir", "runs", "--run-name", name, "--resume", "auto", "--quiet")
        command = [sys.executable, "-m", "transfer", *self._words, *words, *more]
        started = time.monotonic()
        unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            command, cwd=self._folder, env=unbuffered, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            killed = None if end is None else end(process)
            printed, _ = process.communicate(timeout=PATIENCE_S)
        pictures = finished(run)
        first = finished(run.with_name("whole"))
        facts = {
            "run": name,
            "workers": 2 if RAY[0] in more else 0,
            "killed": killed,
            "code": process.returncode,
            "seconds": round(time.monotonic() - started, 1),
            "before": len(before),
            "pictures": len(pictures),
            "of": self._wanted,
            "painted_twice": sum(path.stat().st_mtime_ns != then for path, then in before.items()),
            "differing": sum(pixels(path) != pixels(run.with_name("whole") / "images" / path.name) for path in pictures)
            if first
            else None,
            "rows": count_rows(run),
            "names_broken": BROKEN in printed,
            "tracebacks": printed.count("Traceback"),
        }
        print(*(f"{key} {value}" for key, value in facts.items()), sep="  ", flush=True)
        if process.returncode not in (1, -signal.SIGKILL):
            print(printed)
        return facts


def draw_inputs(folder: Path, side: int) -> None:
    """Write contents, one of them broken, and styles."""
    photograph = sample_content()
    for index in range(side):
        for kind, picture in (
            ("content", photograph.crop((20 * index, 10 * index, 300 + 20 * index, 220 + 10 * index))),
            ("style", sample_style(192, index)),
        ):
            path = folder / kind / f"{kind}{index}.png"
            path.parent.mkdir(exist_ok=True)
            picture.save(path)
    broken = folder / "content" / BROKEN
    broken.write_bytes(broken.read_bytes()[:2000])


def finished(run: Path) -> list[Path]:
    """Return the pictures of a run that carry the key of their job."""
    return [path for path in sorted((run / "images").glob("*.png")) if '"job": "' in read_texts(path).get("nstkit", "")]


def pixels(path: Path) -> bytes:
    """Return the values of a picture."""
    return read_picture(path).tobytes()


def count_rows(run: Path) -> int:
    """Return how many pictures results.csv names, each once."""
    path = run / "results.csv"
    return len({row["picture"] for row in csv.DictReader(path.read_text().splitlines())}) if path.exists() else 0


def kill_after(process: subprocess.Popen, after_s: float) -> str:
    """Kill a command that many seconds after its first picture, or at its end."""
    assert process.stdout is not None
    for line in process.stdout:
        if "style loss" in line:
            break
    time.sleep(after_s)
    process.kill()
    return f"command, {after_s:.0f} s after its first picture"


def kill_worker(process: subprocess.Popen, after_s: float) -> str | None:
    """Kill one of the command's workers while it paints, that many seconds after the first picture."""
    assert process.stdout is not None
    for line in process.stdout:
        if "style loss" in line:
            break
    time.sleep(after_s)
    while process.poll() is None:
        if busy := [pid for pid in descendants(process.pid) if re.search(r"ray::\w+\.do", command_of(pid))]:
            os.kill(busy[0], signal.SIGKILL)
            return f"a worker that painted, {after_s:.0f} s after the first picture"
        time.sleep(0.01)
    return None


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, directly or not."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    found = [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def command_of(pid: int) -> str:
    """Return how a process calls itself, empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


if __name__ == "__main__":
    run_command(main)
