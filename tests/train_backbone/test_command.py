"""`python -m train_backbone` from end to end: files, TensorBoard's view of them, and one line for every mistake."""

import json
import re
import shutil
import sys

import pytest
import torch
from PIL import Image

from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.vgg import VGG
from nstkit.checkpoint import read_checkpoint
from nstkit.datasets import files
from nstkit.datasets.load import load_dataset
from nstkit.runs import MEASURE_KEYS
from train_backbone import finish, trial
from train_backbone.__main__ import main
from train_backbone.evaluate import evaluate

PICTURES = ("quality", "confusion", "predictions", "feature_maps", "filters")
STYLE_TAPS = [f"relu{block}_1" for block in range(1, 6)]
HEAD = ("top1", "top5", "mean_per_class", "ece")


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_run_folder_holds_all_that_is_promised(trained_run):
    names = {path.relative_to(trained_run).as_posix() for path in trained_run.rglob("*") if path.is_file()}
    events = {name for name in names if name.startswith("events.out.tfevents")}
    assert len(events) == 1
    files = {"config.json", "metrics.jsonl", "ckpt.pt", "last.pt"}
    assert names - events == files | {f"images/{name}.png" for name in PICTURES}
    for name in PICTURES:
        with Image.open(trained_run / "images" / f"{name}.png") as picture:
            assert min(picture.size) >= 32
            assert len(picture.convert("L").getcolors()) > 2  # something is drawn


def test_checkpoint_holds_the_network_that_was_measured(trained_run, class_folders):
    best = read_checkpoint(trained_run / "ckpt.pt")
    assert best["classes"] == ["checks", "dots", "stripes"]
    assert best["arch"] == {"arch": "vgg11", "norm": "batch", "width": 0.0625, "classes": 3}
    network = VGG(**best["arch"])
    network.load_state_dict(best["model"])
    data = load_dataset("folder", class_folders, 32)
    assert best["input"] == {"size_px": 32, "mean": list(data.mean), "std": list(data.std)}
    val, test = (evaluate(network, part, data, "fp32") for part in (data.val, data.test))
    quality = best["quality"]
    assert {"val/top1", "val/top5", *(f"extractor/{name}" for name in HEAD)} <= set(quality)
    found = {name: quality[name] for name in ("val/top1", "val/top5", "extractor/top1", "extractor/top5")}
    expected = {"val/top1": val["top1"], "val/top5": 1.0, "extractor/top1": test["top1"], "extractor/top5": 1.0}
    assert found == pytest.approx(expected, abs=1e-6)
    assert 0 < quality["extractor/top1"] <= 1
    assert "training" not in best
    assert "training" in read_checkpoint(trained_run / "last.pt")


def test_load_backbone_gives_the_measured_network(trained_run, class_folders):
    backbone = load_backbone(str(trained_run))
    data = load_dataset("folder", class_folders, 32)
    assert list(backbone.style_taps) == STYLE_TAPS
    assert backbone.facts["epochs"] == 2
    assert evaluate(backbone.network, data.test, data, "fp32")["top1"] == pytest.approx(
        read_checkpoint(trained_run / "ckpt.pt")["quality"]["extractor/top1"]
    )


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
    assert set(events.Tags()["images"]) == {"image/batch", *(f"image/{name}" for name in PICTURES)}
    quality = read_checkpoint(trained_run / "ckpt.pt")["quality"]
    (measured,) = [line for line in lines if "extractor/ece" in line]  # in TensorBoard they are a table, not cards
    for tag in (f"extractor/{name}" for name in ("mean_per_class", "ece", "probe/relu3_1", "rankme/relu5_1")):
        assert (measured["step"], measured[tag]) == (20, pytest.approx(quality[tag], rel=1e-6))
    assert 0 <= measured["random/probe/relu3_1"] <= 1
    tags = {tag for tag in events.Tags()["scalars"] if tag.startswith(("extractor/", "random/"))}
    assert tags == {tag for tag in MEASURE_KEYS if tag.startswith("extractor/")}
    assert "measures/text_summary" in events.Tags()["tensors"]


def test_screen_says_where_and_how_to_go_on(bare, tmp_path, call_command, capsys):
    words = [word for word in bare if word != "--quiet"]
    assert call_command(main, *words, "--runs-dir", tmp_path / "runs") == 0
    (folder,) = (tmp_path / "runs" / "train_backbone").iterdir()
    assert folder.name.startswith("vgg11-batch-w0.0625-folder-")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"results: {folder}"
    assert re.match("watch:   (uv run )?tensorboard --logdir ", lines[1])
    assert lines[2] == "format:  fp32 channels_last"
    assert lines[3].startswith("epoch   1  val top1 ")
    assert lines[-2].startswith("test top1 ")
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
    assert not list(folder.rglob("*.part")) + list(folder.rglob(".*"))


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
    (tmp_path / "taken" / "train_backbone" / "me" / "notes.txt").write_text("mine")
    return tmp_path


MISTAKES = {
    "missing data": (("--data-dir", "gone"), "gone: no such folder"),
    "one class": (("--data-dir", "one"), "one: one class ('checks'); at least two are needed"),
    "no class": (("--data-dir", "one/checks"), "no class folder; at least two are needed"),
    "empty class": (("--data-dir", "hollow"), "hollow: no picture in class empty"),
    "text named jpg": (("--data-dir", "text"), "text: 1 of 33 files are not readable pictures (words/a.jpg)"),
    "parts unlike": (("--data-dir", "unlike"), "its classes differ from those of unlike/train (dots, rings)"),
    "runs in a file": (("--runs-dir", "file"), "cannot be written"),
    "run name taken": (("--runs-dir", "taken", "--run-name", "me"), "taken/train_backbone/me is there already"),
    "out of range": (("--epochs", "0", "--lr", "0"), "--epochs 0 (at least 1), --lr 0.0 (above 0)"),
    "nothing to resume": (("--resume", "gone"), "--resume gone: no run there"),
    "nothing to fit": (("--final-fit", "gone"), "--final-fit gone: no finished run there"),
    "no such network": (("--arch", "vgg99", "--width", "1"), "--arch vgg99: no network of this name"),
    "no such factory": (("--arch", "nowhere.at:all", "--width", "1"), "--arch nowhere.at:all: No module named"),
    "width of another": (("--arch", "resnet10t"), "--arch resnet10t with --width 0.0625"),
    "batch in unequal parts": (
        ("--batch-size", "1000", "--accumulate", "2"),
        "a batch of 87 pictures cannot be divided",
    ),
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


def test_loss_that_explodes_is_one_line(bare, tmp_path, call_command, capsys):
    words = ("--norm", "none", "--lr", "1e12", "--warmup-epochs", "0", "--runs-dir", tmp_path, "--run-name", "high")
    assert call_command(main, *bare, *words) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: the loss is nan at step 10. It was rolled back 3 times, down to a rate of ")
    assert "--init lsuv, a smaller --lr" in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out.count("warning: the loss is nan at step 10; now ") == 3
    assert not (tmp_path / "train_backbone" / "high" / "last.pt").exists()


def test_picture_of_any_kind_is_trained_on(class_folders, bare, tmp_path, call_command):
    root = tmp_path / "data"
    for name in ("checks", "dots"):
        shutil.copytree(class_folders / "train" / name, root / name)
        with Image.open(next(root.glob(f"{name}/*.png"))) as picture:
            picture.resize((70, 41)).convert("L").save(root / name / "grey.png")
            picture.convert("RGBA").save(root / name / "clear.webp")
            picture.convert("P").save(root / name / "few.gif")
    assert call_command(main, *bare, "--data-dir", root, "--runs-dir", tmp_path / "runs") == 0


# Pictures that stay on the disk


def test_streamed_run_that_is_cut_and_resumed_ends_as_the_one_in_memory_bit_for_bit(train):
    words = ("--epochs", 2, "--train-fraction", 0.7, "--label-noise", 0.3)
    code, (whole,) = train(*words, "--run-name", "a", memory_format=torch.contiguous_format)
    assert code == 0
    words = (*words, "--run-name", "b", "--stream", "on", "--resume", "auto", "--save-every", 0)
    assert train(*words, cut_at=12, memory_format=torch.contiguous_format)[0] == 130
    code, (_, streamed) = train(*words)
    assert code == 0
    found, expected = (read_checkpoint(folder / "ckpt.pt") for folder in (streamed, whole))
    for part in ("quality", "split", "input"):
        assert found[part] == expected[part]
    assert all(torch.equal(value, expected["model"][name]) for name, value in found["model"].items())
    backbone = load_backbone(str(streamed))
    maps = backbone.features(torch.rand(1, 3, 40, 32), STYLE_TAPS)
    assert all(tap.isfinite().all() for tap in maps.values())


@pytest.fixture
def one_core(monkeypatch):
    """Decode pictures in this process: starting others takes longer than a tiny training."""
    monkeypatch.setattr(files, "cores", lambda: 1)


@pytest.mark.usefixtures("one_core")
def test_streamed_run_is_measured_and_drawn_like_any_other(tiny_training, trained_run, tmp_path, call_command):
    words = (*tiny_training, "--stream", "on", "--epochs", 1, "--init", "lsuv", "--norm", "none")
    assert call_command(main, *words, "--runs-dir", tmp_path, "--run-name", "a") == 0
    folder = tmp_path / "train_backbone" / "a"
    assert {path.stem for path in (folder / "images").iterdir()} == set(PICTURES)
    found, expected = (read_checkpoint(run / "ckpt.pt")["quality"] for run in (folder, trained_run))
    assert found.keys() == expected.keys()


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("words", [("--dry-run",), ("--overfit-batch", "--lr", 5e-3), ("--profile",)])
def test_trials_take_streamed_pictures(words, bare, tmp_path, call_command, monkeypatch, capsys):
    monkeypatch.setattr(trial, "PROFILED_STEPS", 2)
    assert call_command(main, *bare, "--stream", "on", "--runs-dir", tmp_path, *words) == 0
    assert re.search("whole run|learned 8 pictures by heart|trace: ", capsys.readouterr().out)


@pytest.mark.usefixtures("one_core")
def test_final_fit_takes_streamed_pictures_of_two_folders(bare, class_folders, tmp_path, call_command):
    for part, source in (("train", "train"), ("val", "test"), ("test", "test")):
        shutil.copytree(class_folders / source, tmp_path / "data" / part)
    words = (*bare, "--data-dir", tmp_path / "data", "--stream", "on", "--runs-dir", tmp_path)
    assert call_command(main, *words, "--run-name", "a") == 0
    first = tmp_path / "train_backbone" / "a"
    assert call_command(main, *words, "--run-name", "b", "--final-fit", first) == 0
    steps = [read_lines(first.with_name(name))[-1]["step"] for name in "ab"]
    assert steps == [12, 15]  # 96 and 96 + 24 pictures, 8 at a time


# Other networks

FACTORY = """
from torch import nn

def build(num_classes):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, num_classes),
    )
"""


def without(words, *flags):
    """Return the words without some flags and their values."""
    words = list(words)
    for flag in flags:
        del words[words.index(flag) : words.index(flag) + 2]
    return words


@pytest.fixture
def factory(tmp_path, monkeypatch):
    """The name of a factory of tiny networks in a module that can be imported."""
    (tmp_path / "homemade_network.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    yield "homemade_network:build"
    sys.modules.pop("homemade_network", None)


def paint(call_command, draw_picture, folder, checkpoint, *words):
    """Paint two steps with a checkpoint; return the exit code."""
    from transfer.__main__ import main

    for name in ("content", "style"):
        draw_picture((48, 40), seed=len(name)).save(folder / f"{name}.png")
    pictures = ("--content", folder / "content.png", "--style", folder / "style.png", "--runs-dir", folder / "painted")
    quick = ("--device", "cpu", "--precision", "fp32", "--size", 48, "--steps", 2, "--judge", "none", "--quiet")
    return call_command(main, "--backbone", checkpoint, *pictures, *quick, *words)


def test_network_of_timm_trains_and_paints(tiny_training, tmp_path, call_command, draw_picture, monkeypatch):
    monkeypatch.setattr(finish, "draw", lambda *_: {})
    words = (*without(tiny_training, "--arch", "--width"), "--arch", "test_resnet", "--epochs", 1)
    assert call_command(main, *words, "--runs-dir", tmp_path, "--run-name", "timm") == 0
    checkpoint = tmp_path / "train_backbone" / "timm" / "ckpt.pt"
    content = read_checkpoint(checkpoint)
    assert content["arch"] == {"arch": "test_resnet", "library": "timm", "classes": 3, "small_stem": True}
    assert content["config"]["init"] == "default"
    assert "extractor/probe" in content["quality"]
    assert len(load_backbone(str(checkpoint)).style_taps) >= 3
    assert paint(call_command, draw_picture, tmp_path, checkpoint) == 0


def test_network_of_a_factory_trains_and_paints_where_the_factory_is_named_again(
    factory, tiny_training, tmp_path, call_command, draw_picture, capsys
):
    words = (*without(tiny_training, "--arch", "--width"), "--arch", factory, "--epochs", 1)
    assert call_command(main, *words, "--runs-dir", tmp_path, "--run-name", "own") == 0
    folder = tmp_path / "train_backbone" / "own"
    content = read_checkpoint(folder / "ckpt.pt")
    assert content["arch"] == {"arch": factory, "library": "factory", "classes": 3}
    assert "extractor/probe" in content["quality"]
    assert {path.stem for path in (folder / "images").iterdir()} == set(PICTURES)
    capsys.readouterr()
    assert paint(call_command, draw_picture, tmp_path, folder / "ckpt.pt") == 2
    error = capsys.readouterr().err
    assert f"made by {factory}" in error
    assert f"--arch {factory}" in error
    assert paint(call_command, draw_picture, tmp_path, folder / "ckpt.pt", "--arch", factory) == 0
