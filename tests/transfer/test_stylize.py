"""The one call from Python."""

import sys
from types import FunctionType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import transfer
from nstkit.errors import UserError
from transfer import stylize
from transfer.stylize import patch_side

QUICK = {"device": "cpu", "precision": "fp32", "steps": 3}


def test_package_offers_the_function_every_time(monkeypatch):
    monkeypatch.delitem(sys.modules, "transfer.stylize")
    monkeypatch.delattr(transfer, "stylize")
    from transfer import stylize as first

    assert isinstance(first, FunctionType)  # not the module of the same name
    assert transfer.stylize is first
    with pytest.raises(AttributeError, match="no attribute 'stylise'"):
        transfer.stylise  # noqa: B018


@pytest.mark.parametrize(("size", "expected"), [((90, 60), (48, 32)), ((40, 80), (24, 48)), ((30, 30), (48, 48))])
def test_picture_in_picture_out_with_the_longer_side_asked_for(size, expected, backbone, draw_picture):
    result = stylize(draw_picture(size), draw_picture((64, 50), 1), backbone=backbone, size=48, **QUICK)
    assert isinstance(result, Image.Image)
    assert result.mode == "RGB"
    assert result.size == expected
    assert np.std(result) > 5


def test_tensor_in_tensor_out_of_the_same_shape(backbone, content, style):
    result = stylize(content, style, backbone=backbone, size=32, **QUICK)
    assert result.shape == content.shape
    assert 0 <= result.min() <= result.max() <= 1
    assert not torch.equal(result, content)
    assert not result.requires_grad


def test_style_may_be_of_the_other_kind(backbone, content, draw_picture):
    assert isinstance(stylize(content, draw_picture((64, 50)), backbone=backbone, **QUICK), torch.Tensor)
    assert isinstance(stylize(draw_picture((64, 50)), content, backbone=backbone, size=48, **QUICK), Image.Image)


def test_grey_and_transparent_pictures_are_taken(backbone, draw_picture):
    grey, clear = draw_picture((40, 40)).convert("L"), draw_picture((40, 40)).convert("RGBA")
    assert stylize(grey, clear, backbone=backbone, size=40, **QUICK).size == (40, 40)


def test_backbone_by_name_or_loaded_gives_the_same(checkpoint, content, style):
    from nstkit.backbones.load import load_backbone

    by_name = stylize(content, style, backbone=str(checkpoint), **QUICK)
    loaded = stylize(content, style, backbone=load_backbone(str(checkpoint)), **QUICK)
    # Not bit for bit: each call measures anew which memory format is faster.
    torch.testing.assert_close(by_name, loaded, rtol=0, atol=1e-4)


def test_same_seed_same_result(backbone, content, style):
    first, again, other = (
        stylize(content, style, backbone=backbone, init="noise", canvas="pixels", seed=seed, **QUICK)
        for seed in (0, 0, 1)
    )
    torch.testing.assert_close(first, again, rtol=0, atol=1e-4)
    assert (first - other).abs().mean() > 0.1


def test_settings_hold(backbone, content, style):
    gentle, strong = (
        stylize(content, style, backbone=backbone, style_weight=weight, **{**QUICK, "steps": 10})
        for weight in (0.01, 100.0)
    )
    assert (strong - content).abs().mean() > 2 * (gentle - content).abs().mean()


def test_mistakes_are_user_errors(backbone, content, style):
    with pytest.raises(UserError, match="--size 3 "):
        stylize(content, style, backbone=backbone, size=3)
    with pytest.raises(UserError, match="tap 'relu9_1' is not in"):
        stylize(content, style, backbone=backbone, style_taps=("relu9_1",), **QUICK)
    with pytest.raises(UserError, match="no such checkpoint"):
        stylize(content, style, backbone="nowhere/ckpt.pt", **QUICK)
    with pytest.raises(TypeError, match="colour"):
        stylize(content, style, backbone=backbone, colour="style")


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (nn.Conv2d(3, 4, 4, stride=4), 4),
        (nn.Conv2d(3, 4, 16, stride=16), 16),
        (nn.Conv2d(3, 4, 7, stride=4), 1),  # patches that overlap leave no grid
        (nn.Conv2d(3, 4, 1), 1),
        (nn.Conv2d(4, 4, 4, stride=4), 1),
    ],
)
def test_side_of_the_patches_is_that_of_the_first_layer(first, expected):
    assert patch_side(nn.Sequential(first, nn.ReLU(), nn.Conv2d(4, 4, 2, stride=2))) == expected
