"""Damaged pictures of every format: each is read, or refused in one line. `benchmarks/fuzz_pictures.py` does more."""

import importlib
import random
from pathlib import Path

import pytest

from nstkit.errors import UserError

FOLDER = Path(__file__).parents[3] / "benchmarks"
CASES = 400


@pytest.fixture
def fuzz_pictures(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("fuzz_pictures")


@pytest.mark.filterwarnings("ignore")  # Pillow's of odd files, and ours of guessed white
def test_damaged_pictures_are_read_or_refused_in_one_line(tmp_path, fuzz_pictures):
    rng, maker, said = random.Random(0), fuzz_pictures.Cases(), []
    for _ in range(CASES):
        path = maker.write(tmp_path, rng)
        try:
            fuzz_pictures.read_as_in_a_painting(path)
        except UserError as error:
            said.append((path, str(error)))
    assert CASES / 20 < len(said) < 19 * CASES / 20  # the damages are neither harmless nor hopeless
    assert all(str(path) in message and "\n" not in message for path, message in said)


@pytest.mark.filterwarnings("ignore")
def test_undamaged_files_of_the_fuzzer_are_read(tmp_path, fuzz_pictures):
    for name, content in fuzz_pictures.whole_files().items():
        (tmp_path / name).write_bytes(content)
        fuzz_pictures.read_as_in_a_painting(tmp_path / name)
