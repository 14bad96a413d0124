"""The training loop: it learns, it ends where it should, and each part of a step does what it says."""

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from nstkit.errors import UserError
from train_backbone import loop
from train_backbone.evaluate import evaluate
from train_backbone.loop import admits_small_pictures, has_stalled, train, train_step


@pytest.fixture
def run(feed_of, begin):
    """Train with these settings; return the training and its records."""

    def run(config, model=None):
        training, records = begin(config, model), []
        train(training, feed_of(config), config, config.run.precision, records.append)
        return training, records

    return run


def weights_of(training):
    return torch.cat([value.float().flatten() for value in training.model.state_dict().values()])


def test_training_learns_its_pictures_by_heart(run, settings, data):
    training, records = run(settings(epochs=25, lr=5e-3, schedule="onecycle"))
    losses = [record.scalars["train/loss"] for record in records if not record.is_epoch_end]
    assert losses[0] > 0.9
    assert losses[-1] < losses[0] - 0.3
    assert evaluate(training.measured, data.train, data, "fp32")["top1"] > 0.8


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
        assert record.death == ""


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
    assert [epoch["val/top1"] for epoch in training.history] == [record.scalars["val/top1"] for record in ends]


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
    first, again, other = (weights_of(run(settings(norm=norm, seed=seed, epochs=2))[0]) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "given",
    [
        {"progressive": (16, 24), "trivial_augment": True, "erasing": 0.5},
        {"mixup": 0.4, "cutmix": 1.0, "accumulate": 2},
        {"flip": "alternating", "label_smoothing": 0.0, "clip": 0.0},
    ],
)
def test_every_kind_of_augmentation_trains(given, run, settings):
    training, records = run(settings(epochs=4, **given))
    assert training.step == 24
    assert all(math.isfinite(value) for record in records for value in record.scalars.values())
    assert torch.isfinite(weights_of(training)).all()


# The end of a run


@pytest.mark.parametrize(
    ("top1", "patience", "expected"),
    [
        ([], 1, False),
        ([0.1], 1, False),
        ([0.1, 0.1], 1, True),  # equal is not better
        ([0.1, 0.2, 0.2], 2, False),
        ([0.1, 0.2, 0.2, 0.1], 2, True),
        ([0.3, 0.2, 0.1, 0.4], 2, False),
        ([0.3, 0.2, 0.1, 0.0], None, False),
    ],
)
def test_stall_is_as_many_epochs_without_a_better_one(top1, patience, expected):
    assert has_stalled([{"val/top1": value} for value in top1], patience) == expected


def test_final_fit_measures_nothing_and_so_never_stalls():
    assert not has_stalled([{"lr": 0.1}] * 10, 3)


def test_early_stop_ends_the_run(run, settings, monkeypatch):
    values = iter([0.3, 0.5, 0.4, 0.5, 0.2, 0.9])
    monkeypatch.setattr(loop, "evaluate", lambda *_: {"top1": next(values)})
    training, records = run(settings(epochs=6, early_stop=3))
    assert training.epoch == 5
    assert [record.is_best for record in records if record.is_epoch_end] == [True, True, False, False, False]


def test_final_fit_looks_at_no_validation_pictures(run, settings, monkeypatch):
    monkeypatch.setattr(loop, "evaluate", lambda *_: pytest.fail("it looked"))
    config = settings(epochs=2).changed(final_fit=Path("run"))
    _, records = run(config)
    ends = [record for record in records if record.is_epoch_end]
    assert [record.is_best for record in ends] == [True, True]
    assert [set(record.scalars) for record in ends] == [{"time/epoch_s"}] * 2


# Networks that die


@pytest.mark.parametrize("position", [2, 6, 7])  # within an epoch, at its end, in the next one
def test_loss_that_is_not_finite_ends_the_run_where_nothing_is_tried_again(
    position, feed_of, begin, settings, monkeypatch
):
    def step(training, *rest):
        result = train_step(training, *rest)
        return result * math.nan if training.step == position else result

    monkeypatch.setattr(loop, "train_step", step)
    config, records = settings(epochs=3, retries=1), []
    with pytest.raises(UserError, match=r"the loss is nan at step \d+\. It was rolled back 1 times"):
        train(begin(config), feed_of(config), config, "fp32", records.append)
    assert all(record.step <= position for record in records)
    kinds = [bool(record.death) for record in records]
    assert kinds == ([False, False, True] if position == 7 else [True])


def test_rate_that_is_far_too_high_is_the_users_to_mend(run, settings):
    with pytest.raises(UserError, match=r"the loss is nan at step 6\. It was rolled back 3 times"):
        run(settings(norm="none", lr=1e12, warmup_epochs=0.0))


def test_network_that_is_killed_is_rolled_back_and_survives(feed_of, begin, settings, monkeypatch):
    killed_at = iter([9, 15])
    next_kill = [next(killed_at)]

    def step(training, *rest):
        if training.step + 1 == next_kill[0]:
            next_kill[0] = next(killed_at, None)
            with torch.no_grad():
                training.model.classifier.weight.fill_(math.nan)
        return train_step(training, *rest)

    monkeypatch.setattr(loop, "train_step", step)
    config, records = settings(epochs=3, lr=1e-3), []
    training = begin(config)
    train(training, feed_of(config), config, "fp32", records.append)
    assert [(record.step, record.epoch) for record in records if record.death] == [(6, 1), (12, 2)]
    assert all("the loss is nan at step" in record.death for record in records if record.death)
    assert (training.deaths, training.rate_factor) == (2, pytest.approx(0.09))
    assert [record.epoch for record in records if record.is_epoch_end] == [1, 2, 3]
    assert training.step == 18
    assert torch.isfinite(weights_of(training)).all()
    assert [epoch["rate_factor"] for epoch in training.history] == pytest.approx([1, 0.3, 0.09])


def test_without_retries_a_network_is_left_to_itself(run, settings):
    training, records = run(settings(norm="none", lr=1e12, warmup_epochs=0.0, retries=0, epochs=2))
    assert training.step == 12
    assert any(not math.isfinite(record.scalars.get("train/loss", 0.0)) for record in records)


# What is reported, and which pictures fit


@pytest.mark.numerics
def test_steps_that_float16_skipped_are_reported(run, settings, monkeypatch):
    monkeypatch.setattr("train_backbone.training.FIRST_SCALE", 2.0**30)
    _, records = run(settings(epochs=2, precision="fp16"))
    first, second = (record.scalars for record in records if not record.is_epoch_end)
    assert first["opt/skipped_steps"] >= 2
    assert first["opt/loss_scale"] <= 2.0**26
    assert math.isfinite(first["opt/grad_norm"])
    assert second["opt/skipped_steps"] < 6


def test_small_pictures_pass_all_poolings_and_large_ones_are_pooled_as_ever(begin, settings):
    model = begin(settings()).model.eval()
    poolings = [module for module in model.modules() if isinstance(module, nn.MaxPool2d)]
    picture = torch.rand(1, 3, 32, 32)
    expected = model(picture)
    for side_px in (16, 20, 24):
        with admits_small_pictures(model, side_px):
            assert model(torch.rand(1, 3, side_px, side_px)).shape == (1, 3)
        assert not any(pooling.ceil_mode for pooling in poolings)
    with admits_small_pictures(model, 32):
        assert torch.equal(model(picture), expected)


# Random draws inside the network


@pytest.mark.parametrize("cut_at", [2, 8])
def test_dropout_goes_on_alike_when_a_run_is_resumed_inside_an_epoch(
    cut_at, feed_of, begin, settings, plain_network, monkeypatch
):
    monkeypatch.setattr(loop, "STEPS_A_RECORD", 2)
    config = settings(epochs=2)
    feed, saved = feed_of(config), []
    whole = begin(config, plain_network(dropout=0.5))
    train(whole, feed, config, "fp32", lambda record: None)
    cut = begin(config, plain_network(dropout=0.5))

    def save(record):
        if record.step == cut_at:
            saved.append(copy.deepcopy(cut.state_dict()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(cut, feed, config, "fp32", save)
    torch.rand(17)  # whatever else draws in between
    resumed = begin(config, plain_network(dropout=0.5, seed=5))
    resumed.load_state_dict(saved[0])
    assert (resumed.step, resumed.batch) == (cut_at, cut_at % 6)
    train(resumed, feed, config, "fp32", lambda record: None)
    assert torch.equal(weights_of(resumed), weights_of(whole))
    sober = begin(config, plain_network())
    train(sober, feed, config, "fp32", lambda record: None)
    assert not torch.equal(weights_of(sober), weights_of(whole))  # there was something to draw


def test_draws_differ_from_step_to_step_and_with_seed_and_rank(begin, settings, plain_network, feed_of):
    config = settings()
    batch = next(feed_of(config).read(0, 0, 0))
    losses = set()
    for seed, step, rank in ((0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)):
        training = begin(config, plain_network(dropout=0.5))
        training.step = step
        of_seed = config.changed(seed=seed)
        losses.add(train_step(training, batch, of_seed, "fp32", torch.contiguous_format, rank)[0].item())
    assert len(losses) == 4


@pytest.mark.parametrize("max_steps", [6, 4])
def test_run_that_was_saved_at_its_last_step_is_still_validated(max_steps, feed_of, begin, settings):
    """A signal may come between the last step and the validation of its epoch."""
    config = settings(epochs=1, max_steps=max_steps)
    feed, saved = feed_of(config), []
    whole, records = begin(config), []
    train(whole, feed, config, "fp32", records.append)
    cut = begin(config)

    def stop(record):
        saved.append(copy.deepcopy(cut.state_dict()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(cut, feed, config, "fp32", stop)
    resumed, more = begin(config), []
    resumed.load_state_dict(saved[0])
    assert (resumed.step, resumed.batch) == (max_steps, max_steps)
    train(resumed, feed, config, "fp32", more.append)
    assert resumed.step == max_steps
    assert resumed.history == whole.history
    assert [record.is_epoch_end for record in more] == [True]
    assert torch.equal(weights_of(resumed), weights_of(whole))
