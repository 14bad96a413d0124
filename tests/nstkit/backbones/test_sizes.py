"""Pictures of any size: padding is a mirror, freed networks compute what timm computes for that size."""

import numpy as np
import pytest
import torch
from timm.models.beit import Beit
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer

from nstkit.backbones.sizes import Sizes, SizeSetter, free_sizes, pad_picture


def _picture(height, width, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def _made(make, **settings):
    torch.manual_seed(0)
    return make(num_classes=5, **settings).eval()


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [(Sizes(), (30, 41)), (Sizes(16), (32, 48)), (Sizes(10), (30, 50)), (Sizes(only=64), (64, 64))],
)
def test_padded_size(sizes, expected):
    assert sizes.padded(30, 41) == expected


@pytest.mark.parametrize("size", [(30, 41), (9, 5), (3, 2)])
def test_padding_mirrors_the_picture_as_often_as_it_takes(size):
    image = _picture(*size)
    found = pad_picture(image, Sizes(16), "net")
    height, width = found.shape[2:]
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), (0, height - size[0]), (0, width - size[1])), mode="reflect")
    assert (height, width) == (-(-size[0] // 16) * 16, -(-size[1] // 16) * 16)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_a_picture_of_one_pixel_is_repeated():
    assert torch.equal(pad_picture(torch.ones(1, 3, 1, 1), Sizes(4), "net"), torch.ones(1, 3, 4, 4))


def test_a_picture_that_fits_is_the_same_tensor():
    image = _picture(32, 48)
    assert pad_picture(image, Sizes(16), "net") is image


def test_gradient_reaches_a_padded_picture():
    image = _picture(5, 7).requires_grad_()
    pad_picture(image, Sizes(8), "net").sum().backward()
    assert image.grad.min() >= 1
    assert image.grad.sum() == 3 * 64


def test_too_large_for_the_only_size_is_one_line(user_error):
    with user_error("net", "up to 224 x 224 px only", "300 x 200", "--size 224"):
        pad_picture(_picture(200, 300), Sizes(only=224), "net")


VIT = {"patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}


def test_freed_vit_is_timms_dynamic_one():
    fixed = _made(VisionTransformer, img_size=32, **VIT)
    dynamic = _made(VisionTransformer, img_size=32, dynamic_img_size=True, **VIT)
    dynamic.load_state_dict(fixed.state_dict())
    own = fixed(_picture(32, 32))
    free_sizes(fixed)
    assert torch.allclose(fixed(_picture(32, 32)), own, atol=1e-6)
    assert torch.equal(fixed(_picture(24, 40)), dynamic(_picture(24, 40)))


def test_freed_swin_is_timms_dynamic_one():
    settings = {"img_size": 64, "embed_dim": 8, "depths": (2, 2), "num_heads": (1, 2), "window_size": 4}
    fixed = _made(SwinTransformer, **settings)
    dynamic = _made(SwinTransformer, dynamic_img_size=True, **settings)
    dynamic.load_state_dict(fixed.state_dict())
    own = fixed(_picture(64, 64))
    free_sizes(fixed)
    assert torch.allclose(fixed(_picture(64, 64)), own, atol=1e-6)
    assert torch.equal(fixed(_picture(72, 96)), dynamic(_picture(72, 96)))


def test_a_size_is_set_from_the_networks_own_weights_on():
    network = _made(Beit, img_size=32, use_rel_pos_bias=True, **VIT).requires_grad_(False)
    own = network(_picture(32, 32))
    setter = SizeSetter(network)
    setter.set(network, (24, 40))
    first = network(_picture(24, 40))
    setter.set(network, (64, 16))
    setter.set(network, (24, 40))
    assert torch.equal(network(_picture(24, 40)), first)
    setter.reset(network)
    assert torch.equal(network(_picture(32, 32)), own)
    assert not any(value.requires_grad for value in network.parameters())
