"""What is timed to choose the format of a training: little of a large network, and nothing of it is changed."""

import copy

import pytest
import torch
from torch import nn

from nstkit.formats import Format, list_formats, measure
from train_backbone import format as module
from train_backbone.format import first_layers, training_work

FP32, BF16 = Format("fp32", "contiguous"), Format("bf16", "channels_last")


@pytest.fixture
def network():
    """Three convolutions of 112, 584 and 584 weights, with batch norm and a head."""
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 3)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)),
    )


def state_of(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ("weights", "expected"), [(50, (2, 4, 8, 8)), (115, (2, 4, 8, 8)), (200, (2, 8, 6, 6)), (10**6, (2, 5))]
)
def test_first_layers_are_those_that_hold_so_many_weights(weights, expected, network, monkeypatch):
    monkeypatch.setattr(module, "WEIGHTS", weights)
    output = first_layers(network, torch.rand(2, 3, 8, 8))
    assert output.shape == expected
    output.sum().backward()
    assert network[0].weight.grad is not None
    assert network(torch.rand(2, 3, 8, 8)).shape == (2, 5)  # no hook is left


@pytest.mark.numerics
def test_network_stays_as_it_is(network):
    network.eval()
    before, work = state_of(network), training_work(network, 32, 8)
    for form in (FP32, BF16):
        work.prepare(form, work.sizes[0])()
    assert not network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network[0].weight.is_contiguous()
    assert measure(list_formats("auto", "auto", torch.device("cpu")), work)


@pytest.mark.parametrize(
    ("size_px", "batch_size", "expected"),
    [
        (32, 128, [(2, 32), (8, 32), (32, 32), (128, 32)]),
        (32, 10, [(2, 32), (8, 32)]),
        (32, 1, [(1, 32)]),
        (224, 8, [(2, 56), (2, 112), (2, 224), (8, 224)]),
        (64, 2, [(2, 32), (2, 64)]),
    ],
)
def test_sizes_begin_with_few_and_small_pictures(size_px, batch_size, expected, network):
    work = training_work(network, size_px, batch_size)
    assert work.sizes == expected


def test_pictures_of_a_step_have_its_size(network):
    seen = []
    spy = copy.deepcopy(network)
    spy.register_forward_pre_hook(lambda _, images: seen.append(tuple(images[0].shape)))
    work = training_work(spy, 224, 8)
    work.prepare(FP32, (2, 56))()
    work.prepare(FP32, (8, 224))
    assert seen == [(2, 3, 56, 56)]
