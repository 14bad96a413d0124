"""`python -m nstkit.quality` from end to end: files, TensorBoard's view of them, and one line for every mistake."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from nstkit.quality.__main__ import main
from nstkit.quality.measuring import PER_TAP
from nstkit.runs import MEASURE_KEYS

TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")
QUICK = ("--device", "cpu", "--precision", "fp32", "--limit", "48", "--quiet")


@pytest.fixture(scope="module")
def measured(trained_run, class_folders, tmp_path_factory, call_command):
    """The run folder of the trained network, measured on what it was trained on."""
    runs_dir = tmp_path_factory.mktemp("measured") / "runs"
    words = ("--backbone", trained_run, "--dataset", "folder", "--data-dir", class_folders, "--image-size", 32)
    assert call_command(main, *words, *QUICK, "--runs-dir", runs_dir, "--run-name", "one") == 0
    return runs_dir / "quality" / "one"


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_run_folder_holds_all_that_is_promised(measured):
    names = {path.relative_to(measured).as_posix() for path in measured.rglob("*") if path.is_file()}
    events = {name for name in names if name.startswith("events.out.tfevents")}
    pictures = {f"images/{name}.png" for name in ("quality", "confusion", "predictions", "feature_maps", "filters")}
    assert len(events) == 1
    assert names - events == {"config.json", "metrics.jsonl"} | pictures
    config = json.loads((measured / "config.json").read_text())
    assert config["image_size"] == 32
    assert config["limit"] == 48
    for name in pictures:
        with Image.open(measured / name) as picture:
            assert np.asarray(picture).std() > 5


def test_measures_are_in_metrics_and_a_table_of_tensorboard(measured, read_events):
    scalars, row = read_lines(measured)
    events = read_events(measured)
    of_taps = {
        measure.name.replace("extractor", who) + f"/{tap}"
        for who in ("extractor", "random")
        for tap in TAPS
        for measure in PER_TAP
    }
    assert of_taps | {"random/top1", "random/probe", "random/rankme", "extractor/ece"} <= set(scalars)
    assert set(events.Tags()["scalars"]) == set(row["measures"])  # each other would be a card with one point
    assert "measures/text_summary" in events.Tags()["tensors"]
    assert {"image/quality", "image/confusion", "image/predictions", "image/feature_maps", "image/filters"} <= set(
        events.Tags()["images"]
    )
    assert set(row["measures"]) == {key for key in MEASURE_KEYS if key.startswith("extractor/")}


def test_row_of_the_table(measured, read_row):
    row = read_row(measured)
    assert row.settings["command"] == "quality"
    assert row.settings["backbone"] == "tiny"
    assert row.settings["arch"] == "vgg11"
    assert row.settings["content"] == "folder"
    assert row.settings["size_px"] == 32
    assert set(row.values) == {key for key in MEASURE_KEYS if key.startswith("extractor/")}
    per_tap = read_lines(measured)[0]
    style = [tap for tap in TAPS if tap != "relu4_2"]
    for key in ("probe", "knn", "rankme", "dead", "peak"):
        mean = sum(per_tap[f"extractor/{key}/{tap}"] for tap in style) / 5
        assert row.values[f"extractor/{key}"] == pytest.approx(mean, rel=1e-5)


def test_table_on_screen(trained_run, class_folders, tmp_path, call_command, capsys):
    words = ("--backbone", trained_run, "--dataset", "folder", "--data-dir", class_folders, "--runs-dir", tmp_path)
    assert call_command(main, *words, *QUICK, "--taps", "relu1_1", "conv3_1") == 0
    lines = capsys.readouterr().out.splitlines()
    scalars = read_lines(next((tmp_path / "quality").iterdir()))[0]
    (head,) = (line for line in lines if line.startswith("tiny on folder"))
    assert "32 px" in head  # what the network was trained on, not the 64 of the data set
    assert "48 + 24 pictures" in head
    for tap in ("relu1_1", "conv3_1"):
        (line,) = (line for line in lines if line.startswith(tap))
        assert line.split()[1:3] == [
            f"{scalars[f'extractor/probe/{tap}']:.3f}",
            f"({scalars[f'random/probe/{tap}']:.3f})",
        ]
    (last,) = (line for line in lines if line.startswith("top1"))
    assert f"ece {scalars['extractor/ece']:.3f} ({scalars['random/ece']:.3f})" in last
    (legend,) = (line for line in lines if line.startswith("better is higher ↑ or lower ↓: "))
    assert "ece ↓ fraction, 0 to 1; rankme ↑ share of the channels, 0 to 1; gram_rank ↑ directions, from 0" in legend


def test_no_baseline_measures_once(trained_run, class_folders, tmp_path, call_command, capsys, read_row):
    words = ("--backbone", trained_run, "--dataset", "folder", "--data-dir", class_folders, "--runs-dir", tmp_path)
    assert call_command(main, *words, *QUICK, "--no-baseline", "--taps", "relu1_1") == 0
    assert "(" not in capsys.readouterr().out.replace("(random)", "")
    (folder,) = (tmp_path / "quality").iterdir()
    assert not [tag for tag in read_lines(folder)[0] if tag.startswith("random")]
    assert set(read_row(folder).values) == {"extractor/top1"}  # the style taps were not all measured


def test_carried_network_on_patterns_and_a_second_one(tmp_path, call_command, read_row, capsys):
    words = (
        "--backbone",
        "carried",
        "vgg11@random",
        "--dataset",
        "patterns",
        "--image-size",
        32,
        "--runs-dir",
        tmp_path,
    )
    assert call_command(main, *words, *QUICK, "--taps", "relu1_1", "--run-name", "two") == 0
    assert {path.name for path in (tmp_path / "quality").iterdir()} == {"two-carried", "two-vgg11-random0"}
    row = read_row(tmp_path / "quality" / "two-carried")
    assert row.settings["dataset"] == "cifar100"
    assert row.settings["content"] == "patterns"
    assert "extractor/top1" not in row.values  # it tells other classes
    assert not (tmp_path / "quality" / "two-carried" / "images" / "confusion.png").exists()
    assert "vgg11-random0 on patterns, 32 px, 48 + 24 pictures" in capsys.readouterr().out


def test_a_head_of_as_many_but_other_classes_is_not_used(small_run, class_folders, tmp_path, call_command, read_row):
    content = torch.load(small_run / "ckpt.pt", weights_only=True)
    torch.save({**content, "classes": ["a", "b", "c"]}, small_run / "ckpt.pt")
    words = ("--backbone", small_run, "--dataset", "folder", "--data-dir", class_folders, "--runs-dir", tmp_path)
    assert call_command(main, *words, *QUICK, "--no-baseline", "--run-name", "other") == 0
    assert "extractor/top1" not in read_row(tmp_path / "quality" / "other").values


def test_a_runs_config_gives_the_run_again(measured, call_command, capsys):
    assert call_command(main, "--config", measured / "config.json", "--print-config") == 0
    config = json.loads((measured / "config.json").read_text())
    del config["given"], config["environment"]
    assert json.loads(capsys.readouterr().out) == config


MISTAKES = {
    "unknown tap": (("--taps", "relu9_9"), "tap 'relu9_9' is not in tiny"),
    "unknown backbone": (("--backbone", "vgg91"), "no network 'vgg91'"),
    "missing checkpoint": (("--backbone", "gone.pt"), "--backbone gone.pt: no such checkpoint"),
    "limit": (
        ("--limit", "1", "--image-size", "4"),
        "--image-size 4 (at least 8), --limit 1 (at least 2).",
    ),
    "no backbone": (("--backbone",), "--backbone without a name"),
    "missing data": (("--data-dir", "gone"), "gone"),
    "pictures too small": (("--image-size", "8"), "too small for tiny"),
    "run name taken": (("--runs-dir", "taken", "--run-name", "me"), "taken/quality/me is there already"),
    "runs in a file": (("--runs-dir", "file"), "cannot be written"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_one_line_and_leaves_nothing(
    mistake, trained_run, class_folders, tmp_path, call_command, capsys, monkeypatch
):
    words, message = MISTAKES[mistake]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken" / "quality" / "me").mkdir(parents=True)
    (tmp_path / "taken" / "quality" / "me" / "config.json").write_text("{}")
    (tmp_path / "file").write_text("a file where a folder should be")
    before = sorted(tmp_path.rglob("*"))
    good = {"--backbone": trained_run, "--dataset": "folder", "--data-dir": class_folders}
    given = [word for flag, value in good.items() if flag not in words for word in (flag, value)]
    assert call_command(main, *given, *QUICK, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert [path for path in sorted(tmp_path.rglob("*")) if path.is_file()] == [
        path for path in before if path.is_file()
    ]
