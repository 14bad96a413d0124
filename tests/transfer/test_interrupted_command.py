"""Whatever ends `python -m transfer` early, what was painted is saved and stands in its table."""

import csv
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from nstkit.interruption import ENDS
from transfer import batch, report
from transfer.__main__ import main
from transfer.judges.panel import Panel

STEPS = 12
QUICK = ("--device", "cpu", "--precision", "fp32", "--size", "48", "--steps", STEPS, "--quiet", "--judge", "none")


def read_results(folder):
    with open(folder / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_scheduler_or_terminal_that_ends_a_painting_loses_nothing(number, checkpoint, pictures, tmp_path):
    words = ["--backbone", checkpoint, "--content", pictures / "content", "--style", pictures / "style", *QUICK]
    words += ["--steps", 100_000, "--tolerance", 0, "--runs-dir", tmp_path]
    command = [sys.executable, "-m", "transfer", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not any(map(_has_steps, tmp_path.glob("transfer/*/metrics.jsonl"))):
            time.sleep(0.1)
        process.send_signal(number)
        error = process.communicate()[1]
    assert process.returncode == 130
    assert error.splitlines() == [
        "stopping as soon as all is saved; once more stops at once",
        "interrupted; what was finished is saved",
    ]
    (run,) = (tmp_path / "transfer").iterdir()
    (row,) = read_results(run)
    with Image.open(row["picture"]) as picture:
        assert max(picture.size) == 48
        assert picture.load() is not None


def _has_steps(metrics):
    return len(metrics.read_text().splitlines()) > 2


def test_interrupt_saves_what_is_there(checkpoint, pictures, tmp_path, call_command, monkeypatch, read_row):
    whole_step, count = report.Reporter.step, 0

    def step(self, record):
        nonlocal count
        whole_step(self, record)
        count += 1
        if count == STEPS + 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(report.Reporter, "step", step)
    words = ("--backbone", checkpoint, "--content", pictures / "content", "--style", pictures / "style")
    assert call_command(main, *words, *QUICK, "--runs-dir", tmp_path) == 130
    (folder,) = (tmp_path / "transfer").iterdir()
    rows = read_results(folder)
    assert [row["style"] for row in rows] == ["dots", "waves"]
    assert int(rows[1]["step"]) <= 5
    assert {path.name for path in (folder / "images").iterdir()} == {"boat-dots.png", "boat-waves.png"}
    assert read_row(folder).settings["content"] == "2 pictures"  # of all that were to be painted


@pytest.mark.parametrize("number", ENDS)
def test_signal_while_judging_saves_the_painting_and_ends(
    number, checkpoint, pictures, tmp_path, cpu, call_command, monkeypatch
):
    before = signal.signal(number, signal.default_int_handler)

    def judge(panel, *pictures):
        signal.raise_signal(number)
        return {}

    nobody = Panel(cpu)
    monkeypatch.setattr(batch, "load_judges", lambda *_: nobody)
    monkeypatch.setattr(Panel, "judge", judge)
    words = ("--backbone", checkpoint, "--content", pictures / "content", "--style", pictures / "style", *QUICK)
    try:
        assert call_command(main, *words, "--judge", "carried", "--runs-dir", tmp_path, "--run-name", "a") == 130
    finally:
        signal.signal(number, before)
    (row,) = read_results(tmp_path / "transfer" / "a")
    assert int(row["step"]) > 5
    assert [path.name for path in (tmp_path / "transfer" / "a" / "images").iterdir()] == ["boat-dots.png"]


def test_interrupt_between_two_pairs_keeps_the_first(checkpoint, pictures, tmp_path, call_command, monkeypatch):
    whole_begin, count = report.Reporter.begin, 0

    def begin(self, pair, scene=None):
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        whole_begin(self, pair, scene)

    monkeypatch.setattr(report.Reporter, "begin", begin)
    words = ("--backbone", checkpoint, "--content", pictures / "content", "--style", pictures / "style")
    assert call_command(main, *words, *QUICK, "--runs-dir", tmp_path) == 130
    (folder,) = (tmp_path / "transfer").iterdir()
    assert len(read_results(folder)) == 1
