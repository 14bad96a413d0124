"""`--resume`: a run that was cut short goes on to the very weights of one that was not."""

import json

import pytest
import torch
from tensorboard.summary.writer import event_file_writer
from tensorboard.summary.writer.event_file_writer import AtomicCounter

from nstkit.checkpoint import read_checkpoint
from train_backbone import loop, model
from train_backbone.__main__ import main

EPOCHS = 3
STEPS_AN_EPOCH = 10


@pytest.fixture
def train(call_command, tiny_training, tmp_path, monkeypatch):
    """Train as from the shell; `cut_at` presses Ctrl-C in the midst of that step. Return (exit code, run folders)."""
    monkeypatch.setattr(loop, "STEPS_A_RECORD", 4)
    # Which memory format is faster is measured, so by itself it would differ from call to call.
    formats = iter([torch.contiguous_format, torch.channels_last] * 10)
    # TensorBoard reads the files of one second in the order of their names, in which 9 comes after 10.
    monkeypatch.setattr(event_file_writer, "_global_uid", AtomicCounter(100))
    whole_step = loop.train_step

    def train(*words, cut_at=None, memory_format=None, runs_dir=tmp_path / "runs"):
        def step(training, *rest):
            if training.step + 1 == cut_at:
                raise KeyboardInterrupt
            return whole_step(training, *rest)

        chosen = memory_format or next(formats)
        monkeypatch.setattr(loop, "train_step", step)
        monkeypatch.setattr(model, "choose_memory_format", lambda step, device: chosen)
        code = call_command(main, *tiny_training, "--epochs", EPOCHS, "--runs-dir", runs_dir, *words)
        return code, sorted((runs_dir / "train_backbone").iterdir())

    return train


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def without_times(lines):
    return [{name: value for name, value in line.items() if not name.startswith("time")} for line in lines]


@pytest.mark.parametrize("schedule", ["plateau", "cosine", "onecycle"])
def test_resumed_run_ends_as_the_uninterrupted_one_bit_for_bit(schedule, train, tmp_path, read_events):
    words = ("--schedule", schedule, "--resume", "auto", "--run-name", "run")
    code, (whole,) = train(*words, runs_dir=tmp_path / "whole", memory_format=torch.contiguous_format)
    assert code == 0
    # Five steps into the third epoch, one record of which is written already.
    code, (folder,) = train(*words, cut_at=2 * STEPS_AN_EPOCH + 6, memory_format=torch.contiguous_format)
    assert code == 130
    assert read_checkpoint(folder / "last.pt")["training"]["step"] == 2 * STEPS_AN_EPOCH
    assert read_lines(folder)[-1]["step"] == 2 * STEPS_AN_EPOCH + 4
    code, folders = train(*words, memory_format=torch.channels_last)
    assert code == 0
    assert folders == [folder]

    for name in ("ckpt.pt", "last.pt"):
        expected, found = read_checkpoint(whole / name), read_checkpoint(folder / name)
        assert expected["quality"] == found["quality"]
        for key, value in expected["model"].items():
            assert torch.equal(value, found["model"][key]), (name, key)
    raw = [read_checkpoint(run / "last.pt")["training"]["model"] for run in (whole, folder)]
    assert all(torch.equal(value, raw[1][key]) for key, value in raw[0].items())

    assert without_times(read_lines(folder))[:-1] == without_times(read_lines(whole))[:-1]
    for tag in ("train/loss", "opt/lr", "val/top1", "extractor/top1"):
        curves = [[(x.step, x.value) for x in read_events(run).Scalars(tag)] for run in (whole, folder)]
        assert curves[0] == curves[1]
        steps = [step for step, _ in curves[1]]
        assert steps == sorted(set(steps))
    assert [x.step for x in read_events(folder).Scalars("train/loss")] == [4, 8, 10, 14, 18, 20, 24, 28, 30]


def test_run_that_is_killed_before_its_first_epoch_ends_is_not_resumed(train):
    assert train("--resume", "auto", "--run-name", "a", cut_at=5)[0] == 130
    code, folders = train("--resume", "auto", "--run-name", "b")
    assert code == 0
    assert [folder.name for folder in folders] == ["a", "b"]
    assert not (folders[0] / "ckpt.pt").exists()


def test_finished_run_is_not_resumed(train):
    for count, name in enumerate(("a", "b"), start=1):
        code, folders = train("--resume", "auto", "--run-name", name, "--epochs", 1)
        assert code == 0
        assert len(folders) == count
        assert [read_lines(folder)[-1]["step"] for folder in folders] == [STEPS_AN_EPOCH] * count


def test_auto_takes_the_newest_run_of_the_same_settings(train):
    for name, seed in (("old", 0), ("new", 0), ("other", 1)):
        assert train("--run-name", name, "--seed", seed, cut_at=STEPS_AN_EPOCH + 2)[0] == 130
    code, folders = train("--resume", "auto", "--seed", 0)
    assert code == 0
    finished = [folder.name for folder in folders if "measures" in read_lines(folder)[-1]]
    assert finished == ["new"]
    assert len(folders) == 3


def test_auto_passes_over_broken_folders(train, tmp_path):
    broken = tmp_path / "runs" / "train_backbone" / "broken"
    broken.mkdir(parents=True)
    (broken / "last.pt").write_text("no checkpoint")
    code, folders = train("--resume", "auto", "--run-name", "fresh", "--epochs", 1)
    assert code == 0
    assert [folder.name for folder in folders] == ["broken", "fresh"]


def test_finished_run_is_prolonged_when_its_folder_is_named(train):
    _, (folder,) = train("--run-name", "a", "--epochs", 1)
    lines = read_lines(folder)
    assert train("--resume", folder, cut_at=2 * STEPS_AN_EPOCH + 2) == (130, [folder])
    assert train("--resume", "auto") == (0, [folder])  # from now on it is an unfinished run of these settings
    assert read_lines(folder)[: len(lines)] == lines
    assert read_lines(folder)[-1]["step"] == EPOCHS * STEPS_AN_EPOCH
    assert read_checkpoint(folder / "last.pt")["training"]["epoch"] == EPOCHS


MISMATCHES = {
    "--width": ("0.125", "--width 0.0625"),
    "--norm": ("none", "--norm batch"),
    "--batch-size": ("16", "--batch-size 8"),
    "--seed": ("7", "--seed 0"),
    "--schedule": ("cosine", "--schedule plateau"),
    "--lr": ("0.5", "--lr None"),
    "--weight-decay": ("0.5", "--weight-decay 0.05"),
    "--ema": ("0", "--ema None"),
    "--precision": ("bf16", "--precision fp32"),
}


def test_folder_of_other_settings_is_refused_with_their_names(trained_run, call_command, tiny_training, capsys):
    before = {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")}
    for flag, (value, message) in MISMATCHES.items():
        assert call_command(main, *tiny_training, "--resume", trained_run, flag, value) == 2
        error = capsys.readouterr().err
        assert error == f"error: --resume {trained_run}: that run has {message}. Resume with the same settings.\n"
    assert {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")} == before


def test_folder_without_a_whole_run_is_refused(tmp_path, call_command, tiny_training, capsys):
    for folder in (tmp_path, tmp_path / "gone"):
        assert call_command(main, *tiny_training, "--resume", folder) == 2
        assert capsys.readouterr().err.startswith(f"error: --resume {folder}: no last.pt there. Give the folder of a")
    (tmp_path / "last.pt").write_text("no checkpoint")
    assert call_command(main, *tiny_training, "--resume", tmp_path) == 2
    assert "an unreadable config.json" in capsys.readouterr().err
