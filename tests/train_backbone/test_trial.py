"""Trials before a training: --dry-run, --overfit-batch and --profile."""

import json
import re

import pytest
import torch
from torch import nn

from nstkit.backbones.vgg import VGG
from train_backbone import trial
from train_backbone.__main__ import main
from train_backbone.trial import count_flops


@pytest.fixture
def try_out(call_command, tiny_training, tmp_path, capsys):
    """Call the command with a tiny network; return (exit code, what it printed, its errors)."""

    def run(*words):
        code = call_command(main, *tiny_training, "--runs-dir", tmp_path / "runs", *words)
        return code, *capsys.readouterr()

    return run


def flops_by_hand(classes, side_px=32):
    """Return floating-point operations of forward and backward of one picture of a VGG11 of width 1/16."""
    channels, flops = (3, 4, 8, 16, 16, 32, 32, 32, 32), 0
    sides = (side_px, side_px // 2, *(side_px // 4,) * 2, *(side_px // 8,) * 2, *(side_px // 16,) * 2)
    for number, side in enumerate(sides):
        forward = 2 * side**2 * 9 * channels[number] * channels[number + 1]
        # Backward computes the gradient of the weights and, but for the first layer, that of the input.
        flops += forward * (2 if number == 0 else 3)
    return flops + 3 * 2 * 32 * classes


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_flops_are_those_by_hand(norm):
    network = VGG("vgg11", norm=norm, width=0.0625, classes=3)
    found = count_flops(network, torch.rand(2, 3, 32, 32))
    assert found / 2 == pytest.approx(flops_by_hand(3), rel=0.01)


def test_dry_run_says_what_a_run_would_cost_and_writes_nothing(try_out, tmp_path):
    code, out, error = try_out("--dry-run", "--width", 0.5, "--epochs", 3)
    assert (code, error) == (0, "")
    network = VGG("vgg11", width=0.5, classes=3)
    count = sum(parameter.numel() for parameter in network.parameters())
    lines = out.splitlines()
    assert f"parameters          {count:,}" in lines
    layers = [line.split() for line in lines if line.startswith(("features.", "classifier"))]
    weighted = [name for name, module in network.named_modules() if isinstance(module, (nn.Conv2d, nn.BatchNorm2d))]
    assert [layer[0] for layer in layers] == [*weighted, "classifier"]
    assert sum(int(layer[-1].replace(",", "")) for layer in layers) == count
    assert re.search(r"^features\.0 +Conv2d +\(8, 32, 32, 32\) +896$", out, re.MULTILINE)
    assert re.search(r"^classifier +Linear +\(8, 3\) +771$", out, re.MULTILINE)
    assert "format              fp32 channels_last" in lines
    assert re.search(r"^whole run +30 steps, 3 validations: about \d+\.\d min$", out, re.MULTILINE)
    found = float(re.search(r"([\d.]+) GFLOP a picture, 8 pictures a step", out)[1])
    assert found == pytest.approx(count_flops(network, torch.rand(2, 3, 32, 32)) / 2e9, abs=6e-4)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("more", [("--progressive", 16, 24), ("--accumulate", 2, "--cutmix", 1), ("--max-steps", 1)])
def test_dry_run_of_any_recipe(more, try_out, monkeypatch):
    monkeypatch.setattr(trial, "time_share", lambda: 1.0)
    code, out, error = try_out("--dry-run", *more)
    assert (code, error) == (0, "")
    assert "whole run" in out
    assert "busy" not in out


def test_dry_run_on_a_busy_machine_says_so(try_out, monkeypatch):
    monkeypatch.setattr(trial, "time_share", lambda: 0.3)
    out = try_out("--dry-run", "--max-steps", 1)[1]
    assert out.endswith(
        "warning: the machine is busy, this process has 30% of its threads' time: times here are too long\n"
    )


@pytest.mark.parametrize("more", [(), ("--schedule", "onecycle", "--epochs", 1), ("--norm", "none", "--init", "lsuv")])
def test_a_batch_is_learned_by_heart_whatever_the_schedule(more, try_out, tmp_path):
    code, out, error = try_out("--overfit-batch", "--lr", 5e-3, *more)
    assert (code, error) == (0, "")
    assert re.search(r"^learned 8 pictures by heart in \d+ steps$", out, re.MULTILINE)
    losses = [float(found) for found in re.findall(r"loss (\d\.\d+)", out)]
    assert losses[-1] < 0.1
    assert not (tmp_path / "runs").exists()


def test_a_batch_that_is_not_learned_is_the_users_to_mend(try_out, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "OVERFIT_STEPS", 20)
    code, _, error = try_out("--overfit-batch", "--lr", 1e-12)
    assert code == 2
    assert re.match(r"error: one batch was not learned by heart in 20 steps: the loss is 1\.\d+, not 0\.1\. Try", error)
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_profile_writes_a_trace_and_says_what_the_steps_spend_their_time_on(try_out, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "PROFILED_STEPS", 3)
    code, out, error = try_out("--profile", "--run-name", "profiled")
    assert (code, error) == (0, "")
    folder = tmp_path / "runs" / "train_backbone" / "profiled"
    assert [path.name for path in folder.iterdir()] == ["trace.json"]
    names = [event.get("name") for event in json.loads((folder / "trace.json").read_text())["traceEvents"]]
    for part in ("augment", "forward", "backward", "optimizer"):
        assert names.count(part) >= 3
        assert re.search(rf"^{part} +\d+\.\d ms a step on the CPU$", out, re.MULTILINE)
    assert names.count("optimizer") == 3
    assert f"trace: {folder / 'trace.json'}" in out


@pytest.mark.parametrize("words", [("--width", 50), ("--batch-size", 80, "--width", 30, "--image-size", 512)])
def test_dry_run_says_that_a_training_does_not_fit(words, try_out):
    code, out, error = try_out("--dry-run", *words)
    assert code == 0
    assert out.startswith("memory              Training vgg11 ")
    assert "of memory, and" in out
    assert error == ""
