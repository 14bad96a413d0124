"""A tiny data set in memory and settings that go with it."""

import pytest
import torch

from nstkit.datasets.arrays import LabelledImages, build_dataset
from nstkit.datasets.patterns import draw_patterns
from train_backbone.config import TrainConfig
from train_backbone.loop import prepare_training
from train_backbone.model import build_model


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
        config = TrainConfig(**{**tiny, "device": "cpu", "precision": "fp32", **given})
        return config.resolved(max(1, len(data.train) // config.batch_size))

    return make


@pytest.fixture
def begin(data):
    """Return a training at step 0 with the weights of the settings' seed."""

    def prepare(config):
        torch.manual_seed(config.seed)
        return prepare_training(build_model(config, 3), config, len(data.train) // config.batch_size, "fp32")

    return prepare
