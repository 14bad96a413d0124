"""`python -m transfer.study` from end to end: the table, the sheet, and going on where it was stopped."""

import csv
import json

import pytest
from PIL import Image

from transfer.jobs import easel
from transfer.study import grid
from transfer.study.__main__ import main

QUICK = ("--device", "cpu", "--precision", "fp32", "--size", "48", "--steps", "3", "--quiet", "--judge", "none")


@pytest.fixture
def words(pictures, checkpoint, tmp_path):
    """A grid of 2 pairs, 2 variants and 2 weights."""
    folders = ("--content", pictures / "content", "--style", pictures / "style", "--pairing", "matched")
    variants = ("--variant", "spectrum:", "pixels: --canvas pixels", "--style-weight", "3", "30")
    run = ("--runs-dir", tmp_path / "runs", "--run-name", "it")
    return ("--backbone", checkpoint, *folders, *variants, *QUICK, *run)


def read_rows(folder):
    with open(folder / "results.csv") as file:
        return list(csv.DictReader(file))


def test_grid_is_painted_and_laid_out(words, tmp_path, call_command, capsys, read_events):
    assert call_command(main, *words) == 0
    folder = tmp_path / "runs" / "study" / "it"
    rows = read_rows(folder)
    assert [(row["content"], row["style"], row["variant"], row["style_weight"]) for row in rows] == [
        (*pair, variant, weight)
        for pair in (("boat", "dots"), ("house", "waves"))
        for variant in ("spectrum", "pixels")
        for weight in ("3.0", "30.0")
    ]
    for gentle, strong in zip(rows[::2], rows[1::2], strict=True):
        assert 0 < float(gentle["loss/style"]) != float(strong["loss/style"]) < 1.1
        assert float(strong["cost"]) > 0
    assert len(list((folder / "cells").glob("*.png"))) == len(list((folder / "cells").glob("*.json"))) == 8
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.width > 5 * 48
    out = capsys.readouterr().out
    assert "[8/8]" in out
    assert out.splitlines()[-1].startswith("results: ")
    events = read_events(folder)
    assert [scalar.step for scalar in events.Scalars("loss/style")] == list(range(1, 9))
    assert "image/sheet" in events.Tags()["images"]


def test_same_name_goes_on_and_paints_nothing_twice(words, tmp_path, call_command, capsys, monkeypatch):
    paint, painted = easel.paint, []

    def interrupted(scene, backbone, settings, note, *more, **options):
        def note_or_interrupt(step):
            note(step)
            if len(painted) == 4:
                raise KeyboardInterrupt

        painted.append(scene)
        return paint(scene, backbone, settings, note_or_interrupt, *more, **options)

    monkeypatch.setattr(easel, "paint", interrupted)
    assert call_command(main, *words) == 130
    folder = tmp_path / "runs" / "study" / "it"
    assert len(read_rows(folder)) == 3
    first = read_rows(folder)
    assert call_command(main, *words) == 0
    assert len(painted) == 4 + 5
    rows = read_rows(folder)
    assert len(rows) == 8
    assert rows[:3] == first
    assert capsys.readouterr().out.count("(finished before)") == 3
    assert call_command(main, *words) == 0
    assert len(painted) == 9
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 9))


def test_cell_that_cannot_be_painted_is_a_row_with_its_reason(words, tmp_path, call_command):
    given = [word if word != "pixels: --canvas pixels" else "wrong: --style-taps relu9_9" for word in words]
    assert call_command(main, *given) == 1
    rows = read_rows(tmp_path / "runs" / "study" / "it")
    wrong = [row for row in rows if row["variant"] == "wrong"]
    assert len(wrong) == 4
    assert all("tap 'relu9_9' is not in" in row["error"] for row in wrong)
    assert len(list((tmp_path / "runs" / "study" / "it" / "cells").glob("*.json"))) == 4


def test_cell_that_the_memory_is_too_small_for_does_not_end_the_study(
    words, tmp_path, call_command, monkeypatch, capsys
):
    paint = easel.paint

    def fail_for_pixels(scene, backbone, settings, *more, **options):
        if settings.optimization.canvas == "pixels":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate ...")
        return paint(scene, backbone, settings, *more, **options)

    monkeypatch.setattr(easel, "paint", fail_for_pixels)
    assert call_command(main, *words) == 1
    assert "4 of 8 cells could not be painted" in capsys.readouterr().err
    rows = read_rows(tmp_path / "runs" / "study" / "it")
    assert ["too little memory" in row["error"] for row in rows] == [row["variant"] == "pixels" for row in rows]


def test_cell_far_too_large_is_a_row_before_its_pictures_are_made(words, tmp_path, call_command, monkeypatch):
    monkeypatch.setattr(grid.Painter, "_judge", lambda *_: pytest.fail("nothing was painted"))
    monkeypatch.setattr("transfer.pairs.Pair.scene", lambda *_: pytest.fail("it takes 60 GB"))
    assert call_command(main, *words, "--size", 99_999) == 1
    for row in read_rows(tmp_path / "runs" / "study" / "it"):
        assert row["error"].startswith("Painting 99999 px with ")
        assert "GiB of memory" in row["error"]


def test_judges_are_the_same_for_every_cell(words, trained_run, tmp_path, call_command):
    given = [
        *words,
        "--size",
        "72",
        "--judge",
        trained_run / "ckpt.pt",
        "--variant",
        "spectrum:",
        "--style-weight",
        "3",
    ]
    assert call_command(main, *given) == 0
    for row in read_rows(tmp_path / "runs" / "study" / "it"):
        assert -1 <= float(row["judge/style"]) <= 1
        assert 0 < float(row["judge/content"]) <= 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--variant", "a: --size 64"), "--size cannot differ by variant"),
        (("--size", "8", "--steps", "0"), "not allowed: --size 8 (at least 32), --steps 0 (at least 1)"),
        (("--content", "gone.png"), "gone.png: no such picture"),
        (("--backbone", "gone.pt"), "--backbone gone.pt: no such checkpoint"),
    ],
)
def test_mistake_is_one_line_and_leaves_nothing(given, message, words, tmp_path, call_command, capsys):
    assert call_command(main, *words, *given) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "runs").exists()
