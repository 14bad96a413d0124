"""The settings of a training: what is filled in, what is refused."""

import pytest

from nstkit.config import parse, settings_of
from nstkit.errors import UserError
from train_backbone.config import TrainConfig


@pytest.mark.parametrize(
    ("given", "lr"),
    [
        ({}, 1e-3),
        ({"norm": "none"}, 1e-4),
        ({"norm": "none", "width": 0.25}, 4e-4),
        ({"batch_size": 512}, 2e-3),
        ({"norm": "none", "batch_size": 32}, 5e-5),
        ({"norm": "none", "lr": 0.3, "batch_size": 512}, 0.3),
    ],
)
def test_learning_rate_follows_norm_width_and_batch(given, lr):
    assert TrainConfig(**given).resolved(100).lr == pytest.approx(lr)


def test_steps_are_those_of_the_epochs_or_fewer():
    assert TrainConfig(epochs=7).resolved(100).max_steps == 700
    assert TrainConfig(epochs=7, max_steps=50).resolved(100).max_steps == 50
    assert TrainConfig(epochs=7, max_steps=5000).resolved(100).max_steps == 700


@pytest.mark.parametrize(("epochs", "patience"), [(3, 2), (100, 6), (300, 20)])
def test_patience_grows_with_the_run(epochs, patience):
    assert TrainConfig(epochs=epochs).resolved(10).patience == patience
    assert TrainConfig(epochs=epochs, patience=0).resolved(10).patience == 0


def test_average_is_never_longer_than_the_run():
    for epochs, horizon in ((1, 10), (100, 200), (10_000, 2000)):
        assert 1 / (1 - TrainConfig(epochs=epochs).resolved(100).ema) == pytest.approx(horizon)
    assert TrainConfig(ema=0.0).resolved(100).ema == 0
    assert TrainConfig(ema=0.5).resolved(100).ema == 0.5


def test_nothing_is_left_open_and_resolving_twice_changes_nothing():
    config = TrainConfig().resolved(100)
    open_ones = {name for name, value in settings_of(config).items() if value is None}
    assert open_ones == {"image_size", "resume", "run_name"}  # the first is known once the data are read
    assert config.resolved(100) == config


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 0.0}, "--width 0.0 (at least 0.01)"),
        ({"epochs": 0}, "--epochs 0 (at least 1)"),
        ({"max_steps": 0}, "--max-steps 0 (at least 1)"),
        ({"batch_size": 1}, "--batch-size 1 (at least 2)"),
        ({"image_size": 16}, "--image-size 16 (at least 32)"),
        ({"patience": -1}, "--patience -1 (at least 0)"),
        ({"ema": 1.0}, "--ema 1.0 (0 to below 1)"),
        ({"label_smoothing": -0.1}, "--label-smoothing -0.1 (0 to below 1)"),
        ({"lr": 0.0}, "--lr 0.0 (above 0)"),
        ({"lr": -1.0}, "--lr -1.0 (above 0)"),
        ({"clip": 0.0}, "--clip 0.0 (above 0)"),
        ({"weight_decay": -1.0}, "--weight-decay -1.0 (0 or more)"),
        ({"warmup_epochs": -1.0}, "--warmup-epochs -1.0 (0 or more)"),
    ],
)
def test_what_cannot_be_trained_is_refused(wrong, message):
    with pytest.raises(UserError) as error:
        TrainConfig(**wrong)
    assert str(error.value) == f"out of range: {message}."


def test_all_mistakes_stand_in_one_line():
    with pytest.raises(UserError, match=r"--epochs 0 .*--ema 2.*--weight-decay -1.*--lr -2"):
        TrainConfig(epochs=0, ema=2.0, weight_decay=-1.0, lr=-2.0)


def test_command_line_gives_the_fields():
    words = "--arch vgg13 --norm none --dataset folder --schedule onecycle --lr 3e-3 --resume auto"
    config = parse(TrainConfig, "train_backbone", words.split())
    assert (config.arch, config.norm, config.dataset, config.schedule) == ("vgg13", "none", "folder", "onecycle")
    assert (config.lr, config.resume, config.max_steps) == (0.003, "auto", None)
