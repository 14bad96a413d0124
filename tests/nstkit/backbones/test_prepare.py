"""A loaded backbone is changed as asked for, and its random weights depend on nothing but its name."""

import pytest
import timm
import torch
from torch import nn

import nstkit
from nstkit.backbones.initialise import kaiming_init
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.surgery import LEVEL
from nstkit.backbones.vgg import VGG


def test_it_is_what_the_package_offers():
    assert nstkit.load_backbone is load_backbone


def test_pooling_average_changes_what_lies_behind_a_pooling(tmp_path, write_run, small_vgg, image):
    write_run(tmp_path / "run", small_vgg())
    by_max, by_mean = (
        load_backbone("run", pooling=pooling).features(image, ["relu1_1", "pool1"]) for pooling in ("max", "avg")
    )
    assert torch.equal(by_max["relu1_1"], by_mean["relu1_1"])
    assert torch.allclose(by_mean["pool1"], LEVEL["avg"] * nn.functional.avg_pool2d(by_mean["relu1_1"], 2), atol=1e-6)
    assert not torch.allclose(by_max["pool1"], by_mean["pool1"], rtol=0.1)


def test_load_applies_all_three(image):
    backbone = load_backbone("vgg11@random", pooling="l2", padding="replicate", preprocess="caffe")
    plain = load_backbone("vgg11@random")
    assert backbone.flip_channels
    assert not any(isinstance(module, nn.MaxPool2d) for module in backbone.network.modules())
    image = image.requires_grad_()
    found, before = (network.features(image, ["relu1_1", "relu3_1"]) for network in (backbone, plain))
    assert [maps.shape for maps in found.values()] == [maps.shape for maps in before.values()]
    found["relu3_1"].square().mean().backward()
    assert image.grad.isfinite().all()


def test_layers_are_swapped_before_the_pooling_is_changed(image):
    plain = load_backbone("vgg11_bn@random:1")
    backbone = load_backbone("vgg11_bn@random", pooling="avg", padding="reflect", swap=["relu1_1..pool5@random:1"])
    other = load_backbone("vgg11_bn@random:1", pooling="avg", padding="reflect")
    found, expected = (network.features(image, ["relu5_2"])["relu5_2"] for network in (backbone, other))
    assert torch.equal(found, expected)
    assert not torch.allclose(found, plain.features(image, ["relu5_2"])["relu5_2"], rtol=0.1)


# The global random state


def test_random_weights_of_ours_are_those_that_torch_draws_for_the_seed():
    network = VGG("vgg11", norm="batch")
    torch.manual_seed(3)
    kaiming_init(network)
    weights = load_backbone("vgg11_bn@random:3").network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


def test_random_weights_of_a_library_are_those_that_torch_draws_for_the_seed():
    torch.manual_seed(3)
    network = timm.create_model("test_efficientnet")
    weights = load_backbone("test_efficientnet@random:3").network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("text", "swap"),
    [
        ("vgg11@random:3", ()),
        ("vgg11@w.pth", ()),
        ("test_resnet@random:2", ()),
        ("squeezenet1_1@random:1", ()),
        ("carried", ()),
        ("run", ()),
        ("vgg11@random", ("relu1_1@random:7", "relu2_1@vgg11@random:8")),
        ("run", ("relu1_1@random:7",)),
        ("run", ("relu1_1@run/ckpt.pt",)),
    ],
)
def test_loading_leaves_the_global_random_state(text, swap, tmp_path, write_run, small_vgg, vgg11_weights):
    write_run(tmp_path / "run", small_vgg())
    torch.save(vgg11_weights, tmp_path / "w.pth")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    load_backbone(text, swap=swap)
    assert torch.equal(torch.get_rng_state(), before)
