"""The training loop: it learns, it ends where it should, and each part of a step does what it says."""

import copy
import math

import pytest
import torch
from torch.nn import functional

from nstkit.errors import UserError
from nstkit.hardware import memory_format_of
from train_backbone import loop
from train_backbone.augment import normalise, plan_epoch
from train_backbone.evaluate import evaluate
from train_backbone.loop import take_batch, train, train_step


@pytest.fixture
def run(data, begin):
    """Train with these settings; return the training and its records."""

    def run(config, precision="fp32"):
        training, records = begin(config), []
        train(training, data, config, precision, records.append)
        return training, records

    return run


def weights_of(training):
    return torch.cat([value.float().flatten() for value in training.model.state_dict().values()])


def batch_of(data, seed=0, size=8):
    images, labels = take_batch(
        data, plan_epoch(len(data.train), 32, seed, 0, data.train.labels.device), slice(0, size)
    )
    return normalise(images, torch.tensor(data.mean), torch.tensor(data.std)), labels


def test_training_learns_its_pictures_by_heart(run, settings, data):
    training, records = run(settings(epochs=25, lr=5e-3, schedule="onecycle"))
    losses = [record.scalars["train/loss"] for record in records if not record.is_epoch_end]
    assert losses[0] > 0.9
    assert losses[-1] < losses[0] - 0.3
    mean, std = torch.tensor(data.mean), torch.tensor(data.std)
    assert evaluate(training.measured, data.train, mean, std, "fp32")["top1"] > 0.8


def test_every_epoch_reports_its_steps_and_then_its_validation(run, settings, monkeypatch):
    monkeypatch.setattr(loop, "STEPS_A_RECORD", 4)
    _, records = run(settings(epochs=2))
    assert [(record.step, record.epoch, record.is_epoch_end) for record in records] == [
        *((4, 0, False), (6, 0, False), (6, 1, True)),
        *((10, 1, False), (12, 1, False), (12, 2, True)),
    ]
    for record in records:
        if record.is_epoch_end:
            assert set(record.scalars) == {"val/top1", "val/top5", "val/loss", "time/epoch_s"}
        else:
            names = {"train/loss", "train/top1", "opt/lr", "opt/grad_norm", "time/images_per_s"}
            assert set(record.scalars) == names
            assert 0 <= record.scalars["train/top1"] <= 1
        assert all(math.isfinite(value) for value in record.scalars.values())


def test_record_is_the_mean_of_its_steps(run, settings, monkeypatch):
    single, joint = [], []
    for steps_a_record, into in ((1, single), (4, joint)):
        monkeypatch.setattr(loop, "STEPS_A_RECORD", steps_a_record)
        _, records = run(settings(epochs=1))
        into += [record.scalars for record in records[:-1]]
    for tag in ("train/loss", "train/top1", "opt/grad_norm"):
        values = [scalars[tag] for scalars in single]
        expected = [sum(values[:4]) / 4, sum(values[4:]) / 2]
        assert [scalars[tag] for scalars in joint] == pytest.approx(expected, rel=1e-5)


def test_best_is_the_highest_validation_so_far(run, settings):
    training, records = run(settings(epochs=6, lr=5e-3))
    ends = [record for record in records if record.is_epoch_end]
    best = -1.0
    for record in ends:
        assert record.is_best == (record.scalars["val/top1"] > best)
        best = max(best, record.scalars["val/top1"])
    assert training.best_top1 == best
    assert 1 <= sum(record.is_best for record in ends) < 6


@pytest.mark.parametrize("max_steps", [1, 6, 8])
def test_max_steps_holds_also_within_an_epoch(max_steps, run, settings):
    training, records = run(settings(epochs=3, max_steps=max_steps))
    assert training.step == max_steps
    assert training.optimizer.state_dict()["state"][0]["step"] == max_steps
    assert [record.step for record in records if record.is_epoch_end] == [6, max_steps][max_steps <= 6 :]
    assert records[-1].step == max_steps
    assert records[-1].is_epoch_end


def test_batch_larger_than_the_data_is_all_of_them(run, settings):
    training, records = run(settings(epochs=2, batch_size=1000))
    assert training.step == 2
    assert records[-1].epoch == 2


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_same_seed_same_weights(norm, run, settings):
    first, again, other = (weights_of(run(settings(norm=norm, seed=seed))[0]) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("position", [2, 6, 7])  # within an epoch, at its end, in the next one
def test_loss_that_is_not_finite_ends_the_run_before_anything_of_it_is_reported(
    position, data, begin, settings, monkeypatch
):
    def step(training, *rest):
        result = train_step(training, *rest)
        return result * math.nan if training.step == position else result

    monkeypatch.setattr(loop, "train_step", step)
    config, records = settings(epochs=3), []
    with pytest.raises(UserError, match=r"the loss is nan at step \d+: lower --lr \(now 0.00025\)"):
        train(begin(config), data, config, "fp32", records.append)
    assert all(record.step < position for record in records)
    assert len(records) == (2 if position == 7 else 0)


def test_rate_that_is_far_too_high_is_the_users_to_mend(run, settings):
    with pytest.raises(UserError, match=r"lower --lr \(now 1e\+30\)"):
        run(settings(norm="none", lr=1e30, warmup_epochs=0.0))


# The parts of a step


def test_average_is_the_one_made_by_hand(data, begin, settings):
    config = settings(ema=0.4)
    training = begin(config)
    expected = None
    for number in range(6):
        train_step(training, *batch_of(data, seed=number), config, "fp32")
        now = {name: value.double() for name, value in training.model.state_dict().items()}
        if expected is None:
            expected = now
        else:
            decay = min(0.4, (1 + number) / (10 + number))  # 2/11, 3/12, 4/13, 5/14, 0.4
            expected = {name: decay * expected[name] + (1 - decay) * now[name] for name in now}
    found = training.measured.state_dict()
    assert training.measured is not training.model
    for name, value in expected.items():
        if name.endswith("num_batches_tracked"):
            assert found[name] == 6
        else:
            torch.testing.assert_close(found[name].double(), value, rtol=1e-5, atol=1e-7)
            assert not torch.equal(found[name], training.model.state_dict()[name])


def test_no_average_measures_the_network_itself(begin, settings):
    training = begin(settings(ema=0.0))
    assert training.averaged is None
    assert training.measured is training.model


def test_decay_is_of_weights_not_of_biases_and_norms(begin, settings):
    config = settings(weight_decay=0.25, warmup_epochs=0.0)
    training = begin(config)
    with torch.no_grad():
        for parameter in training.model.parameters():
            parameter.add_(0.5)  # biases begin at zero, which no decay changes
    names = {id(parameter): name for name, parameter in training.model.named_parameters()}
    before = {name: parameter.detach().clone() for name, parameter in training.model.named_parameters()}
    for parameter in training.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    training.optimizer.step()
    rate = training.optimizer.param_groups[0]["lr"]
    for name, parameter in training.model.named_parameters():
        is_weight = parameter.ndim >= 2
        assert is_weight == (name == "classifier.weight" or before[name].ndim == 4)
        torch.testing.assert_close(parameter.detach(), before[name] * (1 - rate * 0.25 if is_weight else 1.0))
    assert sorted(names[id(p)] for group in training.optimizer.param_groups for p in group["params"]) == sorted(before)


def test_step_returns_the_loss_with_smoothing_and_the_norm_before_clipping(data, begin, settings):
    config = settings(label_smoothing=0.2, clip=0.01)
    training = begin(config)
    reference = copy.deepcopy(training.model)
    images, labels = batch_of(data)
    logits = reference.train()(images)
    log_probabilities = functional.log_softmax(logits, 1)
    chosen, even = log_probabilities[torch.arange(8), labels].mean(), log_probabilities.mean()
    expected = -(0.8 * chosen + 0.2 * even)
    expected.backward()
    norm = torch.cat([parameter.grad.flatten() for parameter in reference.parameters()]).norm()
    found = train_step(training, images, labels, config, "fp32")
    torch.testing.assert_close(found, torch.stack([expected, (logits.argmax(1) == labels).sum().float(), norm]))
    clipped = torch.cat([parameter.grad.flatten() for parameter in training.model.parameters()]).norm()
    assert norm > 0.1
    assert clipped.item() == pytest.approx(0.01, rel=1e-3)
    assert training.step == 1


def test_bfloat16_trains_on_float32_weights(run, settings):
    training, records = run(settings(epochs=3, lr=5e-3), precision="bf16")
    assert {parameter.dtype for parameter in training.model.parameters()} == {torch.float32}
    losses = [record.scalars["train/loss"] for record in records if not record.is_epoch_end]
    assert losses[-1] < losses[0]


# Saving and going on


@pytest.mark.parametrize("saved_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("new_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_state_goes_into_a_network_of_another_memory_format(saved_format, new_format, ema, data, begin, settings):
    config = settings(ema=ema)
    straight, resumed = begin(config), begin(config)
    straight.model.to(memory_format=saved_format)
    resumed.model.to(memory_format=new_format)
    for number in range(3):
        train_step(straight, *batch_of(data, seed=number), config, "fp32")
    resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
    assert memory_format_of(resumed.model.parameters()) == saved_format
    for number in range(3, 6):
        for training in (straight, resumed):
            train_step(training, *batch_of(data, seed=number), config, "fp32")
    assert torch.equal(weights_of(straight), weights_of(resumed))
    for name, value in straight.measured.state_dict().items():
        assert torch.equal(value, resumed.measured.state_dict()[name])
    assert (resumed.step, resumed.epoch) == (6, 0)
