"""Checkpoints that are kept for studies, and how a resumed command begins."""

import pytest
import torch

from nstkit.backbones.prepare import load_backbone
from nstkit.checkpoint import read_checkpoint
from nstkit.config import parse
from train_backbone import finish
from train_backbone.__main__ import main
from train_backbone.config import TrainConfig
from train_backbone.model import build_model
from train_backbone.report import kept_name


@pytest.fixture(scope="module")
def kept_run(tmp_path_factory, tiny_training, call_command):
    """A run of two epochs of 10 steps that keeps the start, 3 and 13 steps and the first epoch, without an average."""
    runs_dir = tmp_path_factory.mktemp("kept")
    words = ("--keep-epochs", 0, 0.3, 1, 1.25, "--ema", 0, "--runs-dir", runs_dir, "--run-name", "kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finish, "draw", lambda *_: {})
        assert call_command(main, *tiny_training, *words) == 0
    return runs_dir / "train_backbone" / "kept"


def test_the_epochs_that_were_asked_for_are_there(kept_run):
    names = [f"epoch-{epoch}.pt" for epoch in ("000.3", "000", "001.25", "001")]
    assert sorted(path.name for path in (kept_run / "epochs").iterdir()) == names


@pytest.mark.parametrize("epoch", [0, 0.3, 1])
def test_kept_checkpoint_is_small_and_measured(epoch, kept_run):
    content = read_checkpoint(kept_run / "epochs" / kept_name(epoch))
    assert content["epoch"] == epoch
    assert "training" not in content
    for name, value in content["model"].items():
        assert value.dtype == (
            torch.float16 if value.ndim > 1 else torch.int64 if name.endswith("num_batches_tracked") else torch.float32
        )
    quality = content["quality"]
    assert {"extractor/top1", "extractor/probe", "extractor/rankme/relu3_1"} <= set(quality)
    assert ("val/top1" in quality) == (epoch == 1)  # validated at its end, and not within it
    assert len(content["history"]) == int(epoch)
    tracked = next(value for name, value in content["model"].items() if name.endswith("num_batches_tracked"))
    assert tracked == 10 * epoch


def test_kept_checkpoint_is_a_backbone(kept_run):
    backbone = load_backbone(str(kept_run / "epochs" / "epoch-001.pt"))
    assert {parameter.dtype for parameter in backbone.network.parameters()} == {torch.float32}
    with torch.no_grad():
        features = backbone.features(torch.rand(1, 3, 32, 32), ["relu3_1"])["relu3_1"]
    assert features.isfinite().all()
    assert features.std() > 0


def test_first_one_is_the_initial_network(kept_run, tiny_training):
    kept = read_checkpoint(kept_run / "epochs" / "epoch-000.pt")["model"]
    config = parse(TrainConfig, "train_backbone", list(tiny_training)).resolved(10)
    torch.manual_seed(config.run.seed)
    initial = build_model(config.network, 3, 32).state_dict()
    assert kept.keys() == initial.keys()
    for name, value in kept.items():
        assert torch.equal(value.float(), initial[name].to(value.dtype).float()), name


def test_kept_network_is_that_of_its_epoch(kept_run):
    start, end = (read_checkpoint(kept_run / "epochs" / f"epoch-00{epoch}.pt") for epoch in (0, 1))
    last = read_checkpoint(kept_run / "last.pt")
    name = "classifier.weight"
    assert not torch.equal(start["model"][name], end["model"][name])
    assert not torch.equal(last["model"][name].half(), end["model"][name])
    assert end["quality"]["val/top1"] == last["history"][0]["val/top1"]
