"""Shapes tell what the axes of an output are, and tokens come back to where they were in the picture."""

import pytest
import torch
from torch import nn

from nstkit.backbones.layouts import Layout, read_layout, to_maps

H, W = 99, 163


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 24, 99, 163), Layout("nchw", 24, 1)),
        ((1, 24, 25, 41), Layout("nchw", 24, 4)),  # rounded up
        ((1, 24, 24, 40), Layout("nchw", 24, 4)),  # rounded down
        ((1, 288, 10, 18), Layout("nchw", 288, 8)),  # what InceptionV3 leaves without padding
        ((1, 33, 97, 161), Layout("nchw", 33, 1)),
        ((1, 25, 41, 96), Layout("nhwc", 96, 4)),
        ((1, 7, 11, 11), Layout("nhwc", 11, 16)),
        ((1, 77, 192), Layout("tokens", 192, 16, 0)),
        ((1, 78, 192), Layout("tokens", 192, 16, 1)),
        ((1, 79, 192), Layout("tokens", 192, 16, 2)),
        ((1, 82, 192), Layout("tokens", 192, 16, 5)),
        ((1, 1025, 64), Layout("tokens", 64, 4, 0)),
        ((1, 83, 192), None),
        ((1, 192, 77), None),  # channels first
        ((1, 3, 77, 77), None),  # attention
        ((1, 3, 77, 64), None),  # queries by heads
        ((1, 24, 1, 1), None),
        ((2, 24, 25, 41), None),  # windows in the batch
        ((1, 1000), None),
    ],
)
def test_layout_of_a_shape(shape, expected):
    assert read_layout(torch.zeros(shape), H, W, prefix=5) == expected


def test_strides_that_are_no_power_of_two_need_a_picture_that_they_divide():
    assert read_layout(torch.zeros(1, 8, 7, 11), 98, 154) == Layout("nchw", 8, 14)
    assert read_layout(torch.zeros(1, 77, 8), 98, 154) == Layout("tokens", 8, 14)


def test_of_a_square_picture_attention_is_no_map():
    assert read_layout(torch.zeros(1, 3, 196, 196), 224, 224) is None
    assert read_layout(torch.zeros(1, 3, 56, 56), 224, 224) == Layout("nchw", 3, 4)


def test_whole_numbers_are_no_map():
    assert read_layout(torch.zeros(1, 3, H, W, dtype=torch.int64), H, W) is None


@pytest.mark.parametrize("kind", ["nchw", "nhwc", "tokens"])
def test_maps_of_each_layout_are_the_same(kind):
    maps = torch.rand(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    output = {
        "nchw": maps,
        "nhwc": maps.permute(0, 2, 3, 1),
        "tokens": torch.cat([torch.full((2, 2, 5), 9.0), maps.flatten(2).transpose(1, 2)], dim=1),
    }[kind]
    prefix = 2 if kind == "tokens" else 0
    found = to_maps(output, kind, prefix, 16, size=(48, 61), network=nn.Identity(), path="")
    assert torch.equal(found, maps)
