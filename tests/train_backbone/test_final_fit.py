"""`--final-fit`: all pictures, and the drops of the rate that an earlier run made."""

import json

import pytest
import torch

from nstkit.checkpoint import read_checkpoint
from train_backbone import loop
from train_backbone.__main__ import main

STEPS_AN_EPOCH = 10


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def dropped_run(train, monkeypatch):
    """A finished run of four epochs whose rate was dropped after the third."""
    values = iter([0.5, 0.4, 0.4, 0.4])
    measure = loop.evaluate
    monkeypatch.setattr(loop, "evaluate", lambda *rest: {**measure(*rest), "top1": next(values, 0.0)})
    words = ("--warmup-epochs", 0, "--patience", 1, "--epochs", 4, "--lr", 1e-3)
    code, (folder,) = train(*words, "--run-name", "first")
    assert code == 0
    return folder, words


def test_final_fit_repeats_the_drops_on_all_pictures(dropped_run, train, read_events, monkeypatch):
    first, words = dropped_run
    history = read_checkpoint(first / "last.pt")["training"]["history"]
    rates = [epoch["lr"] for epoch in history]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 3e-4])
    monkeypatch.setattr(loop, "evaluate", lambda *_: pytest.fail("it looked at validation pictures"))
    code, folders = train(*words, "--final-fit", first, "--run-name", "second", "--early-stop", 1, "--epochs", 9)
    assert code == 0
    second = folders[1]
    tags = read_events(second).Tags()["scalars"]
    assert not [tag for tag in tags if tag.startswith("val/")]
    assert {"train/loss", "opt/lr", "extractor/top1"} <= set(tags)
    saved = read_checkpoint(second / "last.pt")
    # 87 training and 9 validation pictures are 12 batches of 8.
    assert (saved["training"]["epoch"], saved["training"]["step"]) == (4, 48)
    found = {line["step"]: line["opt/lr"] for line in read_lines(second) if "opt/lr" in line}
    for epoch, rate in enumerate(rates):
        assert [found[12 * epoch + step] for step in (4, 8)] == pytest.approx([rate] * 2)
    best = read_checkpoint(second / "ckpt.pt")["model"]  # the last epoch counts
    assert best.keys() == saved["model"].keys()
    assert all(torch.equal(value, saved["model"][key]) for key, value in best.items())
    assert "val/top1" not in saved["quality"]
    assert saved["split"] != read_checkpoint(first / "last.pt")["split"]


def test_final_fit_that_is_cut_is_resumed(dropped_run, train):
    first, words = dropped_run
    words = (*words, "--final-fit", first, "--run-name", "second", "--resume", "auto", "--save-every", 0)
    assert train(*words, cut_at=19)[0] == 130
    code, folders = train(*words)
    assert code == 0
    assert read_checkpoint(folders[1] / "last.pt")["training"]["step"] == 48


def test_final_fit_refuses_what_it_cannot_repeat(trained_run, train, tmp_path, call_command, tiny_training, capsys):
    assert train("--run-name", "cut", cut_at=STEPS_AN_EPOCH + 2)[0] == 130
    unfinished = tmp_path / "runs" / "train_backbone" / "cut"
    for folder in (unfinished, tmp_path / "gone"):
        capsys.readouterr()
        assert call_command(main, *tiny_training, "--final-fit", folder, "--runs-dir", tmp_path / "new") == 2
        error = capsys.readouterr().err
        assert error.startswith(f"error: --final-fit {folder}: no finished run there. Give the folder of a run of")
        assert error.count("\n") == 1
    for flag, value, message in (("--norm", "none", "--norm batch"), ("--batch-size", "16", "--batch-size 8")):
        assert call_command(main, *tiny_training, "--final-fit", trained_run, flag, value) == 2
        error = capsys.readouterr().err
        assert error == f"error: --final-fit {trained_run}: that run has {message}. Fit with the same settings.\n"
    assert not (tmp_path / "new").exists()
