"""The learning rates, against their formulas, and across a resume."""

import math

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, OneCycleLR

from train_backbone.schedule import SMOOTHING, build_schedule, cosine, one_cycle, replay_schedule

PEAK = 0.1
KINDS = ("plateau", "cosine", "onecycle")


def make_optimizer(peak=PEAK):
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))]} for _ in range(2)]
    return torch.optim.AdamW(groups, lr=peak)


def make(kind, total_steps=20, warmup_steps=5, patience=1, peak=PEAK):
    """Return (optimizer of two groups, schedule)."""
    optimizer = make_optimizer(peak)
    return optimizer, build_schedule(kind, optimizer, total_steps, warmup_steps, patience)


def step(optimizer, schedule):
    """Do one step; return the rate it was done with."""
    rates = {group["lr"] for group in optimizer.param_groups}
    optimizer.step()
    schedule.step_batch()
    assert len(rates) == 1
    return rates.pop()


def test_plateau_warms_up_in_equal_steps_to_the_peak():
    optimizer, schedule = make("plateau")
    rates = [step(optimizer, schedule) for _ in range(8)]
    np.testing.assert_allclose(rates, [0.02, 0.04, 0.06, 0.08, 0.1, 0.1, 0.1, 0.1])


def test_plateau_lowers_the_rate_when_validation_stalls_and_not_before():
    optimizer, schedule = make("plateau", warmup_steps=1, patience=1)
    step(optimizer, schedule)
    rates = []
    for top1 in (0.1, 0.3, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5):
        schedule.step_epoch(top1)
        rates.append(step(optimizer, schedule))
    # Smoothed by half, a last rise of 0.2 is above the threshold of 0.001 for seven more epochs.
    assert SMOOTHING == 0.5
    np.testing.assert_allclose(rates, [PEAK] * 11 + [0.3 * PEAK])


def test_plateau_is_not_misled_by_one_bad_epoch():
    optimizer, schedule = make("plateau", warmup_steps=1, patience=1)
    step(optimizer, schedule)
    for top1 in (0.1, 0.3, 0.2, 0.5, 0.4, 0.6):
        schedule.step_epoch(top1)
    assert step(optimizer, schedule) == PEAK


def test_plateau_does_not_count_epochs_inside_the_warm_up():
    optimizer, schedule = make("plateau", total_steps=100, warmup_steps=30, patience=0)
    rates = []
    for number in range(40):
        rates.append(step(optimizer, schedule))
        if number % 5 == 4:
            schedule.step_epoch(0.5)
    np.testing.assert_allclose(rates[:30], PEAK * np.arange(1, 31) / 30)
    # The epoch that ends the warm-up is the first to count, the second one stalls.
    np.testing.assert_allclose(rates[30:35], PEAK)
    np.testing.assert_allclose(rates[35:], 0.3 * PEAK)


def test_plateau_ends_at_a_lowest_rate():
    optimizer, schedule = make("plateau", warmup_steps=1, patience=0)
    step(optimizer, schedule)
    for _ in range(40):
        schedule.step_epoch(0.5)
    assert step(optimizer, schedule) == pytest.approx(1e-6)


def test_cosine_is_its_formula():
    optimizer, schedule = make("cosine", total_steps=25, warmup_steps=5)
    rates = [step(optimizer, schedule) for _ in range(25)]
    expected = [PEAK * (k + 1) / 6 for k in range(5)]
    expected += [PEAK * (1 + math.cos(math.pi * k / 20)) / 2 for k in range(20)]
    np.testing.assert_allclose(rates, expected, rtol=1e-9)


def test_onecycle_rises_to_the_peak_and_falls_far_below_the_start():
    optimizer, schedule = make("onecycle", total_steps=50)
    rates = [step(optimizer, schedule) for _ in range(50)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(PEAK)
    assert 13 <= top <= 16
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()
    assert rates[0] == pytest.approx(PEAK / 25)
    assert rates[-1] == pytest.approx(PEAK / 25 / 1e4)


def rates_of_torch(scheduler_of, steps):
    optimizer = make_optimizer()
    scheduler, rates = scheduler_of(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("total_steps", [7, 10, 37, 200])
def test_onecycle_is_torchs(total_steps):
    expected = rates_of_torch(
        lambda optimizer: OneCycleLR(optimizer, PEAK, total_steps, cycle_momentum=False), total_steps - 1
    )
    optimizer, schedule = make("onecycle", total_steps)
    np.testing.assert_allclose([step(optimizer, schedule) for _ in expected], expected, rtol=1e-9)
    found = [PEAK * one_cycle(k, total_steps) for k in range(total_steps - 1)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize(("total_steps", "warmup_steps"), [(20, 4), (60, 15)])
def test_cosine_is_torchs(total_steps, warmup_steps):
    annealed = rates_of_torch(
        lambda optimizer: CosineAnnealingLR(optimizer, total_steps - warmup_steps), total_steps - warmup_steps
    )
    rising = rates_of_torch(
        lambda optimizer: LinearLR(optimizer, 1 / (warmup_steps + 1), total_iters=warmup_steps), warmup_steps
    )
    optimizer, schedule = make("cosine", total_steps, warmup_steps)
    found = [step(optimizer, schedule) for _ in range(total_steps)]
    np.testing.assert_allclose(found, rising + annealed, rtol=1e-6)
    np.testing.assert_allclose(found, [PEAK * cosine(k, total_steps, warmup_steps) for k in range(total_steps)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("total_steps", [1, 2, 3, 20])
def test_every_step_of_a_run_of_any_length_has_a_rate(kind, total_steps):
    optimizer, schedule = make(kind, total_steps, warmup_steps=5)
    rates = [step(optimizer, schedule) for _ in range(total_steps + 3)]
    assert all(0 < rate <= PEAK * (1 + 1e-9) for rate in rates)


@pytest.mark.parametrize("kind", ["cosine", "onecycle"])
def test_validation_has_no_say_in_schedules_by_batch(kind):
    optimizer, schedule = make(kind)
    for _ in range(20):
        schedule.step_epoch(0.5)
    assert step(optimizer, schedule) == step(*make(kind))


def resumed(kind, optimizer, schedule, **changed):
    """Return a new optimizer and schedule that were given the states of these."""
    new_optimizer, new_schedule = make(kind, **changed)
    new_optimizer.load_state_dict(optimizer.state_dict())
    new_schedule.load_state_dict(schedule.state_dict())
    return new_optimizer, new_schedule


def run_epoch(optimizer, schedule, epoch, steps=4):
    rates = [step(optimizer, schedule) for _ in range(steps)]
    schedule.step_epoch((0.1, 0.4, 0.4, 0.39, 0.38, 0.37, 0.36, 0.35, 0.34, 0.33)[epoch])
    return rates, schedule.state_dict()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epochs_before", [1, 2, 5, 8])  # the first ends inside the warm-up
def test_resumed_rates_are_those_of_an_uninterrupted_run(kind, epochs_before):
    lengths = {"total_steps": 40, "warmup_steps": 5, "patience": 1}
    straight = make(kind, **lengths)
    expected = [run_epoch(*straight, epoch) for epoch in range(10)]
    broken = make(kind, **lengths)
    found = [run_epoch(*broken, epoch) for epoch in range(epochs_before)]
    broken = resumed(kind, *broken, **lengths)
    found += [run_epoch(*broken, epoch) for epoch in range(epochs_before, 10)]
    assert found == expected  # to the last bit
    assert len({rate for rates, _ in expected for rate in rates}) > 5


@pytest.mark.parametrize("kind", ["cosine", "onecycle"])
def test_a_longer_run_is_resumed_on_its_own_curve(kind):
    short = make(kind, total_steps=20)
    for _ in range(12):
        step(*short)
    longer = resumed(kind, *short, total_steps=60)
    straight = make(kind, total_steps=60)
    expected = [step(*straight) for _ in range(60)]
    assert [step(*longer) for _ in range(48)] == expected[12:]


def test_new_patience_holds_after_a_resume():
    optimizer, schedule = make("plateau", warmup_steps=1, patience=0)
    step(optimizer, schedule)
    schedule.step_epoch(0.5)
    optimizer, schedule = resumed("plateau", optimizer, schedule, warmup_steps=1, patience=3)
    for _ in range(3):
        schedule.step_epoch(0.5)
    assert step(optimizer, schedule) == PEAK
    schedule.step_epoch(0.5)
    assert step(optimizer, schedule) == pytest.approx(0.3 * PEAK)


# Another peak: the watchdog lowers it, a resume may bring a new one


@pytest.mark.parametrize("kind", ["cosine", "onecycle"])
@pytest.mark.parametrize("before", [2, 12])
def test_lower_halves_the_rest_of_the_curve(kind, before):
    expected = [step(*whole) for whole in [make(kind)] for _ in range(20)]
    optimizer, schedule = make(kind)
    found = [step(optimizer, schedule) for _ in range(before)]
    schedule.lower(0.5)
    found += [step(optimizer, schedule) for _ in range(before, 20)]
    np.testing.assert_allclose(found, expected[:before] + [rate / 2 for rate in expected[before:]], rtol=1e-12)


@pytest.mark.parametrize("before", [2, 7])
def test_lower_halves_warm_up_and_plateau(before):
    optimizer, schedule = make("plateau", warmup_steps=5, patience=0)
    rates = [step(optimizer, schedule) for _ in range(before)]
    schedule.lower(0.5)
    rates += [step(optimizer, schedule) for _ in range(before, 10)]
    factor = [1.0 if k < before else 0.5 for k in range(10)]
    np.testing.assert_allclose(rates, [PEAK * f * min(1, (k + 1) / 5) for k, f in enumerate(factor)])
    for _ in range(2):
        schedule.step_epoch(0.5)
    assert step(optimizer, schedule) == pytest.approx(PEAK * 0.5 * 0.3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lowered_schedule_goes_on_in_one_that_was_lowered_as_often(kind):
    lowered, again = make(kind), make(kind)
    for _ in range(3):
        step(*lowered)
    lowered[1].lower(0.3)
    for _ in range(4):
        step(*lowered)
    again[1].lower(0.3)
    again[1].load_state_dict(lowered[1].state_dict())
    expected = [step(*lowered) for _ in range(13)]
    assert [step(*again) for _ in range(13)] == expected


def test_another_peak_keeps_the_drops_of_the_plateau():
    optimizer, schedule = make("plateau", warmup_steps=2, patience=0)
    for _ in range(4):
        step(optimizer, schedule)
    for _ in range(3):
        schedule.step_epoch(0.5)  # the first is the best, each of the two after it is a drop
    assert step(optimizer, schedule) == pytest.approx(PEAK * 0.09)
    optimizer, schedule = resumed("plateau", optimizer, schedule, warmup_steps=2, patience=0, peak=5 * PEAK)
    assert step(optimizer, schedule) == pytest.approx(5 * PEAK * 0.09)
    schedule.step_epoch(0.5)
    assert step(optimizer, schedule) == pytest.approx(5 * PEAK * 0.027)


@pytest.mark.parametrize("kind", KINDS)
def test_another_peak_holds_inside_the_warm_up(kind):
    old = make(kind)
    for _ in range(2):
        step(*old)
    straight = make(kind, peak=PEAK / 4)
    expected = [step(*straight) for _ in range(15)]
    new = resumed(kind, *old, peak=PEAK / 4)
    np.testing.assert_allclose([step(*new) for _ in range(13)], expected[2:], rtol=1e-12)


def test_replay_warms_up_and_repeats_the_drops():
    optimizer = make_optimizer()
    schedule = replay_schedule(optimizer, 3, 2, [1.0, 1.0, 0.3, 0.09])
    rates = [step(optimizer, schedule) for _ in range(10)]
    expected = [1 / 3, 2 / 3, 1, 1, 0.3, 0.3, 0.09, 0.09, 0.09, 0.09]
    np.testing.assert_allclose(rates, [PEAK * factor for factor in expected])
    optimizer = make_optimizer()
    assert step(optimizer, replay_schedule(optimizer, 0, 2, [0.3])) == pytest.approx(0.3 * PEAK)


def test_states_hold_plain_values_that_a_checkpoint_takes():
    for kind in KINDS:
        _, schedule = make(kind)
        schedule.step_epoch(0.5)
        assert all(value is None or type(value) in (int, float) for value in schedule.state_dict().values())
