"""Command lines and files at random: each is accepted or one line. `benchmarks/fuzz_settings.py` does more."""

import importlib
from pathlib import Path

import pytest

CASES = 250


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    return importlib.import_module("fuzz_settings").fuzz


@pytest.mark.filterwarnings("default")
def test_every_command_line_is_accepted_or_refused_in_one_line(fuzz):
    found = fuzz(seed=0, cases=CASES)
    assert found["kept"] == []
    assert found["accepted"] + found["refused"] == found["cases"] == CASES
    assert CASES / 20 < found["accepted"] < CASES / 2  # neither harmless nor hopeless
