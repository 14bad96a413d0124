"""One step of a training: its loss, its gradient, its parts, and its number formats."""

import pytest
import torch
from torch.nn import functional

from nstkit.hardware import memory_format_of
from train_backbone.feed import Batch
from train_backbone.loop import split, target_loss, train_step


@pytest.fixture
def one_step(feed_of, begin):
    """Do the first step of a network; return (training, batch, what the step returned)."""

    def step(config, model=None):
        training = begin(config, model)
        batch = next(feed_of(config).read(0, 0, 0))
        found = train_step(training, batch, config, config.run.precision, memory_format_of(training.model.parameters()))
        return training, batch, found

    return step


def weights_of(training):
    return torch.cat([value.float().flatten() for value in training.model.state_dict().values()])


def gradient_of(model):
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.numerics
def test_step_returns_the_loss_with_smoothing_and_the_norm_before_clipping(one_step, begin, settings):
    config = settings(label_smoothing=0.2, clip=0.01)
    reference = begin(config).model
    training, batch, found = one_step(config)
    logits, labels = reference.train()(batch.images), batch.labels
    log_probabilities = functional.log_softmax(logits, 1)
    chosen, even = log_probabilities[torch.arange(8), labels].mean(), log_probabilities.mean()
    expected = -(0.8 * chosen + 0.2 * even)
    expected.backward()
    norm = gradient_of(reference).norm()
    share = (logits.argmax(1) == labels).float().mean()
    torch.testing.assert_close(found, torch.stack([expected, share, norm, torch.zeros(())]))
    assert norm > 0.1
    assert gradient_of(training.model).norm().item() == pytest.approx(0.01, rel=1e-3)
    assert (training.step, training.batch) == (1, 1)


@pytest.mark.parametrize("clip", [0.0, 1e6])
def test_no_clipping_leaves_the_gradient(clip, one_step, settings, plain_network):
    training, batch, found = one_step(settings(clip=clip), plain_network())
    reference = plain_network()
    functional.cross_entropy(reference(batch.images), batch.labels, label_smoothing=0.1).backward()
    torch.testing.assert_close(gradient_of(training.model), gradient_of(reference), rtol=1e-4, atol=1e-7)
    assert found[2].item() == pytest.approx(gradient_of(reference).norm().item(), rel=1e-4)


@pytest.mark.parametrize("parts", [2, 4, 8])
@pytest.mark.parametrize("given", [{}, {"cutmix": 1.0}])
def test_accumulated_gradient_is_that_of_the_whole_batch(parts, given, one_step, settings, plain_network):
    whole, _, expected = one_step(settings(clip=0.0, **given), plain_network())
    divided, _, found = one_step(settings(clip=0.0, accumulate=parts, **given), plain_network())
    torch.testing.assert_close(gradient_of(divided.model), gradient_of(whole.model), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(weights_of(divided), weights_of(whole), rtol=1e-3, atol=1e-6)
    assert divided.step == 1


def test_parts_of_a_batch_joined_are_the_batch():
    images, labels = torch.rand(6, 3, 4, 4), torch.arange(6)
    for more in ({}, {"partner_labels": labels.flip(0), "share": torch.rand(6)}):
        parts = split(Batch(images, labels, **more), 3)
        assert [len(part.labels) for part in parts] == [2, 2, 2]
        assert torch.equal(torch.cat([part.images for part in parts]), images)
        for name in ("labels", "partner_labels", "share"):
            columns = [getattr(part, name) for part in parts]
            if name in more or name == "labels":
                assert torch.equal(torch.cat(columns), more.get(name, labels))
            else:
                assert columns == [None] * 3


def test_loss_of_mixed_labels_by_hand():
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0]])
    batch = Batch(torch.zeros(2, 3, 1, 1), torch.tensor([0, 1]), torch.tensor([2, 1]), torch.tensor([0.7, 0.6]))
    # Smoothed by 0.3, each class has 0.1 and the labels the rest.
    targets = torch.tensor([[0.1 + 0.7 * 0.7, 0.1, 0.1 + 0.7 * 0.3], [0.1, 0.8, 0.1]])
    expected = -(targets * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(target_loss(logits, batch, 0.3), expected)
    plain = Batch(batch.images, batch.labels)
    torch.testing.assert_close(target_loss(logits, plain, 0.0), -logits.log_softmax(1)[[0, 1], [0, 1]].mean())


@pytest.fixture
def learn(begin, settings, feed_of):
    """Do 20 steps on one batch; return the training and what the steps returned, (20, 4)."""

    def learn(precision):
        config = settings(epochs=10, lr=5e-3, precision=precision)
        training = begin(config)
        batch = next(feed_of(config).read(0, 0, 0))
        layout = memory_format_of(training.model.parameters())
        training.model.train()
        return training, torch.stack([train_step(training, batch, config, precision, layout) for _ in range(20)])

    return learn


@pytest.mark.numerics
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_on_float32_weights(precision, learn):
    """One batch, since 20 steps on others teach so little that rounding decides whether the loss falls."""
    training, found = learn(precision)
    assert {parameter.dtype for parameter in training.model.parameters()} == {torch.float32}
    losses, expected = found[:, 0], learn("fp32")[1][:, 0]
    torch.testing.assert_close(losses[:6], expected[:6], atol=0.03, rtol=0)
    assert losses[-1] < 0.5 * losses[0]
    assert training.scaler.is_enabled() == (precision == "fp16")
    assert found[:, 3].tolist() == [0] * 20


@pytest.mark.numerics
def test_short_run_in_float16_learns_though_it_begins_with_overflows(learn, monkeypatch):
    monkeypatch.setattr("train_backbone.training.FIRST_SCALE", 2.0**30)
    training, found = learn("fp16")
    skipped = int(found[:, 3].sum())
    assert 2 <= skipped <= 11  # a step each, until it is at most 256
    assert training.scaler.get_scale() == 2.0 ** (30 - 2 * skipped)
    assert found[:skipped, 2:].tolist() == [[0, 1]] * skipped
    assert found[skipped:, 3].sum() == 0
    torch.testing.assert_close(found[:skipped, 0], found[:1, 0].expand(skipped), atol=0.01, rtol=0)
    assert found[-1, 0] < 0.8 * found[0, 0]
