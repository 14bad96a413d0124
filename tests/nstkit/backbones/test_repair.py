"""Random networks: no block starts as an identity, and batch norm knows the pictures."""

import pytest
import timm
import torch
from torch import nn

from nstkit.backbones.features import Backbone, Tap
from nstkit.backbones.load import load_backbone
from nstkit.backbones.repair import settle_batchnorm, undo_identity_start
from nstkit.backbones.sizes import Sizes


def _backbone(network, **more):
    taps = {"0": Tap("0", "0", 4, 1), "1": Tap("1", "1", 4, 1)}
    return Backbone(
        network,
        label="net",
        taps=taps,
        style_taps=(),
        content_taps=(),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        **more,
    )


class _Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.conv, self.fresh = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.gamma = nn.Parameter(torch.full((4,), 1e-6))
        self.layer_scale_1 = nn.Parameter(torch.full((4, 1, 1), 1e-5))
        self.skipinit_gain = nn.Parameter(torch.tensor(0.0))
        self.learnt_scale = nn.Parameter(torch.tensor([0.1, 0.1, 0.1, 0.2]))
        self.scale = nn.Parameter(torch.full((4,), 2.0))
        self.position = nn.Parameter(torch.zeros(1, 4))
        nn.init.zeros_(self.norm.weight)
        nn.init.zeros_(self.conv.weight)


def test_what_makes_a_block_an_identity_is_undone_and_nothing_else():
    block = _Block()
    before = {name: value.detach().clone() for name, value in block.named_parameters()}
    changed = undo_identity_start(block)
    assert set(changed) == {"gamma", "layer_scale_1", "skipinit_gain", "norm.weight", "conv.weight"}
    for name, value in block.named_parameters():
        if name == "conv.weight":
            assert value.std() > 0.1
        elif name in changed:
            assert torch.equal(value, torch.ones_like(value))
        else:
            assert torch.equal(value, before[name]), name
    assert undo_identity_start(block) == []


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_nfnet", "test_vit2"])
def test_every_block_of_a_random_network_does_something(name):
    network = load_backbone(f"{name}@random").network
    gains = [
        value
        for path, value in network.named_parameters()
        if path.endswith(("gamma", "bn3.weight", "bn2.weight", "skipinit_gain", "gain")) and value.numel() < 1000
    ]
    assert gains
    assert all(value.abs().max() > 0.3 for value in gains)


def test_trained_weights_stay_as_they_are():
    network = timm.create_model("test_convnext")
    for value in network.parameters():
        nn.init.normal_(value, std=1e-3)
    assert undo_identity_start(network) == []


def _pictures():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 3, 8, 12, generator=generator), 0.5 * torch.rand(2, 3, 6, 6, generator=generator)]


def test_settled_statistics_are_the_mean_over_pictures_of_any_size():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
    backbone = _backbone(network)
    settle_batchnorm(backbone, _pictures())
    settle_batchnorm(backbone, _pictures())  # again: from the start
    maps = [network[0](picture) for picture in _pictures()]
    means = torch.stack([values.mean(dim=(0, 2, 3)) for values in maps]).mean(dim=0)
    variances = torch.stack([values.var(dim=(0, 2, 3)) for values in maps]).mean(dim=0)
    torch.testing.assert_close(network[1].running_mean, means)
    torch.testing.assert_close(network[1].running_var, variances)
    assert network[1].momentum == 0.1
    assert not any(module.training for module in backbone.modules() if module is not backbone)


def test_one_picture_and_one_position_have_no_variance_and_do_not_fail():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    settle_batchnorm(_backbone(network), _pictures()[:1])
    assert torch.equal(network[3].running_mean, torch.zeros(4))
    assert torch.equal(network[3].running_var, torch.ones(4))
    assert not network[3].training
    assert not network[3]._forward_pre_hooks


class _Partial(nn.Sequential):
    """A network that fails behind its last tap."""

    def forward(self, image):
        super().forward(image)
        raise RuntimeError("of another size")


def test_a_network_that_fails_behind_its_taps_is_settled_up_to_them():
    network = _Partial(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    settle_batchnorm(_backbone(network, sizes=Sizes(is_partial=True)), _pictures())
    assert network[1].running_mean.abs().max() > 0


def test_a_network_without_batch_norm_is_not_even_run():
    settle_batchnorm(_backbone(_Partial(nn.Conv2d(3, 4, 1), nn.ReLU())), _pictures())


@pytest.mark.parametrize(("spec", "expected"), [("test_resnet@random:2", True), ("vgg11@random", True)])
def test_a_random_backbone_says_so(spec, expected):
    assert load_backbone(spec).is_random == expected
    assert not load_backbone("carried").is_random
