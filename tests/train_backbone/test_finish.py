"""After the last step: what is measured, and where it is written."""

import json
import math
import re

import pytest

from nstkit.checkpoint import read_checkpoint
from nstkit.runs import MEASURE_KEYS
from train_backbone import finish
from train_backbone.__main__ import main

STYLE_TAPS = [f"relu{block}_1" for block in range(1, 6)]
PER_TAP = ("probe", "knn", "rankme", "gram_rank", "dead", "peak", "hoyer")
HEAD = ("top1", "top5", "mean_per_class", "ece")


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_quality_of_every_tap_is_in_the_checkpoint(trained_run):
    quality = read_checkpoint(trained_run / "ckpt.pt")["quality"]
    for measure in PER_TAP:
        values = [quality[f"extractor/{measure}/{tap}"] for tap in STYLE_TAPS]
        assert all(math.isfinite(value) for value in values)
        assert quality[f"extractor/{measure}"] == pytest.approx(sum(values) / 5)
    for measure in ("probe", "knn", "dead"):
        assert all(0 <= quality[f"extractor/{measure}/{tap}"] <= 1 for tap in STYLE_TAPS)
    assert not [tag for tag in quality if tag.startswith("random/")]  # of a twin, not of this network


def test_row_of_the_table_says_what_was_trained(trained_run, read_row):
    row = read_row(trained_run)
    assert row.settings["command"] == "train_backbone"
    assert row.settings["arch"] == "vgg11"
    assert row.settings["dataset"] == "folder"
    assert (row.settings["width"], row.settings["epochs"], row.settings["steps"]) == (0.0625, 2, 20)
    assert row.settings["loss"] == "none"
    assert row.settings["init"] == "kaiming"
    quality = read_checkpoint(trained_run / "ckpt.pt")["quality"]
    measures = [f"extractor/{name}" for name in ("top1", "probe", "knn", "rankme", "dead", "peak")]
    assert set(measures) < set(MEASURE_KEYS)
    assert row.values == {tag: pytest.approx(quality[tag], rel=1e-5) for tag in measures}


def test_table_of_the_taps_stands_on_the_screen(tiny_training, tmp_path, call_command, capsys, monkeypatch):
    monkeypatch.setattr(finish, "draw", lambda *_: {})
    words = [word for word in tiny_training if word != "--quiet"]
    assert call_command(main, *words, "--epochs", 1, "--runs-dir", tmp_path / "runs") == 0
    out = capsys.readouterr().out
    for tap in STYLE_TAPS:
        assert re.search(rf"^{tap} +\d", out, re.MULTILINE)
    assert re.search(r"0\.\d{3} \(0\.\d{3}\)", out)  # the random twin in brackets


def test_without_quality_only_the_head_is_measured(bare, tmp_path, call_command, read_row):
    assert call_command(main, *bare, "--runs-dir", tmp_path, "--run-name", "bare") == 0
    folder = tmp_path / "train_backbone" / "bare"
    quality = read_checkpoint(folder / "ckpt.pt")["quality"]
    assert set(quality) == {"val/top1", "val/top5", *(f"extractor/{name}" for name in HEAD)}
    assert set(read_row(folder).values) == {"extractor/top1"}


@pytest.mark.filterwarnings("default:not measured")
def test_network_that_is_left_to_itself_ends_in_its_row_even_where_it_is_nan(bare, tmp_path, call_command, capsys):
    words = ("--norm", "none", "--lr", "1e12", "--warmup-epochs", "0", "--retries", "0", "--ema", "0")
    assert call_command(main, *bare, *words, "--runs-dir", tmp_path, "--run-name", "high") == 0
    assert re.search("warning: not measured: .* hold NaN", capsys.readouterr().err)
    assert read_lines(tmp_path / "train_backbone" / "high")[0]["train/loss"] is None  # JSON has no NaN
