"""A tiny data set in memory and settings that go with it."""

import signal

import pytest
import torch
from tensorboard.summary.writer import event_file_writer
from tensorboard.summary.writer.event_file_writer import AtomicCounter
from torch import nn

from nstkit.datasets.arrays import LabelledImages, build_dataset
from nstkit.datasets.patterns import draw_patterns
from nstkit.formats import Choice
from nstkit.ranks import Ranks
from train_backbone import finish, loop, session
from train_backbone.__main__ import main
from train_backbone.config import TrainConfig
from train_backbone.feed import Feed
from train_backbone.model import build_model
from train_backbone.training import prepare_training


@pytest.fixture(scope="session")
def data():
    """Three classes of textures at 32 px: 48 pictures to train on, 24 to validate, 24 to test."""
    images, labels = draw_patterns(96, 32, seed=0)
    everything = LabelledImages(torch.from_numpy(images).permute(0, 2, 3, 1).contiguous(), torch.from_numpy(labels) % 3)
    parts = (everything.take(torch.arange(*ends)) for ends in ((0, 48), (48, 72), (72, 96)))
    return build_dataset("textures", ("stripes", "checks", "dots"), *parts)


@pytest.fixture
def settings(data):
    """Return resolved settings of a tiny network on the CPU: 6 steps of 8 pictures an epoch."""

    def make(**given):
        tiny = {"arch": "vgg11", "width": 0.0625, "epochs": 3, "batch_size": 8, "warmup_epochs": 0.5}
        config = TrainConfig.of(**{**tiny, "device": "cpu", "precision": "fp32", **given})
        return config.resolved(max(1, len(data.train) // config.recipe.batch_size))

    return make


@pytest.fixture
def feed_of(data):
    """Return what gives the training pictures, to one process or to one of several."""

    def feed(config, ranks=None):
        return Feed(data, config, ranks or Ranks())

    return feed


@pytest.fixture
def begin(data, feed_of):
    """Return a training at step 0 with the weights of the settings' seed, or with another network."""

    def prepare(config, model=None, **more):
        torch.manual_seed(config.run.seed)
        model = model or build_model(config.network, 3, 32)
        more = {"precision": config.run.precision, **more}
        return prepare_training(model, config, feed_of(config).batches_an_epoch, len(data.classes), **more)

    return prepare


@pytest.fixture
def plain_network():
    """Return a small network without batch norm, with dropout of some share."""

    def build(dropout=0.0, seed=0):
        torch.manual_seed(seed)
        return nn.Sequential(
            *(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(8, 3)),
        )

    return build


@pytest.fixture
def train(call_command, tiny_training, tmp_path, monkeypatch):
    """Train as from the shell and return (exit code, run folders).

    `cut_at` is a step in whose midst the process dies without another save, `ask_at` one at which it is asked to end.
    """
    monkeypatch.setattr(loop, "STEPS_A_RECORD", 4)
    # Which format is faster is measured; here it is another one in each call, as on other machines.
    formats = iter([torch.contiguous_format, torch.channels_last] * 10)
    monkeypatch.setattr(finish, "draw", lambda *_: {})  # pictures take longer than the training
    # TensorBoard reads the files of one second in the order of their names, in which 9 comes after 10.
    monkeypatch.setattr(event_file_writer, "_global_uid", AtomicCounter(100))
    whole_step = loop.train_step

    def train(*words, cut_at=None, ask_at=None, memory_format=None, runs_dir=tmp_path / "runs"):
        def step(training, *rest):
            if training.step + 1 == cut_at:
                raise KeyboardInterrupt
            if training.step + 1 == ask_at:
                signal.raise_signal(signal.SIGTERM)
            return whole_step(training, *rest)

        layout = memory_format or next(formats)

        def choose(candidates, work):
            return Choice(next((one for one in candidates if one.layout == layout), candidates[0]))

        monkeypatch.setattr(loop, "train_step", step)
        monkeypatch.setattr(session, "choose_format", choose)
        standard = ("--epochs", 3, "--no-quality", "--runs-dir", runs_dir)
        code = call_command(main, *tiny_training, *standard, *words)
        return code, sorted((runs_dir / "train_backbone").iterdir())

    return train


@pytest.fixture
def bare(tiny_training, monkeypatch):
    """The words of a training of one epoch without measures and pictures at its end."""
    monkeypatch.setattr(finish, "draw", lambda *_: {})
    return (*tiny_training, "--epochs", "1", "--no-quality")
