"""Single architectures: freed of a size they compute what they compute for it, and tokens come back into order."""

import copy

import pytest
import timm
import torch
from timm.models.hiera import Hiera
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer as TorchvisionVit

from nstkit.backbones import quirks

HIERA = {"embed_dim": 8, "num_heads": 1, "stages": (1, 1, 1), "q_pool": 1, "mask_unit_size": (4, 4)}


def _picture(height, width):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def _made(make, **settings):
    torch.manual_seed(0)
    return make(num_classes=5, **settings).eval()


def test_freed_torchvision_vit_keeps_what_it_gives_at_its_own_size():
    network = _made(TorchvisionVit, image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=16)
    own = network(_picture(32, 32))
    quirks.free_sizes(network)
    assert torch.allclose(network(_picture(32, 32)), own, atol=1e-6)
    assert network(_picture(24, 40)).shape == (1, 5)
    # A network that was made for the size, with the same positions resampled, gives the same.
    assert torch.equal(copy.deepcopy(network)(_picture(24, 40)), network(_picture(24, 40)))


def test_freed_hiera_is_one_that_was_made_for_the_size():
    settings = {**HIERA, "mask_unit_attn": (True, False, False)}
    network = _made(Hiera, img_size=(32, 32), **settings)
    reference = _made(Hiera, img_size=(48, 64), **settings)
    weights = dict(network.state_dict())
    weights["pos_embed"] = timm.layers.resample_abs_pos_embed(weights["pos_embed"], [12, 16], num_prefix_tokens=0)
    reference.load_state_dict(weights)
    own = network(_picture(32, 32))
    quirks.free_sizes(network)
    assert torch.allclose(network(_picture(48, 64)), reference(_picture(48, 64)), atol=1e-6)
    assert torch.allclose(network(_picture(32, 32)), own, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: nn.Conv2d(3, 4, 1), lambda: timm.create_model("test_vit")])
def test_any_other_network_stays_as_it_is(make):
    network = make()
    before = {path: dict(vars(module)) for path, module in network.named_modules()}
    quirks.free_sizes(network)
    assert {path: vars(module) for path, module in network.named_modules()} == before
    assert not network._forward_pre_hooks


def test_tokens_of_hiera_come_back_to_where_they_were_in_the_picture():
    network = _made(Hiera, img_size=(32, 32), **HIERA, mask_unit_attn=(True, False, False))
    quirks.free_sizes(network)
    assert quirks.has_own_order(network)
    tokens = {}
    for number, block in enumerate(network.blocks):
        block.register_forward_hook(lambda module, inputs, output, k=number: tokens.update({k: output}))
    with torch.no_grad():
        network(_picture(48, 64))  # its order follows
        expected = network.forward_intermediates(_picture(48, 64), indices=3, intermediates_only=True)
    for number, maps in enumerate(expected):
        assert torch.equal(quirks.ordered_maps(network, tokens[number], f"blocks.{number}"), maps)
    rows = tokens[0].transpose(1, 2).unflatten(2, expected[0].shape[2:])
    assert not torch.equal(rows, expected[0])  # as tokens of other networks would be read


def test_a_network_of_the_same_name_has_no_order_of_its_own():
    other = type("Hiera", (nn.Module,), {})()
    assert not quirks.has_own_order(other)
    assert not quirks.has_own_order(nn.Conv2d(3, 4, 1))


@pytest.mark.parametrize(("path", "number"), [("blocks.3", 3), ("blocks.3.attn", None), ("stages.0", None)])
def test_number_of_a_block(path, number):
    assert quirks.block_number(path) == number


@pytest.mark.parametrize(
    ("path", "names", "expected"),
    [
        ("block.0", {"stages.0"}, "stages.0"),  # MViT
        ("block.0", {"block.0", "stages.0"}, "block.0"),
        ("block.0", {"blocks.0"}, "block.0"),
        ("stages.0", {"stages.0"}, "stages.0"),
    ],
)
def test_published_path(path, names, expected):
    assert quirks.published_path(path, names) == expected


@pytest.mark.parametrize("name", ["VisionTransformer", "Other"])
def test_patches_stay_a_grid_where_the_network_resamples_positions_by_it(name):
    make = type(name, (VisionTransformer,), {})
    network = _made(make, img_size=32, patch_size=8, embed_dim=16, depth=1, num_heads=2)
    quirks.keep_grid(network, network.patch_embed)
    shape = network.patch_embed(_picture(32, 32)).shape
    assert shape == ((1, 4, 4, 16) if name == "VisionTransformer" else (1, 16, 16))
