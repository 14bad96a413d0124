"""`python -m train_backbone` from end to end: files, TensorBoard's view of them, and one line for every mistake."""

import json
import re
import shutil

import pytest
import torch
from PIL import Image

from nstkit.backbones.vgg import VGG
from nstkit.checkpoint import read_checkpoint
from nstkit.datasets import load_dataset
from train_backbone.__main__ import main
from train_backbone.evaluate import evaluate


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_run_folder_holds_all_that_is_promised(trained_run):
    names = {path.relative_to(trained_run).as_posix() for path in trained_run.rglob("*") if path.is_file()}
    events = {name for name in names if name.startswith("events.out.tfevents")}
    assert len(events) == 1
    assert names - events == {"config.json", "metrics.jsonl", "ckpt.pt", "last.pt"}


def test_checkpoint_holds_the_network_that_was_measured(trained_run, class_folders):
    best = read_checkpoint(trained_run / "ckpt.pt")
    assert best["classes"] == ["checks", "dots", "stripes"]
    assert best["arch"] == {"arch": "vgg11", "norm": "batch", "width": 0.0625, "classes": 3}
    network = VGG(**best["arch"])
    network.load_state_dict(best["model"])
    data = load_dataset("folder", class_folders, 32)
    assert best["input"] == {"size_px": 32, "mean": list(data.mean), "std": list(data.std)}
    measured = {
        part: evaluate(network, getattr(data, part), torch.tensor(data.mean), torch.tensor(data.std), "fp32")
        for part in ("val", "test")
    }
    assert 0 <= best["quality"]["extractor/top1"] <= 1
    assert best["quality"] == pytest.approx(
        {
            "extractor/top1": measured["test"]["top1"],
            "extractor/top5": 1.0,
            "val/top1": measured["val"]["top1"],
            "val/top5": 1.0,
        },
        abs=1e-6,
    )
    assert "training" not in best
    assert "training" in read_checkpoint(trained_run / "last.pt")


def test_config_is_resolved_and_remembers_what_was_given(trained_run):
    config = json.loads((trained_run / "config.json").read_text())
    assert config["max_steps"] == 20
    assert config["lr"] == pytest.approx(1e-3 * (8 / 128) ** 0.5)
    assert config["image_size"] == 32
    assert config["device"] == "cpu"
    assert config["given"]["lr"] is None
    assert config["given"]["epochs"] == 2
    assert config["environment"]["torch"] == torch.__version__
    assert read_checkpoint(trained_run / "ckpt.pt")["config"]["max_steps"] == 20


def test_metrics_and_tensorboard_agree(trained_run, read_events):
    events, lines = read_events(trained_run), read_lines(trained_run)
    for tag, steps in (("train/loss", [10, 20]), ("opt/lr", [10, 20]), ("val/top1", [10, 20]), ("val/loss", [10, 20])):
        expected = [(line["step"], line[tag]) for line in lines if tag in line]
        assert [step for step, _ in expected] == steps
        found = [(scalar.step, scalar.value) for scalar in events.Scalars(tag)]
        assert found == [(step, pytest.approx(value, rel=1e-6)) for step, value in expected]
    assert lines[-1]["measures"]["extractor/top1"] == events.Scalars("extractor/top1")[-1].value
    assert events.Tags()["images"] == ["image/batch"]


def test_row_of_the_table_says_what_was_trained(trained_run, read_row):
    row = read_row(trained_run)
    assert row.settings["command"] == "train_backbone"
    assert row.settings["arch"] == "vgg11"
    assert row.settings["dataset"] == "folder"
    assert (row.settings["width"], row.settings["epochs"], row.settings["steps"]) == (0.0625, 2, 20)
    assert row.settings["loss"] == "none"
    best = read_checkpoint(trained_run / "ckpt.pt")["quality"]["extractor/top1"]
    assert row.values == {"extractor/top1": pytest.approx(best)}


def test_screen_says_where_and_how_to_go_on(tiny_training, tmp_path, call_command, capsys):
    words = [word for word in tiny_training if word != "--quiet"]
    assert call_command(main, *words, "--epochs", 1, "--runs-dir", tmp_path / "runs") == 0
    (folder,) = (tmp_path / "runs" / "train_backbone").iterdir()
    assert folder.name.endswith("-vgg11-batch-w0.0625-folder")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"results: {folder}"
    assert re.match("watch:   (uv run )?tensorboard --logdir ", lines[1])
    assert lines[2].startswith("epoch   1  val top1 ")
    assert lines[-4].startswith("test top1 ")
    assert lines[-3:-1] == [f"results: {folder / 'ckpt.pt'}", lines[1]]
    assert lines[-1].startswith("paint:   ")
    assert lines[-1].endswith(f"python -m transfer --backbone {folder / 'ckpt.pt'}")


def test_print_config_is_json_and_writes_nothing(tiny_training, tmp_path, call_command, capsys):
    assert call_command(main, *tiny_training, "--runs-dir", tmp_path / "runs", "--print-config") == 0
    settings = json.loads(capsys.readouterr().out)
    assert (settings["max_steps"], settings["patience"], settings["ema"]) == (20, 2, 0.9)
    assert not (tmp_path / "runs").exists()


def test_a_runs_config_gives_the_run_again(trained_run, call_command, capsys):
    assert call_command(main, "--config", trained_run / "config.json", "--print-config") == 0
    config = json.loads((trained_run / "config.json").read_text())
    del config["given"], config["environment"]
    assert json.loads(capsys.readouterr().out) == config


def test_interrupt_ends_with_130_and_keeps_the_last_epoch(tiny_training, tmp_path, call_command, monkeypatch):
    from train_backbone import loop

    whole_step = loop.train_step

    def step(training, *rest):
        if training.step == 15:
            raise KeyboardInterrupt
        return whole_step(training, *rest)

    monkeypatch.setattr(loop, "train_step", step)
    assert call_command(main, *tiny_training, "--runs-dir", tmp_path, "--run-name", "cut") == 130
    folder = tmp_path / "train_backbone" / "cut"
    assert read_checkpoint(folder / "last.pt")["training"]["step"] == 10
    assert "extractor/top1" not in read_checkpoint(folder / "ckpt.pt")["quality"]
    assert not list(folder.glob("*.part")) + list(folder.glob(".*"))


# The user's mistakes


@pytest.fixture
def traps(tmp_path, class_folders):
    """A folder of data sets that go wrong."""
    checks = class_folders / "train" / "checks"
    shutil.copytree(checks, tmp_path / "one" / "checks")
    shutil.copytree(checks, tmp_path / "text" / "checks")
    (tmp_path / "text" / "words").mkdir()
    (tmp_path / "text" / "words" / "a.jpg").write_text("hello")
    shutil.copytree(checks, tmp_path / "hollow" / "checks")
    (tmp_path / "hollow" / "empty").mkdir()
    shutil.copytree(checks, tmp_path / "unlike" / "train" / "checks")
    shutil.copytree(checks, tmp_path / "unlike" / "train" / "dots")
    shutil.copytree(checks, tmp_path / "unlike" / "test" / "checks")
    shutil.copytree(checks, tmp_path / "unlike" / "test" / "rings")
    (tmp_path / "file").write_text("a file where a folder should be")
    (tmp_path / "taken" / "train_backbone" / "me").mkdir(parents=True)
    return tmp_path


MISTAKES = {
    "missing data": (("--data-dir", "gone"), "gone: no such folder"),
    "one class": (("--data-dir", "one"), "one: one class ('checks'); at least two are needed"),
    "no class": (("--data-dir", "one/checks"), "no class folder; at least two are needed"),
    "empty class": (("--data-dir", "hollow"), "hollow: no picture in class empty"),
    "text named jpg": (("--data-dir", "text"), "a.jpg: not a readable picture"),
    "parts unlike": (("--data-dir", "unlike"), "its classes differ from those of unlike/train (dots, rings)"),
    "runs in a file": (("--runs-dir", "file"), "cannot be written"),
    "run name taken": (("--runs-dir", "taken", "--run-name", "me"), "taken/train_backbone/me is there already"),
    "out of range": (("--epochs", "0", "--lr", "0"), "--epochs 0 (at least 1), --lr 0.0 (above 0)"),
    "nothing to resume": (("--resume", "gone"), "--resume gone: no last.pt there"),
    "config that is none": (("--config", "file"), "--config file: not valid JSON or TOML"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_one_line_and_leaves_nothing(mistake, traps, tiny_training, call_command, capsys, monkeypatch):
    words, message = MISTAKES[mistake]
    monkeypatch.chdir(traps)
    before = sorted(path for path in traps.rglob("*") if not path.name.startswith("."))
    assert call_command(main, *tiny_training, *words) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert captured.out == ""
    assert sorted(path for path in traps.rglob("*") if not path.name.startswith(".")) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU that is not there")
def test_device_that_is_not_there_is_named(tiny_training, call_command, capsys):
    assert call_command(main, *tiny_training, "--device", "cuda") == 2
    assert "--device cuda: not available on this machine. Available: " in capsys.readouterr().err


def test_loss_that_explodes_is_one_line(tiny_training, tmp_path, call_command, capsys):
    words = ("--norm", "none", "--lr", "1e30", "--warmup-epochs", "0", "--runs-dir", tmp_path, "--run-name", "high")
    assert call_command(main, *tiny_training, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: the loss is nan at step 10: lower --lr (now 1e+30).")
    assert error.count("\n") == 1
    assert not (tmp_path / "train_backbone" / "high" / "last.pt").exists()


def test_picture_of_any_kind_is_trained_on(class_folders, tiny_training, tmp_path, call_command):
    root = tmp_path / "data"
    for name in ("checks", "dots"):
        shutil.copytree(class_folders / "train" / name, root / name)
        with Image.open(next(root.glob(f"{name}/*.png"))) as picture:
            picture.resize((70, 41)).convert("L").save(root / name / "grey.png")
            picture.convert("RGBA").save(root / name / "clear.webp")
            picture.convert("P").save(root / name / "few.gif")
    words = ("--data-dir", root, "--epochs", 1, "--runs-dir", tmp_path / "runs")
    assert call_command(main, *tiny_training, *words) == 0
