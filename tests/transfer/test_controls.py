"""`python -m transfer` with blends, masks, colours and statistics, from end to end."""

import json

import numpy as np
import pytest
from PIL import Image

from transfer.__main__ import main

QUICK = ("--device", "cpu", "--precision", "fp32", "--size", "48", "--steps", "3", "--quiet", "--judge", "none")


@pytest.fixture(scope="module")
def masks(tmp_path_factory):
    """Files: red and blue halves for the content, and blue and black ones."""
    folder = tmp_path_factory.mktemp("masks")
    for name, other in (("halves", "red"), ("half", "black")):
        mask = Image.new("RGB", (60, 48), "blue")
        mask.paste(other, (30, 0, 60, 48))
        mask.save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def controlled(checkpoint, pictures, masks, tmp_path_factory, call_command):
    """The run folder of a painting that uses all controls."""
    runs_dir = tmp_path_factory.mktemp("controls") / "runs"
    styles = pictures / "style"
    words = ("--backbone", checkpoint, "--content", pictures / "content" / "boat.png", "--runs-dir", runs_dir)
    words += ("--blend", f"{styles / 'dots.jpg'}=1", f"{styles / 'waves.jpg'}=3", "--style-scale", "1.5")
    words += ("--content-mask", masks / "halves.png", "--style-mask", "red", "blue", "--region-weights", "red=2")
    assert call_command(main, *words, *QUICK, "--statistic", "mean-std", "--color", "histogram") == 0
    (folder,) = (runs_dir / "transfer").iterdir()
    return folder


def test_settings_are_in_the_run_and_in_the_picture(controlled, pictures, masks):
    config = json.loads((controlled / "config.json").read_text())
    with Image.open(controlled / "images" / "boat-waves+dots.png") as picture:
        inside = json.loads(picture.text["nstkit"])["settings"]
    for settings in (config, inside):
        assert (settings["statistic"], settings["color"], settings["style_scale"]) == ("mean-std", "histogram", 1.5)
        assert settings["blend"] == [f"{pictures / 'style' / 'dots.jpg'}=1", f"{pictures / 'style' / 'waves.jpg'}=3"]
        assert settings["content_mask"] == [str(masks / "halves.png")]
        assert (settings["style_mask"], settings["region_weights"]) == (["red", "blue"], ["red=2"])


def test_statistic_is_a_column_of_the_table(controlled, read_row):
    assert read_row(controlled).settings["statistic"] == "mean-std"


def test_losses_of_regions_are_logged(controlled, read_events):
    tags = set(read_events(controlled).Tags()["scalars"])
    assert {"loss/style/relu1_1/#ff0000", "loss/style/relu1_1/#0000ff", "loss/style"} <= tags


def test_settings_of_a_run_paint_the_same_again(controlled, tmp_path, call_command):
    words = ("--config", controlled / "config.json", "--runs-dir", tmp_path / "runs", "--quiet")
    assert call_command(main, *words) == 0
    (again,) = (tmp_path / "runs" / "transfer").glob("*/images/*.png")
    first = controlled / "images" / "boat-waves+dots.png"
    difference = np.asarray(Image.open(again), int) - np.asarray(Image.open(first), int)
    assert np.abs(difference).max() <= 1


def test_black_of_the_mask_stays_and_the_mask_is_not_written_over(
    checkpoint, pictures, masks, tmp_path, call_command, capsys
):
    words = ("--backbone", checkpoint, "--content", pictures / "content" / "boat.png", *QUICK, "--size", "60")
    words += ("--style", pictures / "style" / "dots.jpg", "--content-mask", masks / "half.png", "--init", "noise")
    before = (masks / "half.png").read_bytes()
    assert call_command(main, *words, "--runs-dir", tmp_path, "--out", masks / "half.png") == 2
    assert "half.png is a file that is read. Give another place." in capsys.readouterr().err
    assert (masks / "half.png").read_bytes() == before
    assert call_command(main, *words, "--runs-dir", tmp_path, "--out", tmp_path / "result.png") == 0
    content, result = (
        np.asarray(Image.open(path), int) for path in (pictures / "content" / "boat.png", tmp_path / "result.png")
    )
    assert np.abs(result - content)[:, 34:].max() <= 1
    assert np.abs(result - content)[:, :26].mean() > 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--content-mask", "photo"), "--content-mask: 30 colours and 85% shades between them"),
        (("--content-mask", "gone.png"), "--content-mask gone.png: no such picture. Give a picture file, or a colour"),
        (("--content-mask", "red", "--style-mask", "blue"), "have no colour in common"),
        (("--content-mask", "red", "blue"), "--content-mask red blue: 2 masks for 1 pictures"),
        (("--content-mask", "red", "--region-weights", "green=2"), "--region-weights green: no region has this colour"),
        (("--statistic", "gramm"), "--statistic gramm (gram, covariance"),
    ],
)
def test_mistake_is_one_line(words, message, checkpoint, pictures, tmp_path, call_command, capsys):
    photo = str(pictures / "content" / "boat.png")
    good = ("--backbone", checkpoint, "--content", photo, "--style", pictures / "style" / "dots.jpg")
    words = [photo if word == "photo" else word for word in words]
    assert call_command(main, *good, *QUICK, "--runs-dir", tmp_path / "runs", *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not (tmp_path / "runs").exists()
