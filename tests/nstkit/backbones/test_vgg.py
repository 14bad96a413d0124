"""The network is the paper's, under torchvision's names."""

import pytest
import torch
from torch import nn
from torchvision import models

from nstkit.backbones.vgg import CONVOLUTIONS, GATYS_CONTENT_TAPS, GATYS_STYLE_TAPS, VGG, scale_width, tap_strides

# Simonyan and Zisserman 2015, table 1 (3x3 convolutions; the 1x1 of configuration C is not among these).
PAPER = {"vgg11": 8, "vgg13": 10, "vgg16": 13, "vgg19": 16}


def _torchvision(arch, norm):
    with torch.device("meta"):
        return models.get_model(arch + ("_bn" if norm == "batch" else ""), init_weights=False)


def _ours(arch, norm, **more):
    with torch.device("meta"):
        return VGG(arch, norm=norm, **more)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("arch", CONVOLUTIONS)
def test_keys_and_shapes_are_torchvisions(arch, norm):
    def body(network):
        return {name: value.shape for name, value in network.state_dict().items() if name.startswith("features.")}

    assert body(_ours(arch, norm)) == body(_torchvision(arch, norm))


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("arch", CONVOLUTIONS)
def test_taps_name_torchvisions_layers(arch, norm):
    network, reference = _ours(arch, norm), _torchvision(arch, norm)
    block, number, expected = 1, 1, {}
    for index, layer in enumerate(reference.features):
        if isinstance(layer, nn.BatchNorm2d if norm == "batch" else nn.Conv2d):
            expected[f"conv{block}_{number}"] = index
        elif isinstance(layer, nn.ReLU):
            expected[f"relu{block}_{number}"] = index
            number += 1
        elif isinstance(layer, nn.MaxPool2d):
            expected[f"pool{block}"] = index
            block, number = block + 1, 1
    assert network.taps == expected
    assert list(network.taps) == list(expected)
    assert sum(name.startswith("conv") for name in network.taps) == PAPER[arch]


@pytest.mark.parametrize(
    ("norm", "style", "content"),
    [("none", (1, 6, 11, 20, 29), (22,)), ("batch", (2, 9, 16, 29, 42), (32,))],
)
def test_gatys_layers_are_where_the_literature_has_them(norm, style, content):
    taps = _ours("vgg19", norm).taps
    assert tuple(taps[name] for name in GATYS_STYLE_TAPS) == style
    assert tuple(taps[name] for name in GATYS_CONTENT_TAPS) == content


@pytest.mark.parametrize("arch", CONVOLUTIONS)
def test_every_vgg_has_the_default_taps(arch):
    assert set(GATYS_STYLE_TAPS + GATYS_CONTENT_TAPS) <= set(_ours(arch, "none").taps)


def test_strides_are_those_of_the_maps():
    network = VGG("vgg13", norm="batch", width=0.0625)
    strides = tap_strides(network.taps)
    maps = torch.rand(1, 3, 64, 64)
    by_index = {index: name for name, index in network.taps.items()}
    for index, layer in enumerate(network.eval().features):
        maps = layer(maps)
        if index in by_index:
            assert 64 // maps.shape[-1] == strides[by_index[index]]
    assert strides["pool5"] == 32


@pytest.mark.parametrize("size_px", [32, 40])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_logits_of_any_size(norm, size_px):
    network = VGG("vgg11", norm=norm, width=0.0625, classes=7)
    assert network(torch.rand(2, 3, size_px, size_px + 8)).shape == (2, 7)


def test_logits_are_the_classifier_of_the_mean_map():
    network = VGG("vgg11", norm="none", width=0.0625, classes=4).double()
    image = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    maps = network.features(image)
    assert maps.shape == (2, 32, 2, 3)
    expected = maps.flatten(2).mean(dim=2) @ network.classifier.weight.T + network.classifier.bias
    assert torch.allclose(network(image), expected, rtol=1e-12, atol=0)


def test_parameter_count_of_vgg19_for_cifar100():
    count = sum(value.numel() for value in _ours("vgg19", "batch", classes=100).parameters())
    reference = sum(value.numel() for value in _torchvision("vgg19", "batch").features.parameters())
    assert count == reference + 512 * 100 + 100
    assert round(count / 1e6, 2) == 20.09
    assert round(sum(value.numel() for value in _ours("vgg19", "none", classes=100).parameters()) / 1e6, 2) == 20.08


def test_arguments_build_the_same_network_again():
    network = VGG("vgg13", norm="none", width=0.125, classes=5)
    again = VGG(**network.arguments)
    assert {name: value.shape for name, value in again.state_dict().items()} == {
        name: value.shape for name, value in network.state_dict().items()
    }


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(64, 1.0, 64), (512, 0.25, 128), (64, 0.01, 4), (512, 0.3, 154)]
)
def test_width_scales_the_channels(channels, width, expected):
    assert scale_width(channels, width) == expected


def test_no_layer_works_in_place():
    assert not any(getattr(module, "inplace", False) for module in VGG("vgg11", width=0.0625).modules())
