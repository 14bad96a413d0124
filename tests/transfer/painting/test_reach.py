"""How far features see is measured, and what tiles would paint otherwise is found, whatever its name is."""

import pytest
import torch
from torch import nn

import nstkit
from nstkit.backbones.backbone import Backbone, Tap
from transfer.painting.lens import Lens
from transfer.painting.reach import NoTiles, difference, measure_reach, measure_tiling

NORMALISATION = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
SHALLOW = {"style_taps": ("relu1_1", "relu2_1"), "content_taps": ("relu2_1",)}


def network_of(*layers, stride=1):
    """Return a backbone with one tap behind these layers."""
    torch.manual_seed(0)
    taps = {"last": Tap("last", str(len(layers) - 1), 3, stride)}
    return Backbone(
        nn.Sequential(*layers), label="test", taps=taps, style_taps=["last"], content_taps=["last"], **NORMALISATION
    )


@pytest.mark.parametrize(
    ("layers", "stride", "reach"),
    [
        ([nn.Conv2d(3, 3, 1)], 1, 0),
        ([nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1)], 1, 2),
        ([nn.Conv2d(3, 3, (1, 7), padding=(0, 3))], 1, 3),
        ([nn.Conv2d(3, 3, 3, padding=4, dilation=4)], 1, 4),
        ([nn.MaxPool2d(2, 2), nn.Conv2d(3, 3, 3, padding=1), nn.MaxPool2d(2, 2)], 4, 4),
        ([nn.Conv2d(3, 3, 7, stride=2, padding=3), nn.BatchNorm2d(3), nn.AvgPool2d(2)], 4, 4),
        ([nn.Conv2d(3, 3, 3, padding=1), nn.InstanceNorm2d(3)], 1, None),
    ],
)
def test_reach_is_that_of_the_layers(layers, stride, reach, settings):
    backbone = network_of(*layers, stride=stride)
    lens = Lens(backbone, settings().losses, ["last"], "fp32")
    assert measure_reach(lens, ["last"], stride) == reach


@pytest.mark.parametrize("name", ["carried", "resnet18@random", "mobilenetv2_035@random"])
def test_networks_without_a_look_at_the_whole_can_be_cut(name, settings):
    backbone = nstkit.load_backbone(name)
    losses = settings().losses
    tiling = measure_tiling(backbone, losses, 256)
    assert (tiling.core_px, tiling.step_px) == (256, 16)
    assert name != "carried" or tiling.reach_px == 80


def test_a_reach_that_is_too_short_is_seen_in_the_gradient(backbone, settings):
    losses = settings().losses
    tiling = measure_tiling(backbone, losses, 32)
    short = type(tiling)(tiling.core_px, tiling.reach_px - 2 * tiling.step_px, tiling.step_px)
    assert difference(backbone, losses, short) > 1e-3


@pytest.mark.parametrize("name", ["mobilenetv3_small_050@random", "vit_tiny_patch16_224@random"])
def test_networks_that_see_the_whole_picture_are_not_cut(name, settings):
    with pytest.raises(NoTiles, match="see the whole picture"):
        measure_tiling(nstkit.load_backbone(name), settings().losses, 256)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"statistic": "histogram"}, "no sum over places"),
        ({"statistic": "sliced-wasserstein"}, "no sum over places"),
        ({"statistic": "nearest-neighbours"}, "no sum over places"),
        ({"normalize_gradients": True}, "no sum over places"),
        ({"smoothing": "softmax"}, "see the whole picture"),
    ],
    ids=lambda given: " ".join(map(str, given.values())) if isinstance(given, dict) else given,
)
def test_losses_that_are_no_sum_over_places_are_not_cut(given, why, backbone, settings):
    with pytest.raises(NoTiles, match=why):
        measure_tiling(backbone, settings(**SHALLOW, **given).losses, 64)
