"""The watchdog, on series of records made by hand."""

import math

import pytest

from train_backbone.watchdog import GRACE_STEPS, SILENT_RECORDS, Death, Watchdog

CLASSES, BATCH_SIZE, WARMUP_STEPS = 100, 64, 500
CHANCE = math.log(CLASSES)
SILENCE = math.sqrt((1 - 1 / CLASSES) / BATCH_SIZE)  # what is left of the gradient: 0.124
LATE = WARMUP_STEPS + GRACE_STEPS + 20


def make(**more):
    return Watchdog(CLASSES, BATCH_SIZE, WARMUP_STEPS, **more)


def look(watchdog, records, first=20):
    """Show it (loss, gradient) pairs, 20 steps apart; return the step at which it fires, None where it does not."""
    for number, (loss, norm) in enumerate(records):
        try:
            watchdog.look(first + 20 * number, loss, norm)
        except Death:
            return first + 20 * number
    return None


def learning(count):
    """Records of a network that learns: from chance down by a third over `count` records."""
    return [(CHANCE * (1 - 0.33 * k / count), 1.0 + 0.1 * (k % 3)) for k in range(count)]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_loss_that_is_not_finite_is_death_at_once(loss):
    for watchdog in (make(), make(are_labels_random=True)):
        with pytest.raises(Death, match=f"the loss is {loss} at step 20"):
            watchdog.look(20, loss, 1.0)


def test_death_after_learning_is_seen_after_three_silent_records():
    watchdog = make()
    assert look(watchdog, learning(50)) is None
    silent = [(CHANCE * (1 + 0.0005 * (-1) ** k), SILENCE) for k in range(10)]
    assert look(watchdog, silent, first=1020) == 1020 + 20 * (SILENT_RECORDS - 1)


def test_message_says_what_was_seen():
    watchdog = make()
    look(watchdog, learning(50))
    for step in (1020, 1040):
        watchdog.look(step, 4.606, 0.1234)
    with pytest.raises(Death, match=r"^the network died before step 1060 \(loss 4\.606, .*4\.605; gradient 0\.12\)$"):
        watchdog.look(1060, 4.606, 0.1234)


def test_silence_has_to_be_in_a_row():
    watchdog = make()
    look(watchdog, learning(50))
    silent, loud = (CHANCE, SILENCE), (CHANCE, 3 * SILENCE)
    assert look(watchdog, [silent, silent, loud] * 10, first=1020) is None


def test_healthy_network_is_left_alone():
    watchdog = make()
    assert look(watchdog, learning(200)) is None  # 4000 steps, far beyond the grace
    # A small gradient at a low loss is a network that has learned its pictures.
    assert look(watchdog, [(0.01, 1e-4)] * 20, first=4020) is None
    # So is one that is thrown back to chance for a moment but has a gradient.
    assert look(watchdog, [(CHANCE, 2.0)] * 20, first=4420) is None


def test_network_at_chance_is_left_alone_until_the_grace_is_over():
    silent = [(CHANCE, SILENCE)] * ((WARMUP_STEPS + GRACE_STEPS) // 20)
    assert look(make(), silent) is None  # not even when it is silent: it may still come to life
    assert look(make(), [(CHANCE * 1.3, 5.0)] * len(silent)) is None


@pytest.mark.parametrize(("loss", "norm"), [(CHANCE, SILENCE), (CHANCE * 0.99, 1.0), (CHANCE * 1.2, 5.0)])
def test_network_that_never_learns_is_seen_after_the_grace(loss, norm):
    fired = look(make(), [(loss, norm)] * 200)
    assert fired == LATE
    with pytest.raises(Death, match=f"has not begun to learn by step {LATE}"):
        make().look(LATE, loss, norm)


def test_late_learner_that_begins_in_time_is_left_alone():
    watchdog = make()
    assert look(watchdog, [(CHANCE, SILENCE)] * 70) is None
    assert look(watchdog, [(CHANCE * 0.97, 1.0)] * 100, first=1420) is None


def test_random_labels_may_stay_at_chance_for_ever_but_not_die():
    records = [(CHANCE, 3 * SILENCE)] * 500
    assert look(make(are_labels_random=True), records) is None
    assert look(make(are_labels_random=True), [(CHANCE, SILENCE)] * 500) is None
    watchdog = make(are_labels_random=True)
    look(watchdog, learning(50))  # learned them by heart
    assert look(watchdog, [(CHANCE, SILENCE)] * 5, first=1020) == 1060


def test_state_goes_round():
    records = [*learning(50), *[(CHANCE, SILENCE)] * 2]
    first, second = make(), make()
    look(first, records)
    second.load_state_dict(first.state_dict())
    assert second.state_dict() == first.state_dict() == {"has_learned": True, "silent_records": 2}
    with pytest.raises(Death, match="died"):
        second.look(1060, CHANCE, SILENCE)
    make().look(1060, CHANCE, SILENCE)  # without the state it would not know
