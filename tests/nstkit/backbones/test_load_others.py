"""Checkpoints of networks that are not ours: timm's, and those of the user's own factory."""

import sys
from pathlib import Path

import pytest
import torch

from nstkit.backbones.build import build_network
from nstkit.backbones.load import load_as_is
from nstkit.checkpoint import write_checkpoint


def _timm_content(make_content, name="test_resnet", small=True, **changes):
    torch.manual_seed(3)
    network = build_network({"arch": name, "library": "timm", "classes": 3, "small_stem": small}).eval()
    return network, make_content(network, config={"dataset": "patterns", "epochs": 2, "norm": "batch"}, **changes)


def test_checkpoint_of_timms_network_brings_all_of_its_own(tmp_path, make_content, image):
    network, content = _timm_content(make_content, taps={"style": ["stage0", "layer2"], "content": ["stage3"]})
    write_checkpoint(tmp_path / "a.pt", content)
    backbone = load_as_is("a.pt")
    assert (backbone.style_taps, backbone.content_taps) == (("stage0", "layer2"), ("stage3",))
    assert backbone.quality == {"extractor/top1": 0.5, "val/top1": 0.25}
    assert (backbone.facts["arch"], backbone.facts["dataset"], backbone.facts["epochs"]) == (
        "test_resnet",
        "patterns",
        2,
    )
    assert backbone.facts["norm"] is None
    normalised = (image - torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)) / torch.tensor([0.2, 0.25, 0.3]).view(3, 1, 1)
    maps = network.layer1(network.maxpool(network.act1(network.bn1(network.conv1(normalised)))))
    found = backbone.features(image, ["stage1", "stage0"])
    assert torch.allclose(found["stage1"], maps, rtol=1e-4, atol=1e-5)
    assert found["stage0"].shape[2:] == image.shape[2:]  # the small stem


@pytest.mark.parametrize("taps", [{"style": ["relu1_1"], "content": ["relu4_2"]}, {"style": [], "content": []}, {}])
def test_checkpoint_without_taps_of_its_network_gets_the_stages(tmp_path, make_content, taps):
    _, content = _timm_content(make_content, small=False, taps=taps)
    write_checkpoint(tmp_path / "a.pt", content)
    backbone = load_as_is("a.pt")
    assert backbone.style_taps == ("stage0", "stage1", "stage2", "stage3")
    assert backbone.content_taps == ("stage3",)


FACTORY = """
from pathlib import Path
from torch import nn

Path(__file__).with_name("was-imported").touch()

def build(num_classes):
    body = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 6, 3, padding=1))
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, num_classes))
"""


@pytest.fixture
def factory_checkpoint(tmp_path, monkeypatch, make_content):
    """A checkpoint that names a factory of the user's, which leaves a trace when it is imported."""
    (tmp_path / "my_backbone.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    network = build_network(
        {"arch": "my_backbone:build", "library": "factory", "classes": 3}, factory="my_backbone:build"
    )
    write_checkpoint(tmp_path / "a.pt", make_content(network, taps={"style": ["0.1"], "content": ["0.3"]}))
    (tmp_path / "was-imported").unlink()
    sys.modules.pop("my_backbone")
    yield network
    sys.modules.pop("my_backbone", None)


def test_checkpoint_of_a_factory_needs_the_flag(factory_checkpoint, user_error):
    with user_error("--backbone a.pt", "add --arch my_backbone:build"):
        load_as_is("a.pt")
    with user_error("--arch os:getcwd is another"):
        load_as_is("a.pt", factory="os:getcwd")
    assert not Path("was-imported").exists()
    assert "my_backbone" not in sys.modules


def test_checkpoint_of_a_factory_paints_with_the_flag(factory_checkpoint, image):
    backbone = load_as_is("a.pt", factory="my_backbone:build")
    assert Path("was-imported").exists()
    normalised = (image - torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)) / torch.tensor([0.2, 0.25, 0.3]).view(3, 1, 1)
    found = backbone.features(image, ["0.1", "0.3"])
    assert (backbone.style_taps, backbone.content_taps) == (("0.1",), ("0.3",))
    assert torch.allclose(found["0.3"], factory_checkpoint[0](normalised), rtol=1e-4, atol=1e-5)
    assert [(tap.name, tap.stride) for tap in backbone.taps.values()][:2] == [("stage0", 1), ("stage1", 2)]


def test_our_checkpoint_under_timms_name_brings_its_normalisation(tmp_path, make_content):
    _, content = _timm_content(make_content, small=False)
    write_checkpoint(tmp_path / "a.pt", content)
    assert load_as_is("test_resnet@a.pt").mean.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])


OWN = """
import torch
from torch import nn

def build():
    torch.manual_seed(torch.initial_seed())
    return nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 6, 3), nn.ReLU())

def number():
    return 3

def needs(num_classes):
    return build()
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_nets.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_nets", raising=False)


def test_network_of_ones_own_code_with_weights_or_a_seed(own, tmp_path, image):
    backbone = load_as_is("own_nets:build")
    assert backbone.label == "own_nets-build"
    assert backbone.style_taps
    first, again, other = (load_as_is(f"own_nets:build@random:{seed}").network[0].weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    torch.save({"state_dict": {name: value + 1 for name, value in backbone.network.state_dict().items()}}, "w.pt")
    loaded = load_as_is("own_nets:build@w.pt")
    assert torch.equal(loaded.network[0].weight, backbone.network[0].weight + 1)
    assert loaded.label == "own_nets-build-w"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_nets:biuld", "no function 'biuld' there. Did you mean 'build'?"),
        ("own_nets:number", "it returned a int; it must return a torch.nn.Module"),
        ("own_nets:needs", "it failed (TypeError: needs() missing 1 required positional argument: 'num_classes')"),
        ("own_nets:build@gone.pt", "no such weights"),
    ],
)
def test_mistakes_in_ones_own_code_are_one_line(own, name, said, user_error):
    with user_error(f"--backbone {name}", said):
        load_as_is(name)


def test_same_name_in_torchvision():
    backbone = load_as_is("torchvision:resnet18@random:1")
    assert (backbone.label, type(backbone.network).__module__) == (
        "torchvision-resnet18-random1",
        "torchvision.models.resnet",
    )
