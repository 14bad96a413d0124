"""Checkpoints that hold anything: each loads, or is one line. `benchmarks/fuzz_checkpoints.py` does more."""

import importlib
import random
import shutil
from pathlib import Path

import pytest

from nstkit.errors import UserError

FOLDER = Path(__file__).parents[2] / "benchmarks"
CASES = 250


@pytest.fixture
def fuzz_checkpoints(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("fuzz_checkpoints")


@pytest.mark.filterwarnings("ignore")  # torch's of odd files, and ours of what was left aside
def test_damaged_checkpoints_load_or_are_refused_in_one_line(tmp_path, fuzz_checkpoints):
    rng, maker, said = random.Random(0), fuzz_checkpoints.Cases(tmp_path), []
    for _ in range(CASES):
        place = tmp_path / "case"
        place.mkdir()
        path = maker.write(place, rng)
        try:
            fuzz_checkpoints.read_as_a_command(path)
        except UserError as error:
            said.append((path, str(error)))
        shutil.rmtree(place)
    assert CASES / 20 < len(said) < 19 * CASES / 20  # the damages are neither harmless nor hopeless
    assert all(str(path) in message and "\n" not in message for path, message in said)


@pytest.mark.filterwarnings("ignore")
def test_undamaged_cases_load(tmp_path, fuzz_checkpoints):
    (tmp_path / "own.pt").write_bytes(fuzz_checkpoints.saved(fuzz_checkpoints.whole_checkpoint()))
    fuzz_checkpoints.read_as_a_command(tmp_path / "own.pt")
    for number, content in enumerate(fuzz_checkpoints.Cases(tmp_path)._foreign):
        (tmp_path / f"foreign-{number}.pt").write_bytes(fuzz_checkpoints.saved(content))
        fuzz_checkpoints.read_as_a_command(tmp_path / f"foreign-{number}.pt")
    fuzz_checkpoints.read_as_a_command(tmp_path / "whole")
