"""With a small stem, networks of timm's still see something at 32 px, and learn from it."""

import pytest
import timm
import torch
from torch import nn

from nstkit.backbones.stem import shrink_stem

# Positions a side of the last maps at 32 px. Without the small stem each has one.
FAMILIES = {
    "resnet18": 4,
    "resnet18d": 4,
    "resnetv2_50": 4,
    "legacy_seresnet18": 4,
    "densenet121": 4,
    "hrnet_w18_small": 4,
    "efficientnet_b0": 2,
    "mobilenetv3_small_050": 2,
    "mixnet_s": 2,
    "regnety_002": 2,
    "repvgg_a0": 2,
    "convnext_atto": 2,
}


def _last_side(network, side):
    return network.eval().forward_features(torch.rand(1, 3, side, side)).shape[-1]


@pytest.mark.parametrize("name", FAMILIES)
def test_last_maps_of_a_small_picture(name):
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3)
    assert _last_side(network, 32) == 1
    assert shrink_stem(network)
    assert _last_side(network, 32) == FAMILIES[name]
    network.train()
    nn.functional.cross_entropy(network(torch.rand(2, 3, 32, 32)), torch.tensor([0, 1])).backward()
    first = network.default_cfg["first_conv"]
    gradient = network.get_submodule(first if isinstance(first, str) else first[0]).weight.grad
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_resnets_stem_is_that_of_cifar():
    network = timm.create_model("resnet18")
    before = network.layer1[0].conv1.weight.clone()
    assert shrink_stem(network) == ["conv1", "maxpool"]
    stem = network.conv1
    assert (stem.kernel_size, stem.stride, stem.padding, stem.bias) == ((3, 3), (1, 1), (1, 1), None)
    # 1,728 numbers: their deviation is known to 2 %.
    assert stem.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.1)
    assert isinstance(network.maxpool, nn.Identity)
    assert torch.equal(network.layer1[0].conv1.weight, before)


def test_patches_become_smaller_and_keep_their_channels():
    network = timm.create_model("convnext_atto")
    assert shrink_stem(network) == ["stem.0"]
    assert (network.stem[0].kernel_size, network.stem[0].stride) == ((2, 2), (2, 2))
    assert network.stem[0].weight.shape == (40, 3, 2, 2)
    assert network.stem[0].bias.abs().max() == 0


def test_branches_of_a_stem_go_together():
    network = timm.create_model("repvgg_a0")
    assert shrink_stem(network) == ["stem.conv_kxk.conv", "stem.conv_1x1.conv"]


@pytest.mark.parametrize("name", ["vgg11", "darknet53", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_what_has_no_such_stem_is_left_alone(name):
    with torch.device("meta"):
        network = timm.create_model(name)
    strides = {path: getattr(module, "stride", None) for path, module in network.named_modules()}
    assert shrink_stem(network) == []
    assert strides == {path: getattr(module, "stride", None) for path, module in network.named_modules()}


def test_a_network_that_is_not_timms_is_left_alone():
    assert shrink_stem(nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.MaxPool2d(2))) == []
