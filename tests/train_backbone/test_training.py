"""What changes in a training: rolled back, saved, brought back."""

import copy
import math
from pathlib import Path

import pytest
import torch

from nstkit.errors import UserError
from nstkit.hardware import memory_format_of
from train_backbone.loop import train, train_step
from train_backbone.training import FIRST_SCALE, LOWEST_SCALE, SCALE_AFTER_OVERFLOW
from train_backbone.watchdog import Death


@pytest.fixture
def go_on(feed_of):
    """Do some steps of the epoch that a training is in, the averaged network measured at none of them."""

    def go_on(training, config, steps):
        for batch in feed_of(config).read(training.epoch, training.batch, training.step):
            train_step(training, batch, config, config.run.precision, memory_format_of(training.model.parameters()))
            steps -= 1
            if steps == 0:
                return

    return go_on


def weights_of(training):
    return torch.cat([value.float().flatten() for value in training.model.state_dict().values()])


def assert_same_state(found, expected, where="state"):
    """Compare nested dicts and lists, tensors to the bit."""
    if isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected), where
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_same_state(found[key], value, f"{where}/{key}")
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected), where
        for number, pair in enumerate(zip(found, expected, strict=True)):
            assert_same_state(*pair, f"{where}/{number}")
    else:
        assert found == expected, where


# The average and the decay


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
    for name, parameter in training.model.named_parameters():
        is_weight = parameter.ndim >= 2
        assert is_weight == (name == "classifier.weight" or before[name].ndim == 4)
        torch.testing.assert_close(parameter.detach(), before[name] * (1 - training.rate * 0.25 if is_weight else 1.0))
    assert sorted(names[id(p)] for group in training.optimizer.param_groups for p in group["params"]) == sorted(before)


def test_average_is_the_one_made_by_hand(begin, settings, go_on):
    config = settings(ema=0.4)
    training = begin(config)
    expected = None
    for number in range(6):
        go_on(training, config, 1)
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


# Rolling back


@pytest.mark.parametrize("schedule", ["plateau", "cosine", "onecycle"])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_roll_back_is_to_the_end_of_the_last_epoch_with_a_lower_rate(schedule, ema, begin, settings, go_on):
    config = settings(schedule=schedule, ema=ema)
    training = begin(config)
    go_on(training, config, 6)
    training.end_epoch({"val/top1": 0.5})
    before, rate = copy.deepcopy(training.state_dict()), training.rate
    go_on(training, config, 4)
    with torch.no_grad():
        for parameter in training.model.parameters():
            parameter.fill_(math.nan)
    training.roll_back(Death("it died"), 3)
    after = training.state_dict()
    for name in ("model", "watchdog", "step", "epoch", "batch", "best_top1", "history", *(["averaged"] if ema else [])):
        assert_same_state(after[name], before[name], name)
    assert_same_state(after["optimizer"]["state"], before["optimizer"]["state"])
    assert training.rate == pytest.approx(0.3 * rate)
    assert (training.deaths, training.rate_factor) == (1, 0.3)
    assert (training.step, training.epoch, training.batch) == (6, 1, 0)


def test_roll_back_in_the_first_epoch_is_to_the_start(begin, settings, go_on):
    config = settings()
    training = begin(config)
    initial = weights_of(training).clone()
    go_on(training, config, 5)
    assert not torch.equal(weights_of(training), initial)
    training.roll_back(Death("it died"), 1)
    assert torch.equal(weights_of(training), initial)
    assert training.optimizer.state_dict()["state"] == {}
    assert (training.step, training.batch, training.deaths) == (0, 0, 1)


def test_every_death_lowers_the_rest_of_the_curve_until_retries_are_used_up(begin, settings, go_on):
    config = settings(schedule="cosine")
    training, straight = begin(config), begin(config)
    for death in range(1, 4):
        go_on(training, config, 2)
        training.roll_back(Death("it died"), 3)
        assert training.deaths == death
        assert training.rate == pytest.approx(straight.rate * 0.3**death)
    for _ in range(2):
        go_on(training, config, 3)
        go_on(straight, config, 3)
        assert training.rate == pytest.approx(straight.rate * 0.027)
    training.end_epoch({})
    assert training.deaths == 3  # a good epoch does not give retries back
    with pytest.raises(UserError, match=r"^it died again\. It was rolled back 3 times, .*--init lsuv.*--warmup-epochs"):
        training.roll_back(Death("it died again"), 3)


def test_roll_back_after_a_resume_is_to_the_same_state(begin, settings, go_on):
    """Within an epoch the state to go back to is not the saved one."""
    config = settings()
    straight, resumed = begin(config), begin(config)
    go_on(straight, config, 6)
    straight.end_epoch({"val/top1": 0.4})
    go_on(straight, config, 2)
    resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
    for training in (straight, resumed):
        go_on(training, config, 1)
        training.roll_back(Death("it died"), 2)
    assert resumed.step == 6
    assert_same_state(resumed.state_dict(), straight.state_dict())


# Saving and going on


@pytest.mark.parametrize("schedule", ["plateau", "cosine", "onecycle"])
@pytest.mark.parametrize("batches", [0, 4])  # at the end of an epoch, inside the next one
def test_state_goes_round_and_so_does_what_follows(schedule, batches, begin, settings, go_on):
    config = settings(schedule=schedule)
    straight, resumed = begin(config), begin(config.changed(seed=1))
    go_on(straight, config, 6)
    straight.schedule.step_epoch(0.4)
    straight.end_epoch({"val/top1": 0.4, "lr": 1.0})
    if batches:
        go_on(straight, config, batches)
    state = copy.deepcopy(straight.state_dict())
    assert ("snapshot" in state) == (batches > 0)
    resumed.load_state_dict(state)
    assert_same_state(resumed.state_dict(), straight.state_dict())
    for training in (straight, resumed):
        go_on(training, config, 2)
    assert_same_state(resumed.state_dict(), straight.state_dict())


@pytest.mark.parametrize("schedule", ["plateau", "cosine", "onecycle"])
def test_state_goes_round_after_two_deaths(schedule, begin, settings, go_on):
    config = settings(schedule=schedule, lr=1e-3)
    straight, resumed = begin(config), begin(config)
    for _ in range(2):
        go_on(straight, config, 2)
        straight.roll_back(Death("it died"), 3)
    go_on(straight, config, 6)
    straight.end_epoch({})
    resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
    assert (resumed.deaths, resumed.rate_factor) == (2, pytest.approx(0.09))
    for training in (straight, resumed):
        go_on(training, config, 3)
    assert resumed.rate == straight.rate
    assert torch.equal(weights_of(resumed), weights_of(straight))


def test_saved_state_does_not_change_with_the_training(begin, settings, go_on):
    """The snapshot to roll back to is a copy, and a saved one as well."""
    config = settings()
    training = begin(config)
    go_on(training, config, 6)
    training.end_epoch({"val/top1": 0.5})
    snapshot = copy.deepcopy(training._snapshot)
    history = training.history
    go_on(training, config, 4)
    training.end_epoch({"val/top1": 0.6})
    assert [epoch["val/top1"] for epoch in snapshot["history"]] == [0.5]
    assert [epoch["val/top1"] for epoch in history] == [0.5, 0.6]
    assert [epoch["epoch"] for epoch in history] == [1, 2]


def test_new_settings_win_over_the_saved(begin, settings, go_on):
    old, new = (settings(schedule="cosine", **more) for more in ({}, {"lr": 5e-3, "weight_decay": 0.3}))
    straight = begin(old)
    go_on(straight, old, 4)
    resumed, reference = begin(new), begin(new)
    resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
    assert [group["weight_decay"] for group in resumed.optimizer.param_groups] == [0.3, 0.0]
    go_on(reference, new, 4)
    assert resumed.rate == reference.rate != straight.rate
    # What is remembered for a roll-back does not bring the old ones back.
    resumed.roll_back(Death("it died"), 1)
    assert [group["weight_decay"] for group in resumed.optimizer.param_groups] == [0.3, 0.0]
    assert resumed.rate == pytest.approx(0.3 * begin(new).rate)


@pytest.mark.parametrize("batches", [3, 6])
def test_average_can_be_switched_on_when_resuming(batches, begin, settings, go_on):
    old, new = settings(ema=0.0), settings(ema=0.9)
    straight, resumed = begin(old), begin(new)
    go_on(straight, old, batches)
    if batches == 6:
        straight.end_epoch({})
    resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
    assert torch.equal(weights_of(resumed), weights_of(straight))
    go_on(straight, old, 1)
    go_on(resumed, new, 1)
    assert torch.equal(weights_of(resumed), weights_of(straight))
    # The average begins here: its first value is the network itself, not the random start.
    for name, value in resumed.model.state_dict().items():
        torch.testing.assert_close(resumed.measured.state_dict()[name], value, msg=name)
    resumed.roll_back(Death("it died"), 1)


def test_average_can_be_switched_off_when_resuming(begin, settings, go_on):
    old, new = settings(ema=0.9), settings(ema=0.0)
    straight, resumed = begin(old), begin(new)
    go_on(straight, old, 3)
    resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
    assert resumed.measured is resumed.model
    assert torch.equal(weights_of(resumed), weights_of(straight))
    resumed.roll_back(Death("it died"), 1)
    assert resumed.step == 0


@pytest.mark.parametrize(("before", "after"), [("fp32", "fp16"), ("fp16", "fp32"), ("bf16", "fp16"), ("fp32", "bf16")])
def test_precision_can_be_changed_when_resuming(before, after, begin, settings, go_on):
    old, new = settings(precision=before), settings(precision=after)
    straight, resumed = begin(old), begin(new)
    go_on(straight, old, 2)
    resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
    assert torch.equal(weights_of(resumed), weights_of(straight))
    assert resumed.scaler.is_enabled() == (after == "fp16")
    go_on(resumed, new, 1)
    assert resumed.step == 3
    resumed.roll_back(Death("it died"), 1)


@pytest.mark.numerics
def test_scale_of_the_loss_in_float16_has_a_floor(begin, settings, go_on):
    """Without one a network that overflows would halve it for ever, and its gradients would vanish unseen."""
    config = settings(precision="fp16")
    training = begin(config)
    assert training.scaler.is_enabled()
    go_on(training, config, 2)
    scale = training.scaler.get_scale()
    assert scale == FIRST_SCALE
    with torch.no_grad():
        training.model.features[0].weight.fill_(math.inf)
    go_on(training, config, 1)
    assert training.scaler.get_scale() == scale * SCALE_AFTER_OVERFLOW
    for _ in range(12):
        training.batch = 0
        go_on(training, config, 1)
    assert training.scaler.get_scale() == LOWEST_SCALE
    resumed = begin(config)
    resumed.load_state_dict(copy.deepcopy(training.state_dict()))
    assert resumed.scaler.get_scale() == LOWEST_SCALE


@pytest.mark.parametrize("saved_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("new_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_state_goes_into_a_network_of_another_memory_format(saved_format, new_format, ema, begin, settings, go_on):
    config = settings(ema=ema)
    straight, resumed = begin(config), begin(config)
    straight.model.to(memory_format=saved_format)
    resumed.model.to(memory_format=new_format)
    go_on(straight, config, 3)
    resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
    assert memory_format_of(resumed.model.parameters()) == saved_format
    for training in (straight, resumed):
        go_on(training, config, 3)
    assert torch.equal(weights_of(straight), weights_of(resumed))
    for name, value in straight.measured.state_dict().items():
        assert torch.equal(value, resumed.measured.state_dict()[name])
    assert (resumed.step, resumed.epoch) == (6, 0)


def test_replayed_rates_are_those_of_the_earlier_run(begin, settings, feed_of):
    config = settings(warmup_epochs=0.0).changed(final_fit=Path("run"))
    training, rates = begin(config, replayed=[1.0, 0.3, 0.09]), []
    train(training, feed_of(config), config, "fp32", lambda record: rates.append((record.step, training.rate)))
    assert dict(rates) == {
        6: pytest.approx(config.recipe.lr * 0.3),
        12: pytest.approx(config.recipe.lr * 0.09),
        18: pytest.approx(config.recipe.lr * 0.09),
    }


@pytest.mark.parametrize("warmup_epochs", [0.0, 0.5, 2.0])  # the last is longer than half of the run
def test_replayed_warm_up_is_that_of_the_earlier_run(warmup_epochs, begin, settings):
    config = settings(epochs=2, warmup_epochs=warmup_epochs)
    first, second = begin(config), begin(config, replayed=[1.0, 1.0])
    for _ in range(12):
        assert second.rate == pytest.approx(first.rate)
        first.schedule.step_batch()
        second.schedule.step_batch()
