"""`python -m transfer` from end to end: files, and TensorBoard's view of them."""

import csv
import json
import re
import shutil
import statistics
import struct
import sys
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from nstkit.pictures.read import read_picture
from nstkit.runs import MEASURE_KEYS, SETTING_KEYS
from transfer.__main__ import main

STEPS = 12
QUICK = ("--device", "cpu", "--precision", "fp32", "--size", "48", "--steps", STEPS, "--quiet", "--judge", "none")
JUDGED_PX = 72  # the judges take no picture below 48 px
STYLE_TAPS = [f"relu{block}_1" for block in range(1, 6)]
JUDGES = {"judge/colour", "judge/texture", "judge/content", "judge/style", "judge/artefacts"}


@pytest.fixture(scope="module")
def one_pair(trained_run, checkpoint, pictures, call_command):
    """The run folder of one pair painted with the trained network, beside that network's run; `--out` given."""
    runs_dir = trained_run.parents[1]
    content, style = pictures / "content" / "boat.png", pictures / "style" / "dots.jpg"
    words = ("--backbone", trained_run / "ckpt.pt", "--content", content, "--style", style)
    out = ("--out", runs_dir.parent / "out" / "picture.png")
    words += ("--runs-dir", runs_dir, "--run-name", "one", *out)
    assert call_command(main, *words, *QUICK, "--size", JUDGED_PX, "--judge", checkpoint) == 0
    return runs_dir / "transfer" / "one"


@pytest.fixture(scope="module")
def four_pairs(checkpoint, trained_run, pictures, tmp_path_factory, call_command):
    """The run folder of two contents in two styles."""
    runs_dir = tmp_path_factory.mktemp("four") / "runs"
    words = ("--backbone", checkpoint, "--content", pictures / "content", "--style", pictures / "style")
    words += ("--runs-dir", runs_dir, "--size", JUDGED_PX, "--judge", trained_run / "ckpt.pt")
    assert call_command(main, *QUICK, *words) == 0
    (folder,) = (runs_dir / "transfer").iterdir()
    return folder


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def read_results(folder):
    with open(folder / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_run_folder_holds_all_that_is_promised(one_pair):
    names = {path.relative_to(one_pair).as_posix() for path in one_pair.rglob("*") if path.is_file()}
    events = {name for name in names if name.startswith("events.out.tfevents")}
    assert len(events) == 1
    assert names - events == {"config.json", "metrics.jsonl", "results.csv", "images/boat-dots.png"}


def test_picture_carries_its_settings(one_pair, trained_run):
    config = json.loads((one_pair / "config.json").read_text())
    with Image.open(one_pair / "images" / "boat-dots.png") as picture:
        assert picture.size == (72, 58)
        assert picture.mode == "RGB"
        about = json.loads(picture.text["nstkit"])
    assert about["backbone"] == "tiny"
    assert about["settings"] == {name: value for name, value in config.items() if name not in ("given", "environment")}
    assert about["settings"]["steps"] == STEPS
    assert about["settings"]["style_weight"] == 30
    assert about["settings"]["backbone"] == [str(trained_run / "ckpt.pt")]
    assert set(about["judges"]) > JUDGES
    (row,) = read_results(one_pair)
    for tag in ("loss/total", "loss/style", "loss/content"):
        assert about["losses"][tag] == float(row[tag])


def test_out_gets_the_same_picture(one_pair):
    out = one_pair.parents[2] / "out" / "picture.png"
    assert out.read_bytes() == (one_pair / "images" / "boat-dots.png").read_bytes()
    assert [path.name for path in out.parent.iterdir()] == ["picture.png"]


def test_losses_are_in_tensorboard_and_in_metrics_alike(one_pair, read_events):
    events = read_events(one_pair)
    lines = [line for line in read_lines(one_pair) if "loss/total" in line]
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    tags = {"loss/total", "loss/style", "loss/content", "loss/content/relu4_2"}
    for tag in tags | {f"loss/style/{tap}" for tap in STYLE_TAPS}:
        scalars = events.Scalars(tag)
        assert [scalar.step for scalar in scalars] == list(range(1, STEPS + 1))
        np.testing.assert_allclose([scalar.value for scalar in scalars], [line[tag] for line in lines], rtol=1e-6)
    totals = [line["loss/total"] for line in lines]
    (row,) = read_results(one_pair)
    assert float(row["loss/total"]) == min(totals) < 0.9 * totals[0]
    assert int(row["step"]) == totals.index(min(totals)) + 1


def test_judges_and_pictures_are_in_tensorboard(one_pair, read_events):
    events = read_events(one_pair)
    (row,) = read_results(one_pair)
    for tag in JUDGES:
        assert events.Scalars(tag)[-1].value == pytest.approx(float(row[tag]), rel=1e-6)
    assert {"image/canvas", "image/content", "image/style", "image/result"} <= set(events.Tags()["images"])
    canvases = events.Images("image/canvas")
    steps = [image.step for image in canvases]
    assert steps[0] == 1
    assert steps[-1] == STEPS
    assert len(steps) > 4
    assert (canvases[0].width, canvases[0].height) == (72, 58)


def test_training_and_painting_stand_in_one_table(one_pair, trained_run, read_row):
    training, painting = read_row(trained_run), read_row(one_pair)
    assert training.columns == painting.columns == SETTING_KEYS
    assert training.measures == painting.measures == MEASURE_KEYS
    assert (training.settings["command"], painting.settings["command"]) == ("train_backbone", "transfer")
    for key in ("arch", "norm", "width", "dataset", "epochs"):
        assert training.settings[key] == painting.settings[key] != "none"
    assert training.settings["backbone"] == painting.settings["backbone"] == "tiny"
    extractor = {key for key in MEASURE_KEYS if key.startswith("extractor/")}
    assert set(training.values) == extractor
    assert set(painting.values) == {*extractor, *JUDGES}
    assert {key: painting.values[key] for key in extractor} == training.values
    assert 0 <= training.values["extractor/top1"] <= 1
    (row,) = read_results(one_pair)
    assert painting.values["judge/colour"] == pytest.approx(float(row["judge/colour"]))
    assert (painting.settings["content"], painting.settings["style"]) == ("boat", "dots")


def test_several_pairs_are_on_a_sheet_in_the_folder_and_in_tensorboard(four_pairs, read_events):
    with Image.open(four_pairs / "sheet.png") as sheet:
        size = sheet.size
    (shown,) = read_events(four_pairs).Images("image/sheet")
    assert (shown.width, shown.height) == size


def test_several_pairs_are_one_row_of_medians(four_pairs, read_row, read_events):
    rows = read_results(four_pairs)
    pairs = [(row["content"], row["style"]) for row in rows]
    assert pairs == [("boat", "dots"), ("boat", "waves"), ("house", "dots"), ("house", "waves")]
    for row in rows:
        with Image.open(row["picture"]) as picture:
            assert max(picture.size) == JUDGED_PX
    table = read_row(four_pairs)
    for judge in JUDGES:
        values = [float(row[judge]) for row in rows]
        assert table.values[judge] == pytest.approx(statistics.median(values))
        assert len(set(values)) == 4
    assert table.values["extractor/top1"] == 0.625
    assert (table.settings["content"], table.settings["style"]) == ("2 pictures", "2 pictures")
    for (content, style), row in zip(pairs, rows, strict=True):
        events = read_events(four_pairs / f"{content}-{style}")  # a run of its own, with the tags of a pair alone
        tags = events.Tags()
        assert {"loss/total", "loss/style/relu1_1", *JUDGES} <= set(tags["scalars"])
        assert {"image/canvas", "image/result"} <= set(tags["images"])
        assert events.Scalars("judge/style")[-1].value == pytest.approx(float(row["judge/style"]))
        assert not [tag for tag in tags["scalars"] if tag.startswith("tap/") or "@" in tag]
    assert set(read_events(four_pairs).Tags()["scalars"]) <= set(MEASURE_KEYS)
    tags = {tag for line in read_lines(four_pairs) for tag in line if tag.endswith("/loss/total")}
    assert tags == {f"{content}-{style}/loss/total" for content, style in pairs}


def test_results_are_printed_with_the_way_to_see_them(checkpoint, pictures, tmp_path, call_command, capsys):
    words = ("--backbone", checkpoint, "--content", pictures / "content" / "boat.png", "--style", pictures / "style")
    assert call_command(main, *words, *QUICK, "--steps", 1, "--runs-dir", tmp_path / "runs") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("loading: ")
    assert re.match("watch:   (uv run )?tensorboard --logdir ", lines[1])
    assert lines[2] == "format:  fp32 channels_last"
    assert lines[-1].startswith("results: ")


def test_format_is_measured_once_and_two_runs_of_a_seed_are_equal(
    checkpoint, pictures, tmp_path, call_command, capsys, fastest
):
    """bfloat16 is the fast one when the first run measures; float32 would be when the second one might."""
    content, style = pictures / "content" / "boat.png", pictures / "style" / "dots.jpg"
    words = (
        "--backbone",
        checkpoint,
        "--content",
        content,
        "--style",
        style,
        *QUICK,
        "--precision",
        "auto",
        "--runs-dir",
        tmp_path,
    )
    works = fastest("bf16", "contiguous")
    painted = []
    for name in ("first", "second"):
        assert call_command(main, *words, "--out", tmp_path / name / "a.png", "--run-name", name) == 0
        assert "format:  bf16 contiguous: 2.0 x fp32" in capsys.readouterr().out.splitlines()
        config = json.loads((tmp_path / "transfer" / name / "config.json").read_text())
        assert (config["precision"], config["memory_format"]) == ("bf16", "contiguous")
        assert (config["given"]["precision"], config["given"]["memory_format"]) == ("auto", "auto")
        painted.append(read_picture(tmp_path / name / "a.png").tobytes())
    assert painted[0] == painted[1]
    assert len(works) == 1
    fastest("fp32", "channels_last")
    assert call_command(main, *words, "--out", tmp_path / "third" / "a.png", "--run-name", "third") == 0
    assert "format:  fp32 channels_last: bf16 is 0.5 x" in capsys.readouterr().out.splitlines()
    assert read_picture(tmp_path / "third" / "a.png").tobytes() != painted[0]


def test_each_backbone_has_its_run(checkpoint, pictures, tmp_path, call_command, read_row):
    words = ("--content", pictures / "content" / "boat.png", "--style", pictures / "style" / "dots.jpg")
    other = tmp_path / "other" / "ckpt.pt"
    other.parent.mkdir()
    shutil.copy(checkpoint, other)
    words += ("--backbone", checkpoint, other, "--steps", 2)
    out = ("--out", tmp_path / "out", "--runs-dir", tmp_path / "runs", "--run-name", "both")
    assert call_command(main, *QUICK, *words, *out) == 0
    folders = sorted((tmp_path / "runs" / "transfer").iterdir(), reverse=True)
    assert [folder.name for folder in folders] == ["both-tiny", "both-other"]
    assert [read_row(folder).settings["backbone"] for folder in folders] == ["tiny", "other"]
    assert json.loads((folders[1] / "config.json").read_text())["backbone"] == [str(other)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "boat-dots-other.png",
        "boat-dots-tiny.png",
    ]


def test_picture_that_no_judge_takes_is_painted_all_the_same(
    checkpoint, trained_run, pictures, tmp_path, draw_picture, call_command, read_row, capsys
):
    draw_picture((80, 30)).save(tmp_path / "a-narrow.png")
    contents = ("--content", tmp_path / "a-narrow.png", pictures / "content" / "boat.png")
    words = ("--backbone", checkpoint, *contents, "--style", pictures / "style" / "dots.jpg")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        words += ("--steps", 2, "--size", JUDGED_PX, "--judge", trained_run / "ckpt.pt")
        assert call_command(main, *QUICK, *words, "--runs-dir", tmp_path / "runs") == 0
    assert "\nwarning: not judged: " in capsys.readouterr().err
    (folder,) = (tmp_path / "runs" / "transfer").iterdir()
    narrow, boat = read_results(folder)
    assert narrow["judge/colour"] == ""
    assert read_row(folder).values["judge/colour"] == pytest.approx(float(boat["judge/colour"]))


@pytest.mark.parametrize(("mode", "name", "size"), [("texture", "dots", (48, 48)), ("content", "boat", (48, 38))])
def test_texture_and_content_alone(mode, name, size, checkpoint, pictures, tmp_path, call_command, read_row):
    words = ("--backbone", checkpoint, "--mode", mode, "--steps", 2, "--runs-dir", tmp_path)
    words += ("--content", pictures / "content" / "boat.png") if mode == "content" else ()
    words += ("--style", pictures / "style" / "dots.jpg") if mode == "texture" else ()
    assert call_command(main, *QUICK, *words) == 0
    (folder,) = (tmp_path / "transfer").iterdir()
    with Image.open(folder / "images" / f"{name}.png") as picture:
        assert picture.size == size
    (row,) = read_results(folder)
    absent = "style" if mode == "content" else "content"
    assert row[absent] == ""
    assert float(row[f"loss/{absent}"]) == 0
    assert read_row(folder).settings[absent] == "none"


# Without painting


@pytest.mark.filterwarnings("default")
def test_pictures_from_a_telephone_and_a_microscope(checkpoint, pictures, tmp_path, call_command, capsys, draw_picture):
    folder = tmp_path / "content"
    folder.mkdir()
    tags = struct.pack("<HHII", 0x010E, 5, 1, 0xFFFFFF00) + struct.pack("<HHII", 0x0112, 3, 1, 6)  # one is malformed
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + tags + bytes(4)
    draw_picture((40, 30)).save(folder / "portrait.jpg", exif=exif)
    Image.fromarray(np.asarray(draw_picture((40, 30)).convert("L"), np.uint16) * 16).save(folder / "twelve.tif")
    for name in ("._portrait.jpg", "Thumbs.db", "c.nef"):
        (folder / name).write_bytes(b"no picture")
    words = ("--backbone", checkpoint, "--content", folder, "--style", pictures / "style" / "dots.jpg", *QUICK)
    assert call_command(main, *words, "--runs-dir", tmp_path, "--run-name", "a", "--steps", 1) == 0
    sizes = {path.name: read_picture(path).size for path in (tmp_path / "transfer" / "a" / "images").iterdir()}
    assert sizes == {"portrait-dots.png": (36, 48), "twelve-dots.png": (48, 36)}
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 2
    assert "1 picture left out: c.nef (camera raw" in warned[0]
    assert "uint16 has no value above 4095" in warned[1]


def test_list_taps_prints_them_and_writes_nothing(checkpoint, tmp_path, call_command, capsys):
    words = ("--backbone", checkpoint, "--list-taps", "--size", 64, "--runs-dir", tmp_path / "runs")
    assert call_command(main, *words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "tiny: 21 taps"
    words = {line.split()[0]: line.split()[1:] for line in lines[2:] if line}
    assert words["relu3_1"][:2] == ["16", "4"]
    assert "style" in words["relu3_1"]
    assert "content" in words["relu3_2"]
    assert words["conv5_2"][:2] == ["32", "16"]
    assert not {"style", "content"} & set(words["conv5_2"])
    assert "on a picture of 64 x 43 px" in lines[-1]  # what the maps hold is measured on the first content
    assert not (tmp_path / "runs").exists()


def test_factory_of_a_checkpoint_runs_only_with_the_flag(checkpoint, tmp_path, call_command, capsys, monkeypatch):
    code = "from torch import nn\n\ndef build(num_classes):\n    pool = nn.AdaptiveAvgPool2d(1)\n"
    code += "    body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2))\n"
    code += "    return nn.Sequential(body, pool, nn.Flatten(), nn.Linear(4, num_classes))\n"
    (tmp_path / "painters_own.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    arch = {"arch": "painters_own:build", "library": "factory", "classes": 3}
    weights = {"0.0.weight": torch.rand(4, 3, 3, 3), "0.0.bias": torch.rand(4)}
    weights |= {"3.weight": torch.rand(3, 4), "3.bias": torch.rand(3)}
    content = {**torch.load(checkpoint, weights_only=True), "arch": arch, "model": weights}
    torch.save(content, tmp_path / "a.pt")
    words = ("--backbone", tmp_path / "a.pt", "--list-taps", "--size", 64)
    assert call_command(main, *words) == 2
    assert "add --arch painters_own:build" in capsys.readouterr().err
    assert "painters_own" not in sys.modules
    try:
        assert call_command(main, *words, "--arch", "painters_own:build") == 0
    finally:
        sys.modules.pop("painters_own", None)
    assert re.search(r"^0\.1 +4 +2", capsys.readouterr().out, re.MULTILINE)


def test_print_config_is_json_that_config_takes(checkpoint, tmp_path, call_command, capsys):
    words = ("--backbone", checkpoint, "--style-taps", "relu1_1", "relu2_1", "--loss", "gatys", "--print-config")
    assert call_command(main, *words, "--runs-dir", tmp_path / "runs", "--device", "cpu") == 0
    printed = capsys.readouterr().out
    settings = json.loads(printed)
    assert settings["style_weight"] == 1000
    assert settings["precision"] == "auto"  # measured where it is painted
    assert settings["style_taps"] == ["relu1_1", "relu2_1"]
    assert not (tmp_path / "runs").exists()
    (tmp_path / "settings.json").write_text(printed)
    assert call_command(main, "--config", tmp_path / "settings.json", "--print-config") == 0
    assert json.loads(capsys.readouterr().out) == settings
    assert call_command(main, "--config", tmp_path / "settings.json", "--style-weight", "7", "--print-config") == 0
    assert json.loads(capsys.readouterr().out) == {**settings, "style_weight": 7}


def test_a_runs_config_gives_the_run_again(one_pair, call_command, capsys):
    assert call_command(main, "--config", one_pair / "config.json", "--print-config") == 0
    config = json.loads((one_pair / "config.json").read_text())
    del config["given"], config["environment"]
    assert json.loads(capsys.readouterr().out) == config
