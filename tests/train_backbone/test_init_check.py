"""Weights with which a network cannot learn are flagged before the first step, others are not; nothing is changed."""

import copy
import math
import random

import numpy as np
import pytest
import timm
import torch
from torch import nn

from nstkit.backbones.initialise import initialise
from nstkit.backbones.vgg import VGG
from nstkit.datasets.patterns import draw_patterns
from train_backbone.init_check import InitReport, check_initial_weights


@pytest.fixture(scope="module")
def batch():
    """48 normalised pictures (48, 3, 32, 32) of textures and their three classes."""
    images, labels = draw_patterns(48, 32, seed=0)
    images = torch.from_numpy(images).float()
    return (images - images.mean()) / images.std(), torch.from_numpy(labels) % 3


def _vgg(norm, init, images, head="gap", arch="vgg19"):
    torch.manual_seed(0)
    network = VGG(arch, norm=norm, width=0.25, classes=3, head=head)
    initialise(network, init, images)
    return network


@pytest.mark.parametrize("head", ["gap", "fc4096"])
def test_torchs_default_is_flagged_in_a_deep_plain_network(batch, head):
    report = check_initial_weights(_vgg("none", "default", batch[0], head), *batch)
    dies, rank = report.problems
    assert dies.endswith("at features.0: the signal dies; use --init kaiming or lsuv")
    assert rank.startswith(f"RankMe {report.rankme:.2f} of the last features: they hardly depend on the picture; use")
    assert report.rankme < 1.1
    assert report.rows[0].gradient_ratio < 1e-6


@pytest.mark.parametrize(
    ("norm", "init"),
    [
        *(("none", init) for init in ("kaiming", "kaiming-fan-in", "lsuv")),
        *(("batch", init) for init in ("kaiming", "lsuv", "default")),
    ],
)
def test_weights_that_learn_are_not_flagged(batch, norm, init):
    report = check_initial_weights(_vgg(norm, init, batch[0]), *batch)
    assert report.problems == ()
    assert report.rankme > 5
    assert report.rows[0].gradient_ratio > 1e-4


def test_branches_that_start_at_zero_are_not_flagged(batch):
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=3, zero_init_last=True)
    report = check_initial_weights(network, *batch)
    assert min(row.gradient_ratio for row in report.rows) == 0  # the case is the one that is meant
    assert report.problems == ()


def test_rows_are_what_a_walk_by_hand_finds(batch):
    network = _vgg("none", "kaiming", batch[0], arch="vgg11")
    report = check_initial_weights(network, *batch)
    assert [row.name for row in report.rows] == [f"features.{n}" for n in (0, 3, 6, 8, 11, 13, 16, 18)] + ["classifier"]
    maps, expected = batch[0], []
    for layer in network.features:
        maps = layer(maps)
        if isinstance(layer, nn.Conv2d):
            expected.append([maps.std().item()])
        elif isinstance(layer, nn.ReLU):
            expected[-1].append((maps == 0).float().mean().item())
    logits = network.classifier(maps.mean(dim=(2, 3)))
    nn.functional.cross_entropy(logits, batch[1]).backward()
    for row, (deviation, zeros) in zip(report.rows, expected, strict=False):
        weight = network.get_submodule(row.name).weight
        assert row.output_std == pytest.approx(deviation, rel=1e-4)
        assert row.zero_share == pytest.approx(zeros, abs=1e-6)
        assert row.gradient_ratio == pytest.approx((weight.grad.norm() / weight.norm()).item(), rel=1e-3)
    assert report.rows[-1].output_std == pytest.approx(logits.std().item(), rel=1e-4)
    assert report.rows[-1].zero_share is None
    spectrum = torch.linalg.svdvals(maps.detach().mean(dim=(2, 3)).double())
    shares = spectrum / spectrum.sum()
    assert report.rankme == pytest.approx(math.exp(-(shares * shares.log()).sum()), rel=1e-3)


@pytest.mark.parametrize(
    ("layer", "value", "message"),
    [
        (2, math.nan, "the output of 2 is not finite"),
        (0, math.inf, "the output of 0 is not finite"),
        (2, 0.0, "RankMe 0.00"),
    ],
)
def test_broken_weights_are_named(batch, layer, value, message):
    torch.manual_seed(0)
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), *pool, nn.Linear(8, 3))
    assert check_initial_weights(network, *batch).problems == ()
    nn.init.constant_(network[layer].weight, value)
    nn.init.constant_(network[layer].bias, 0.0)
    problems = check_initial_weights(network, *batch).problems
    assert any(line.startswith(message) for line in problems)
    assert all("--init" in line and "\n" not in line for line in problems)


class _RootOfZero(nn.Module):
    def forward(self, maps):
        return (maps - maps.detach()).abs().sqrt() + maps


def test_gradient_that_is_not_finite_is_named(batch):
    torch.manual_seed(0)
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = nn.Sequential(nn.Conv2d(3, 8, 3), _RootOfZero(), *pool, nn.Linear(8, 3))
    (problem,) = check_initial_weights(network, *batch).problems
    assert problem.startswith("the gradient of 0 is not finite")


@pytest.mark.parametrize("is_training", [True, False])
def test_model_and_random_states_are_left_as_they_were(batch, is_training):
    network = _vgg("batch", "kaiming", batch[0], "fc4096", "vgg11").train(is_training)
    network.features[0].weight.requires_grad_(False)
    network.classifier[0].weight.grad = torch.ones_like(network.classifier[0].weight)
    before = copy.deepcopy(network.state_dict())
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()

    report = check_initial_weights(network, *batch)
    assert isinstance(report, InitReport)
    assert len(report.rows) == 11
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(module.training == is_training for module in network.modules())
    assert not network.features[0].weight.requires_grad
    grads = [name for name, value in network.named_parameters() if value.grad is not None]
    assert grads == ["classifier.0.weight"]
    assert torch.all(network.classifier[0].weight.grad == 1)
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])


class _Random(nn.Module):
    """Draws from all three generators."""

    def forward(self, maps):
        return maps + random.random() + np.random.rand() + torch.rand(1)


def test_random_states_come_back_from_a_network_that_draws(batch):
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = nn.Sequential(nn.Conv2d(3, 8, 3), _Random(), *pool, nn.Linear(8, 3))
    draws = []
    for check in (False, True):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        if check:
            check_initial_weights(network, *batch)
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]


def test_the_same_twice(batch):
    network = _vgg("batch", "kaiming", batch[0], "fc4096", "vgg11")
    assert check_initial_weights(network, *batch) == check_initial_weights(network, *batch)
