import pytest
import torch
from torch import nn

from nstkit import load_backbone
from nstkit.backbones.kept import kept_bytes, kept_bytes_a_pixel


def test_what_is_kept_is_the_input_of_each_layer_but_no_weight():
    layers = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1))
    assert kept_bytes(layers, layers, (2, 3, 10, 20)) == 4 * 2 * 10 * 20 * (3 + 8)


def test_deeper_taps_keep_more_and_the_size_does_not_matter():
    carried = load_backbone("carried")
    shallow, deep = (kept_bytes_a_pixel(carried, [tap]) for tap in ("relu1_1", "relu4_1"))
    assert shallow < deep < 2**10
    kept = kept_bytes(carried, lambda image: carried.features(image, ["relu4_1"]), (1, 3, 96, 160))
    assert kept == pytest.approx(deep * 96 * 160, rel=0.01)


def test_a_network_of_one_input_size_keeps_nothing_for_a_further_pixel():
    assert kept_bytes_a_pixel(load_backbone("mixer_s32_224@random"), ["blocks.0"]) == 0


def test_the_random_state_stays():
    torch.manual_seed(3)
    expected = torch.rand(3, generator=torch.Generator().manual_seed(3))
    kept_bytes_a_pixel(load_backbone("carried"), ["relu1_1"])
    assert torch.equal(torch.rand(3), expected)
