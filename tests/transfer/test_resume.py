"""Many pictures by `python -m transfer`: what is finished is not painted again, a broken one costs its own alone."""

import csv
import json
import shutil
import warnings

import numpy as np
import pytest

from nstkit.pictures.read import read_picture
from transfer import report
from transfer.__main__ import main

STEPS = 6
PAIRS = ["boat-dots", "boat-waves", "house-dots", "house-waves"]


@pytest.fixture
def words(checkpoint, pictures, tmp_path):
    """Two contents in two styles, in folders of their own."""
    for name in ("content", "style"):
        shutil.copytree(pictures / name, tmp_path / name)
    quick = ("--device", "cpu", "--precision", "fp32", "--size", "48", "--steps", STEPS, "--quiet", "--judge", "none")
    folders = ("--content", tmp_path / "content", "--style", tmp_path / "style")
    return ("--backbone", checkpoint, *folders, *quick, "--runs-dir", tmp_path / "runs")


@pytest.fixture
def interrupt_after(monkeypatch):
    """Interrupt the command once, after so many evaluations."""
    whole = report.Reporter.step

    def arrange(count):
        def step(self, record):
            nonlocal count
            whole(self, record)
            count -= 1
            if count == 0:
                raise KeyboardInterrupt

        monkeypatch.setattr(report.Reporter, "step", step)

    return arrange


@pytest.fixture
def painted(monkeypatch):
    """The pairs that are begun, in order."""
    names, whole = [], report.Reporter.begin

    def begin(self, pair, scene=None):
        names.append(pair.name)
        whole(self, pair, scene)

    monkeypatch.setattr(report.Reporter, "begin", begin)
    return names


def runs_of(tmp_path):
    return sorted((tmp_path / "runs" / "transfer").iterdir())


def rows_of(run):
    with open(run / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


def lines_of(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    # The row of the table is written now and then, by the clock.
    return [{name: value for name, value in line.items() if name != "time"} for line in lines if "measures" not in line]


def pixels_of(run):
    return {path.stem: read_picture(path).tobytes() for path in (run / "images").iterdir()}


def test_interrupted_command_goes_on_and_comes_to_the_same(
    words, tmp_path, call_command, interrupt_after, painted, capsys
):
    assert call_command(main, *words, "--run-name", "whole") == 0
    (whole,) = runs_of(tmp_path)
    assert painted == PAIRS
    shutil.move(whole, tmp_path / "whole")
    whole = tmp_path / "whole"
    painted.clear()
    interrupt_after(STEPS + 3)
    assert call_command(main, *words) == 130
    (run,) = runs_of(tmp_path)
    assert [row["picture"].endswith(f"{name}.png") for row, name in zip(rows_of(run), PAIRS, strict=False)] == [
        True
    ] * 2
    first = rows_of(run)[0]
    painted.clear()
    assert call_command(main, *words, "--resume", "auto") == 0
    assert painted == PAIRS[1:]
    assert "resumed: 1 of 4 pictures are finished" in capsys.readouterr().out
    assert runs_of(tmp_path) == [run]
    assert rows_of(run)[0] == first
    assert pixels_of(run) == pixels_of(whole)
    assert lines_of(run) == lines_of(whole)
    page = (run / "index.html").read_text()
    assert page.count(f"over {STEPS} evaluations") == len(PAIRS)
    assert call_command(main, *words, "--resume", "auto") == 0
    assert len(runs_of(tmp_path)) == 2  # the same command was finished: a new run


def test_each_network_goes_on_in_its_own_run(words, checkpoint, tmp_path, call_command, interrupt_after, painted):
    other = tmp_path / "other" / "ckpt.pt"
    other.parent.mkdir()
    shutil.copy(checkpoint, other)
    words = (*words, "--backbone", checkpoint, other)
    interrupt_after(5 * STEPS + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert call_command(main, *words) == 130
        before = runs_of(tmp_path)
        assert len(before) == 2
        painted.clear()
        assert call_command(main, *words, "--resume", "auto") == 0
    assert runs_of(tmp_path) == before
    assert painted == PAIRS[1:]
    assert [len(rows_of(run)) for run in before] == [4, 4]


def test_picture_that_does_not_open_costs_its_own_pairs_until_it_is_mended(
    words, pictures, tmp_path, call_command, painted, capsys, draw_picture
):
    broken = tmp_path / "content" / "boat.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:200])
    assert call_command(main, *words) == 1
    assert painted == PAIRS[2:]
    error = capsys.readouterr().err.splitlines()
    assert error[0] == "2 of 4 pictures could not be painted as they should:"
    assert error[1].startswith(f"  tiny boat-dots and 1 more: {broken}: not a readable picture")
    (run,) = runs_of(tmp_path)
    assert len(rows_of(run)) == 2
    broken.write_bytes(whole)
    painted.clear()
    assert call_command(main, *words, "--resume", run) == 0
    assert painted == PAIRS[:2]
    assert [row["content"] for row in rows_of(run)] == ["boat", "boat", "house", "house"]
    draw_picture((48, 64), 7).save(tmp_path / "content" / "house.png")  # another picture of that name
    painted.clear()
    assert call_command(main, *words, "--resume", run) == 0
    assert painted == PAIRS[2:]


def test_picture_that_cannot_be_painted_costs_no_other(words, tmp_path, call_command, capsys, monkeypatch):
    from transfer.jobs import easel

    paint = easel.paint

    def fail(scene, *more, **options):
        if scene.size == (48, 36):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return paint(scene, *more, **options)

    monkeypatch.setattr(easel, "paint", fail)
    assert call_command(main, *words) == 1
    assert "2 of 4 pictures could not be painted as they should:" in capsys.readouterr().err
    (run,) = runs_of(tmp_path)
    assert len(rows_of(run)) == 2


def test_finished_picture_that_out_lacks_is_painted_again(words, tmp_path, call_command, painted):
    words = (*words, "--out", tmp_path / "out", "--run-name", "a")
    assert call_command(main, *words) == 0
    (tmp_path / "out" / "house-dots-tiny.png").unlink()
    painted.clear()
    assert call_command(main, *words, "--resume", "auto") == 0
    assert painted == ["house-dots"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--resume", "nowhere"), "--resume nowhere: no run there. Give the folder of a run of transfer, or auto."),
        (("--resume", "RUN", "--steps", "7"), "that run has --steps 6. Resume with the same settings."),
        (("--resume", "RUN", "--backbone", "carried", "vgg11@random"), "that is one run, and 2 networks paint."),
        (("--resume", "auto", "--run-name", "a", "--steps", "7"), "--run-name a: "),
    ],
)
def test_run_that_cannot_be_continued_is_one_line(given, message, words, tmp_path, call_command, capsys):
    one = (*words, "--content", tmp_path / "content" / "boat.png", "--style", tmp_path / "style" / "dots.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # flags given twice
        assert call_command(main, *one, "--run-name", "a") == 0
        (run,) = runs_of(tmp_path)
        before = sorted(run.rglob("*"))
        capsys.readouterr()
        assert call_command(main, *one, *(run if word == "RUN" else word for word in given)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(run.rglob("*")) == before


def test_pictures_painted_at_one_time_go_on_like_others(words, tmp_path, call_command, painted):
    assert call_command(main, *words, "--run-name", "one") == 0
    assert call_command(main, *words, "--run-name", "a", "--batch", "3") == 0
    one, together = (tmp_path / "runs" / "transfer" / name for name in ("one", "a"))
    assert [path.name for path in sorted((together / "images").iterdir())] == [f"{name}.png" for name in PAIRS]
    for name, pixels in pixels_of(one).items():
        other = np.frombuffer(pixels_of(together)[name], np.uint8).astype(int)
        assert np.abs(other - np.frombuffer(pixels, np.uint8)).max() <= 2
    assert len(lines_of(together)) == len(lines_of(one))
    (together / "images" / "boat-waves.png").unlink()
    painted.clear()
    assert call_command(main, *words, "--run-name", "a", "--resume", "auto") == 0
    assert painted == ["boat-waves"]
