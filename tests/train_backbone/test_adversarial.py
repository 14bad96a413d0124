"""Adversarial steps: of the right length, uphill, and without a trace in the network."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from nstkit.checkpoint import read_checkpoint
from nstkit.hardware import memory_format_of
from train_backbone import loop
from train_backbone.__main__ import main
from train_backbone.adversarial import perturbed
from train_backbone.loop import train_step

STD = (0.2, 0.25, 0.5)


@pytest.fixture
def attacked(plain_network):
    """A network with dropout and batch norm, pictures, and the loss of their logits."""
    network = nn.Sequential(nn.BatchNorm2d(3), *plain_network(dropout=0.5))
    images = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    return network, images, lambda logits: functional.cross_entropy(logits, labels)


def test_step_has_its_length_in_each_picture_between_black_and_white(attacked):
    network, images, loss_of = attacked
    moved = perturbed(network, images, loss_of, 0.3, STD)
    step = (moved - images) * torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(step.flatten(1).norm(dim=1), torch.full((6,), 0.3))
    assert not moved.requires_grad


def test_step_goes_along_the_gradient_of_a_linear_network():
    """The gradient of a difference of two logits is the difference of their weights, for every picture."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2, bias=False))
    images = torch.rand(3, 3, 2, 2)
    moved = perturbed(network, images, lambda logits: (logits[:, 0] - logits[:, 1]).mean(), 1.0, (1.0, 1.0, 1.0))
    direction = network[1].weight[0] - network[1].weight[1]
    expected = (direction / direction.norm()).detach().expand(3, 12)
    torch.testing.assert_close((moved - images).flatten(1), expected)


def test_loss_rises_with_the_length_and_more_than_in_a_random_direction(attacked):
    network, images, loss_of = attacked
    losses = []
    for length in (0.0, 0.1, 0.5):
        moved = perturbed(network, images, loss_of, length, STD)
        losses.append(loss_of(network.eval()(moved)).item())
    noise = torch.randn_like(images).flatten(1)
    noise = (0.5 * noise / noise.norm(dim=1, keepdim=True)).view_as(images) / torch.tensor(STD)[:, None, None]
    assert losses[0] < losses[1] < losses[2]
    assert loss_of(network(images + noise)).item() - losses[0] < (losses[2] - losses[0]) / 2


def test_network_is_left_as_it_was(attacked):
    network, images, loss_of = attacked
    before = copy.deepcopy(network.state_dict())
    perturbed(network, images, loss_of, 0.3, STD)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_picture_without_a_gradient_stays(attacked):
    network, images, _ = attacked
    assert torch.equal(perturbed(network, images, lambda logits: 0 * logits.sum(), 1.0, STD), images)
    overflown = perturbed(network, images, lambda logits: float("inf") * logits.sum(), 1.0, STD)
    assert torch.equal(overflown, images)


@pytest.mark.parametrize("parts", [1, 2])
def test_step_learns_from_the_harder_pictures(parts, settings, feed_of, begin, monkeypatch):
    config = settings(adversarial=0.5, accumulate=parts)
    feed, training = feed_of(config), begin(config)
    batch = next(feed.read(0, 0, 0))
    seen = []
    training.forward.register_forward_pre_hook(lambda network, args: seen.append((network.training, args[0].detach())))
    layout = memory_format_of(training.model.parameters())
    train_step(training, batch, config, "fp32", layout, 0, feed.data.std)
    assert [is_training for is_training, _ in seen] == [False, True] * parts
    clean, harder = (
        torch.cat([images for is_training, images in seen if is_training == kind]) for kind in (False, True)
    )
    assert torch.equal(clean, batch.images)
    step = (harder - clean) * torch.tensor(feed.data.std)[:, None, None]
    torch.testing.assert_close(step.flatten(1).norm(dim=1), torch.full((8,), 0.5))


def test_command_trains_with_adversarial_steps_and_with_noise(bare, tmp_path, call_command, monkeypatch):
    lengths = []
    whole = loop.perturbed

    def perturbed_here(*given):
        lengths.append(given[3])
        return whole(*given)

    monkeypatch.setattr(loop, "perturbed", perturbed_here)
    words = (*bare, "--max-steps", 3, "--runs-dir", tmp_path)
    for name, more in (("plain", ()), ("noisy", ("--noise", 0.3)), ("robust", ("--adversarial", 0.5))):
        assert call_command(main, *words, *more, "--run-name", name) == 0
    contents = {
        name: read_checkpoint(tmp_path / "train_backbone" / name / "ckpt.pt") for name in ("plain", "noisy", "robust")
    }
    assert lengths == [0.5] * 3
    asked = [(content["config"]["noise"], content["config"]["adversarial"]) for content in contents.values()]
    assert asked == [(0.0, 0.0), (0.3, 0.0), (0.0, 0.5)]
    plain, *others = (content["model"]["classifier.weight"] for content in contents.values())
    assert all(not torch.equal(plain, weights) for weights in others)
