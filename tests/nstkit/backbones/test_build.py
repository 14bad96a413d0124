"""A name and its settings become an arch, an arch becomes the network; a factory runs only where the user named it."""

import sys
from typing import get_args

import pytest
import torch
from torch import nn
from torchvision import models

from nstkit.backbones.build import arch_of, build_network
from nstkit.backbones.spec import Arch
from nstkit.backbones.vgg import CONVOLUTIONS, VGG
from nstkit.errors import UserError

FACTORY = """
from pathlib import Path
from torch import nn

Path(__file__).with_name("was-imported").touch()

def build(num_classes):
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, num_classes))

def broken(num_classes):
    raise KeyError("width")

def words(num_classes):
    return "no network"

other = 3
"""


@pytest.fixture
def factory(tmp_path, monkeypatch):
    """A module of the user's, `my_networks`, which leaves a trace when it is imported."""
    (tmp_path / "my_networks.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "was-imported"
    sys.modules.pop("my_networks", None)


def _arch(name, **more):
    return arch_of(name, **{"classes": 7, "image_size": 32, **more})


def test_names_of_ours_stand_in_one_place():
    assert get_args(Arch) == tuple(CONVOLUTIONS)


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("vgg19", {}, {"arch": "vgg19", "norm": "batch", "width": 1.0, "classes": 7}),
        ("vgg11_bn", {}, {"arch": "vgg11", "norm": "batch", "width": 1.0, "classes": 7}),
        (
            "vgg16",
            {"norm": "none", "width": 0.25, "head": "fc4096", "classes": 3},
            {"arch": "vgg16", "norm": "none", "width": 0.25, "classes": 3, "head": "fc4096"},
        ),
        ("resnet18", {}, {"arch": "resnet18", "library": "timm", "classes": 7, "small_stem": True}),
        ("resnet18", {"image_size": 64}, {"arch": "resnet18", "library": "timm", "classes": 7, "small_stem": True}),
        ("resnet18", {"image_size": 65}, {"arch": "resnet18", "library": "timm", "classes": 7, "small_stem": False}),
        ("not.there:build", {}, {"arch": "not.there:build", "library": "factory", "classes": 7}),
    ],
)
def test_arch_of_a_name(name, more, expected):
    assert _arch(name, **more) == expected


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("resnet5O", {}, ("--arch resnet5O", "Did you mean 'resnet50'?", "vgg19", "package.module:function")),
        ("vgg91", {}, ("Did you mean 'vgg19'?",)),
        ("resnet18.a1_in1k", {}, ("--arch resnet18.a1_in1k", "without a tag")),
        ("resnet18", {"width": 0.5}, ("--arch resnet18 with --width 0.5", "vgg11, vgg13, vgg16, vgg19", "Leave")),
        ("resnet18", {"norm": "none", "head": "fc4096"}, ("--norm none, --head fc4096",)),
        ("a.b:c", {"norm": "none"}, ("--arch a.b:c with --norm none",)),
        ("vgg19_bn", {"norm": "none"}, ("--arch vgg19 --norm none",)),
        ("hf-hub:owner/name", {}, ("not of the form package.module:function",)),
        ("package.module:", {}, ("not of the form package.module:function",)),
        (":function", {}, ("not of the form package.module:function",)),
        ("../a:b", {}, ("not of the form package.module:function",)),
    ],
)
def test_arch_that_is_none_is_one_line(user_error, name, more, words):
    with user_error(*words):
        _arch(name, **more)


def test_ours_of_a_checkpoint_of_before_has_the_small_head():
    network = build_network({"arch": "vgg11", "norm": "none", "width": 0.0625, "classes": 3})
    assert isinstance(network, VGG)
    assert network.classifier.weight.shape == (3, 32)
    assert network.arguments == {"arch": "vgg11", "norm": "none", "width": 0.0625, "classes": 3}


def test_papers_head_has_torchvisions_names_and_shapes():
    with torch.device("meta"):
        network = build_network(_arch("vgg11", norm="none", head="fc4096", classes=1000))
        reference = models.vgg11(init_weights=False)
    shapes = {name: value.shape for name, value in reference.state_dict().items()}
    assert {name: value.shape for name, value in network.state_dict().items()} == shapes
    assert [layer.p for layer in network.classifier if isinstance(layer, nn.Dropout)] == [0.5, 0.5]


def test_papers_head_gives_torchvisions_logits(image):
    torch.manual_seed(0)
    network = build_network(_arch("vgg11", norm="none", width=0.0625, head="fc4096")).eval()
    reference = models.vgg11(init_weights=False, num_classes=7)
    reference.features, reference.classifier = network.features, network.classifier
    assert network(image).shape == (2, 7)
    assert torch.allclose(network(image), reference.eval()(image), rtol=1e-5, atol=1e-7)
    assert network.arguments["head"] == "fc4096"


@pytest.mark.parametrize("small", [True, False])
def test_timms_network_by_its_arch(small):
    arch = {"arch": "test_resnet", "library": "timm", "classes": 5, "small_stem": small}
    network = build_network(arch)
    assert network.arguments == arch
    assert network.conv1[0].stride == ((1, 1) if small else (2, 2))
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 5)


@pytest.mark.parametrize(
    ("arch", "words"),
    [
        ({}, ("arch None",)),
        ({"arch": "vgg19"}, ("None classes",)),
        ({"arch": "vgg99", "classes": 3}, ("no network 'vgg99'",)),
        ({"arch": "vgg11", "classes": 3, "depth": 4}, ("depth", "another version")),
        ({"arch": "vgg11", "classes": 3, "library": "other"}, ("library 'other'",)),
        ({"arch": "resnet18000", "classes": 3, "library": "timm"}, ("timm", "resnet18000")),
        ({"arch": "hf-hub:owner/name", "classes": 3, "library": "timm"}, ("timm", "hf-hub:owner/name")),
        ({"arch": "local-dir:/tmp", "classes": 3, "library": "timm"}, ("timm", "local-dir:/tmp")),
    ],
)
def test_arch_of_a_file_that_is_not_known_is_one_line(user_error, arch, words):
    with user_error(*words):
        build_network(arch)


def test_timms_own_error_is_one_line(user_error, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("first line\nsecond line")

    monkeypatch.setattr("timm.create_model", fail)
    with user_error("resnet18", "5 classes", "first line"):
        build_network({"arch": "resnet18", "library": "timm", "classes": 5})


def test_factory_that_the_user_named_is_called(factory):
    arch = _arch("my_networks:build")
    assert not factory.exists()  # a name alone runs nothing
    network = build_network(arch, factory="my_networks:build")
    assert network(torch.rand(2, 3, 8, 8)).shape == (2, 7)
    assert network.arguments == arch
    assert factory.exists()  # so the trace of the next tests tells something


@pytest.mark.parametrize("given", [None, "", "my_networks:other", "my_networks", "other:build"])
def test_factory_that_only_the_file_names_is_not_even_imported(factory, user_error, given):
    with user_error("my_networks:build", "add --arch my_networks:build"):
        build_network({"arch": "my_networks:build", "library": "factory", "classes": 7}, factory=given)
    assert not factory.exists()
    assert "my_networks" not in sys.modules


def test_factory_does_not_run_under_another_library(factory):
    for library in (None, "timm"):
        with pytest.raises(UserError):
            build_network({"arch": "my_networks:build", "library": library, "classes": 7}, factory="my_networks:build")
    assert not factory.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my_networks:biuld", ("no function 'biuld'", "Did you mean 'build'?")),
        ("my_networks:other", ("no function 'other'",)),
        ("my_networks:broken", ("KeyError", "width", "--debug")),
        ("my_networks:words", ("returned a str", "torch.nn.Module")),
        ("my_other_networks:build", ("No module named 'my_other_networks'",)),
    ],
)
def test_factory_that_does_not_work_is_one_line(factory, user_error, name, words):
    with user_error(f"--arch {name}", *words):
        build_network({"arch": name, "library": "factory", "classes": 7}, factory=name)
