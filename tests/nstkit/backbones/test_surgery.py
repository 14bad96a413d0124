"""Pooling, padding and normalisation after surgery are what plain tensor operations give."""

import copy
from pathlib import Path

import pytest
import torch
from PIL import Image
from timm.layers import Conv2dSame
from timm.layers.pool2d_same import MaxPool2dSame
from timm.layers.std_conv import ScaledStdConv2dSame, StdConv2d
from torch import nn
from torch.nn import functional

from nstkit.backbones.normalisation import IMAGENET
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.surgery import (
    LEVEL,
    pad,
    set_padding,
    set_pooling,
    set_preprocess,
)
from nstkit.pictures.tensors import to_tensor

SHARED = Path(__file__).parents[4] / "shared" / "data"

POOLS = {
    "2": nn.MaxPool2d(2),
    "3, stride 2, padded": nn.MaxPool2d(3, 2, padding=1),
    "3, stride 1": nn.MaxPool2d(3, 1, padding=1),
    "3, ceil": nn.MaxPool2d(3, 2, ceil_mode=True),
    "oblong": nn.MaxPool2d((3, 2), (2, 1), padding=(1, 0)),
    "timm's same": MaxPool2dSame(3, 2),
}


@pytest.fixture
def maps():
    return torch.randn(2, 5, 13, 11, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
@pytest.mark.parametrize(("kind", "power"), [("avg", 1), ("plain-avg", 1), ("l2", 2)])
def test_windows_are_those_of_the_max_pooling(pool, kind, power, maps):
    network = set_pooling(nn.Sequential(nn.Sequential(copy.deepcopy(pool))), kind)
    found = network(maps)
    assert found.shape == pool(maps).shape
    # Which places a window holds is told by max pooling itself: it sees one bright place at a time.
    expected, count = torch.zeros_like(found), torch.zeros_like(found)
    for row in range(maps.shape[2]):
        for column in range(maps.shape[3]):
            bright = torch.full_like(maps, -1)
            bright[:, :, row, column] = 1
            holds = pool(bright) > 0
            expected += holds * maps[:, :, row, column, None, None] ** power
            count += holds
    assert torch.allclose(found, LEVEL[kind] * (expected / count) ** (1 / power), rtol=1e-5)


def test_max_pooling_stays_where_it_is_asked_for_or_cannot_be_replaced(maps):
    network = nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(2, dilation=2), nn.AdaptiveMaxPool2d(1))
    before = [type(module) for module in network]
    assert [type(module) for module in set_pooling(network, "max")] == before
    assert [type(module) for module in set_pooling(network, "avg")][1:] == before[1:]


def test_root_mean_square_has_a_slope_everywhere():
    maps = torch.zeros(1, 1, 4, 4)
    maps[0, 0, :2, :2] = torch.tensor([[3.0, 4], [0, 0]])
    maps.requires_grad_()
    pooled = set_pooling(nn.Sequential(nn.MaxPool2d(2)), "l2")(maps)
    assert pooled[0, 0, 0, 0].item() == pytest.approx(LEVEL["l2"] * 2.5)
    pooled.sum().backward()
    assert maps.grad.isfinite().all()
    assert maps.grad[0, 0, 0, 1] > 0


def test_root_mean_square_of_half_precision_does_not_overflow():
    pooled = set_pooling(nn.Sequential(nn.MaxPool2d(2)), "l2")(torch.full((1, 1, 4, 4), 1000.0, dtype=torch.float16))
    assert pooled.dtype == torch.float16
    assert pooled.float().mean().item() == pytest.approx(1000 * LEVEL["l2"], rel=0.01)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data beside the checkout")
@pytest.mark.parametrize("kind", ["avg", "l2"])
def test_levels_of_imagenet_vgg19_stay(kind):
    spec = f"vgg19@{SHARED / 'weights' / 'vgg19_imagenet_features_fp16.safetensors'}"
    plain, changed = load_backbone(spec), load_backbone(spec, pooling=kind)
    picture = to_tensor(Image.open(SHARED / "images" / "content" / "tubingen.jpg"), 160)
    taps = plain.style_taps
    levels = [
        [maps.square().mean().sqrt() for maps in backbone.features(picture, taps).values()]
        for backbone in (plain, changed)
    ]
    for tap, before, after in zip(taps, *levels, strict=True):
        assert 0.7 < after / before < 1.5, tap


CONVOLUTIONS = {
    "3": nn.Conv2d(5, 4, 3, padding=1),
    "7, stride 2": nn.Conv2d(5, 4, 7, 2, padding=3),
    "oblong, dilated": nn.Conv2d(5, 4, (3, 5), padding=(2, 4), dilation=2),
    "the word same": nn.Conv2d(5, 4, 5, padding="same"),
    "standardised": StdConv2d(5, 4, 3),
}


@pytest.mark.parametrize("convolution", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.parametrize("mode", ["replicate", "reflect"])
def test_padded_map_gives_what_the_convolution_gives_inside_a_larger_one(convolution, mode, maps):
    convolution = copy.deepcopy(convolution).double()
    larger = functional.pad(maps, (8,) * 4, mode=mode)
    stride = convolution.stride[0]
    expected = convolution(larger)[:, :, 8 // stride : -(8 // stride), 8 // stride : -(8 // stride)]
    network = set_padding(nn.Sequential(convolution), mode)
    found = network(maps)
    assert found.shape == CONVOLUTIONS["7, stride 2"](maps.float()).shape if stride == 2 else maps.shape
    assert torch.allclose(found, expected[:, :, : found.shape[2], : found.shape[3]], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", [Conv2dSame, ScaledStdConv2dSame])
@pytest.mark.parametrize("side", [12, 13])
def test_paddings_by_the_maps_size_are_replaced(kind, side, maps):
    torch.manual_seed(0)
    convolution = kind(5, 4, 3, 2).double()
    maps = maps[:, :, :side, :side]
    inside = convolution(maps)
    before, after = (0, 1) if side == 12 else (1, 1)  # TensorFlow puts an odd one to the right and below
    expected = functional.pad(maps, (before, after, before, min(after, 1)), mode="replicate")
    network = set_padding(nn.Sequential(copy.deepcopy(convolution)), "replicate")
    assert network(maps).shape == inside.shape
    assert torch.allclose(network(maps)[:, :, 1:-1, 1:-1], inside[:, :, 1:-1, 1:-1])
    if kind is Conv2dSame and maps.shape[3] == maps.shape[2]:
        direct = functional.conv2d(expected, convolution.weight, convolution.bias, stride=2)
        assert torch.allclose(network(maps), direct)


def test_flat_picture_stays_flat_to_its_border(small_vgg):
    network = small_vgg("vgg11", norm="none")
    flat = torch.full((1, 3, 32, 32), 0.5)
    convolutions = network.features[:10]
    assert convolutions(flat).std(dim=(2, 3)).max() > 1e-3
    assert set_padding(convolutions, "replicate")(flat).std(dim=(2, 3)).max() < 1e-6


def test_map_too_small_to_be_mirrored_repeats_its_edge():
    maps = torch.arange(6.0).view(1, 1, 1, 6)
    found = pad(maps, (2, 2, 1, 1), "reflect")
    assert found[0, 0].tolist() == [[2, 1, 0, 1, 2, 3, 4, 5, 4, 3]] * 3


def test_padding_zero_and_modes_of_their_own_stay(maps):
    network = nn.Sequential(nn.Conv2d(5, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1, padding_mode="circular"))
    network, maps = network.double(), maps.contiguous()
    before, hidden = network(maps), network[0](maps)
    assert torch.equal(set_padding(network, "zero")(maps), before)
    wrapped = network[1](hidden)
    set_padding(network, "reflect")
    assert torch.equal(network[1](hidden), wrapped)


@pytest.mark.parametrize("preprocess", ["own", "imagenet", "caffe"])
def test_network_takes_what_the_convention_says(preprocess, image):
    backbone = load_backbone("vgg11@random")
    backbone.mean.fill_(0.25)
    backbone.std.fill_(0.5)
    set_preprocess(backbone, preprocess)
    taken = []
    backbone.network.features[0].register_forward_pre_hook(lambda module, inputs: taken.append(inputs[0]))
    backbone.features(image, ["relu1_1"])
    if preprocess == "own":
        expected = 2 * image - 0.5
    elif preprocess == "imagenet":
        expected = (image - torch.tensor(IMAGENET["mean"]).view(3, 1, 1)) / torch.tensor(IMAGENET["std"]).view(3, 1, 1)
    else:
        expected = torch.stack([255 * image[:, 2 - k] - (103.939, 116.779, 123.68)[k] for k in range(3)], dim=1)
    assert torch.allclose(taken[0], expected, rtol=1e-4, atol=1e-4)
