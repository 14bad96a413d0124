"""Initial weights carry a signal through many layers, and folding changes nothing but the count of the layers."""

import copy
import math

import pytest
import torch
from torch import nn

from nstkit.backbones.initialise import fold_batchnorm, kaiming_init
from nstkit.backbones.vgg import VGG


def test_kaiming_has_the_deviation_of_fan_out():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(64, 256, 3), nn.BatchNorm2d(256), nn.Flatten(), nn.Linear(256, 100))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 7.0)
    kaiming_init(model)
    conv, norm, _, linear = model
    # 147,456 numbers: their deviation is known to 0.2 %.
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.01)
    assert conv.weight.mean().item() == pytest.approx(0, abs=3e-4)
    # Normal, not uniform.
    assert (conv.weight / conv.weight.std()).pow(4).mean().item() == pytest.approx(3, rel=0.05)
    assert linear.weight.std().item() == pytest.approx(0.01, rel=0.03)
    assert torch.all(norm.weight == 1)
    for layer in (conv, norm, linear):
        assert torch.all(layer.bias == 0)


def test_kaiming_carries_the_gradient_through_a_deep_plain_vgg():
    torch.manual_seed(0)
    model = VGG("vgg19", norm="none", width=0.25, classes=10)

    def first_gradient():
        model.zero_grad()
        images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
        nn.functional.cross_entropy(model(images), torch.tensor([1, 2])).backward()
        return model.features[0].weight.grad.norm().item()

    by_default = first_gradient()
    kaiming_init(model)
    assert first_gradient() > 1000 * by_default


def test_kaiming_takes_layers_without_bias():
    kaiming_init(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, affine=True)))


@pytest.fixture
def trained(small_vgg):
    return small_vgg("vgg13", norm="batch").double()


def test_folding_changes_no_conv_tap_and_no_feature(trained):
    image = torch.rand(2, 3, 40, 32, dtype=torch.float64)
    folded = fold_batchnorm(trained.features)
    plain = VGG("vgg13", norm="none", width=0.0625).taps
    assert len(folded) == len(VGG("vgg13", norm="none", width=0.0625).features)
    by_index = {index: name for name, index in trained.taps.items()}
    expected, maps = {}, image
    for index, layer in enumerate(trained.features):
        maps = layer(maps)
        if index in by_index:
            expected[by_index[index]] = maps
    maps = image
    for index, layer in enumerate(folded):
        maps = layer(maps)
        name = next(name for name, place in plain.items() if place == index)
        assert (maps - expected[name]).norm() <= 1e-6 * expected[name].norm(), name
    assert expected["conv5_2"].std() > 0.01
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded)


def test_folding_needs_the_running_statistics(trained):
    # With statistics of a network that has seen nothing, this file's comparison would prove little.
    before = trained.features[:2](torch.ones(1, 3, 8, 8, dtype=torch.float64))
    assert not torch.allclose(before, trained.features[0](torch.ones(1, 3, 8, 8, dtype=torch.float64)), rtol=0.1)


def test_folding_leaves_the_original_as_it_was(trained):
    trained.train()
    before = copy.deepcopy(trained.state_dict())
    folded = fold_batchnorm(trained.features)
    assert all(module.training for module in trained.modules())
    assert not any(module.training for module in folded.modules())
    for parameter in folded.parameters():
        nn.init.zeros_(parameter)
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_folding_a_plain_network_is_a_copy(small_vgg):
    network = small_vgg(norm="none")
    folded = fold_batchnorm(network.features)
    nn.init.zeros_(folded[0].weight)
    assert network.features[0].weight.abs().sum() > 0


@pytest.mark.parametrize("layers", [[nn.BatchNorm2d(3)], [nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)]])
def test_batch_norm_without_a_convolution_before_it_is_refused(layers):
    with pytest.raises(ValueError, match="does not follow a convolution"):
        fold_batchnorm(nn.Sequential(*layers))
