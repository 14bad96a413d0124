"""Which run `--resume` takes up, what has to agree with it, and what may change."""

import json
import os
import shutil
import time

from nstkit.checkpoint import read_checkpoint, write_checkpoint
from train_backbone.__main__ import main

EPOCHS = 3
STEPS_AN_EPOCH = 10


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_finished_run_is_not_resumed(train, capsys):
    for count in (1, 2):
        code, folders = train("--resume", "auto", "--epochs", 1)
        assert code == 0
        assert len(folders) == count
        assert "nothing to resume: this is a new run" in capsys.readouterr().out
    assert [read_lines(folder)[-1]["step"] for folder in folders] == [STEPS_AN_EPOCH] * 2


def test_auto_takes_the_newest_run_of_the_same_settings(train, tmp_path):
    for name, seed in (("old", 0), ("new", 0), ("other", 1)):
        assert train("--run-name", name, "--seed", seed, cut_at=STEPS_AN_EPOCH + 2)[0] == 130
    for hours, name in enumerate(("other", "new", "old"), start=1):  # whichever was begun last
        os.utime(tmp_path / "runs" / "train_backbone" / name / "last.pt", (time.time() - 3600 * hours,) * 2)
    code, folders = train("--resume", "auto", "--seed", 0)
    assert code == 0
    finished = [folder.name for folder in folders if "measures" in read_lines(folder)[-1]]
    assert finished == ["new"]
    assert len(folders) == 3


def test_auto_passes_over_broken_folders(train, tmp_path):
    parent = tmp_path / "runs" / "train_backbone"
    for name, file in (("broken", "last.pt"), ("torn", "config.json")):
        (parent / name).mkdir(parents=True)
        (parent / name / file).write_text("{")
    code, folders = train("--resume", "auto", "--run-name", "fresh", "--epochs", 1)
    assert code == 0
    assert train("--resume", "auto", "--epochs", 2)[0] == 0
    assert [folder.name for folder in folders] == ["broken", "fresh", "torn"]


def test_finished_run_is_prolonged_when_its_folder_is_named(train, capsys):
    _, (folder,) = train("--run-name", "a", "--epochs", 1)
    lines = read_lines(folder)
    capsys.readouterr()
    assert train("--resume", folder, cut_at=2 * STEPS_AN_EPOCH + 2) == (130, [folder])
    assert f"resumed at step {STEPS_AN_EPOCH}, in epoch 2" in capsys.readouterr().out
    assert train("--resume", "auto") == (0, [folder])  # from now on it is an unfinished run of these settings
    assert read_lines(folder)[: len(lines)] == lines
    assert read_lines(folder)[-1]["step"] == EPOCHS * STEPS_AN_EPOCH
    assert read_checkpoint(folder / "last.pt")["training"]["epoch"] == EPOCHS


# What has to agree, and what may change

MISMATCHES = {
    "--width": ("0.125", "--width 0.0625"),
    "--norm": ("none", "--norm batch"),
    "--head": ("fc4096", "--head gap"),
    "--batch-size": ("16", "--batch-size 8"),
    "--seed": ("7", "--seed 0"),
    "--schedule": ("cosine", "--schedule plateau"),
    "--train-fraction": ("0.5", "--train-fraction 1.0"),
    "--label-noise": ("0.5", "--label-noise 0.0"),
}


def test_folder_of_other_settings_is_refused_with_their_names(trained_run, call_command, tiny_training, capsys):
    before = {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")}
    for flag, (value, message) in MISMATCHES.items():
        assert call_command(main, *tiny_training, "--resume", trained_run, flag, value) == 2
        error = capsys.readouterr().err
        assert error == f"error: --resume {trained_run}: that run has {message}. Resume with the same settings.\n"
    words = ("--resume", trained_run, "--seed", 7, "--width", 0.125)
    assert call_command(main, *tiny_training, *words) == 2
    assert "that run has --width 0.0625, --seed 0. Resume" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")} == before


def test_folder_without_a_whole_run_is_refused(tmp_path, call_command, tiny_training, capsys):
    for folder in (tmp_path, tmp_path / "gone"):
        assert call_command(main, *tiny_training, "--resume", folder) == 2
        assert capsys.readouterr().err.startswith(
            f"error: --resume {folder}: no run there. Give the folder of a run of"
        )
    (tmp_path / "config.json").write_text("no JSON")
    assert call_command(main, *tiny_training, "--resume", tmp_path) == 2
    assert "an unreadable config.json" in capsys.readouterr().err


def test_damaged_last_save_is_refused(trained_run, tmp_path, call_command, tiny_training, capsys):
    shutil.copytree(trained_run, tmp_path / "run")
    content = read_checkpoint(trained_run / "last.pt")
    write_checkpoint(tmp_path / "run" / "last.pt", {**content, "training": {**content["training"], "step": "3"}})
    assert call_command(main, *tiny_training, "--epochs", 3, "--resume", tmp_path / "run") == 2
    message = "its last.pt cannot be gone on from (step is '3'): it is damaged or of another version. Train anew."
    assert capsys.readouterr().err.endswith(f"error: --resume {tmp_path / 'run'}: {message}\n")


def test_what_may_change_is_what_the_resuming_command_says(train, tmp_path):
    words = ("--schedule", "cosine", "--lr", 1e-3, "--run-name", "a")
    assert train(*words, cut_at=STEPS_AN_EPOCH + 2)[0] == 130
    changed = ("--schedule", "cosine", "--lr", 4e-3, "--weight-decay", 0.5, "--label-smoothing", 0, "--epochs", 2)
    folder = tmp_path / "runs" / "train_backbone" / "a"
    code, _ = train("--resume", folder, *changed, "--ema", 0)
    assert code == 0
    config = json.loads((folder / "config.json").read_text())
    assert (config["lr"], config["weight_decay"], config["epochs"], config["max_steps"]) == (4e-3, 0.5, 2, 20)
    rates = {line["step"]: line["opt/lr"] for line in read_lines(folder) if "opt/lr" in line}
    assert max(rates[step] for step in (4, 8)) <= 1e-3
    assert max(rates[step] for step in (14, 18)) > 1e-3
    saved = read_checkpoint(folder / "last.pt")["training"]
    assert [group["weight_decay"] for group in saved["optimizer"]["param_groups"]] == [0.5, 0.0]
    assert "averaged" not in saved
