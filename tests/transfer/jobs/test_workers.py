"""Both commands with two workers of Ray: the same pictures and numbers as without."""

import csv
import json

import pytest
import torch

from nstkit.pictures.read import read_picture
from transfer.__main__ import main
from transfer.study.__main__ import main as study

QUICK = ("--device", "cpu", "--precision", "fp32", "--size", "48", "--steps", "4", "--quiet", "--judge", "none")


@pytest.fixture
def words(checkpoint, pictures, tmp_path):
    """Two contents in two styles; one thread, since the last bits depend on how many there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folders = ("--content", pictures / "content", "--style", pictures / "style", "--runs-dir", tmp_path)
    yield ("--backbone", checkpoint, *folders, *QUICK)
    torch.set_num_threads(threads)


def pixels_of(folder):
    return {path.name: read_picture(path).tobytes() for path in folder.glob("*.png")}


def rows_of(run):
    with open(run / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name not in ("time_s", "picture")} for row in rows]


def lines_of(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    pairs = sorted((line for line in lines if "measures" not in line), key=lambda line: [*line][2].partition("/")[0])
    return [{name: value for name, value in line.items() if name != "time"} for line in pairs]


def test_pictures_and_numbers_are_the_same_to_the_bit(
    words, two_workers, tmp_path, call_command, read_events, read_row
):
    for name, more in (("alone", ()), ("together", ("--workers", 2, "--threads", 1))):
        assert call_command(main, *words, *more, "--run-name", name) == 0
    alone, together = (tmp_path / "transfer" / name for name in ("alone", "together"))
    assert len(pixels_of(alone / "images")) == 4
    assert pixels_of(alone / "images") == pixels_of(together / "images")
    assert rows_of(alone) == rows_of(together)
    assert lines_of(alone) == lines_of(together)
    assert read_row(alone).settings == read_row(together).settings
    events = [read_events(run) for run in (alone, together)]
    assert set(events[0].Tags()["images"]) == set(events[1].Tags()["images"])


def test_study_has_the_same_cells(words, two_workers, tmp_path, call_command, capsys):
    for name, more in (("alone", ()), ("together", ("--workers", 2, "--threads", 1))):
        assert call_command(study, *words, *more, "--run-name", name) == 0
    alone, together = (tmp_path / "study" / name for name in ("alone", "together"))
    assert len(pixels_of(alone / "cells")) == 4
    assert pixels_of(alone / "cells") == pixels_of(together / "cells")
    assert rows_of(alone) == rows_of(together)
    assert call_command(study, *words, "--workers", 2, "--threads", 1, "--run-name", "alone") == 0
    assert capsys.readouterr().out.count("(finished before)") == 4
