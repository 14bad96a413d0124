"""What several tests of the core need: the shape of an error, a small trained network, its checkpoint."""

import contextlib

import pytest
import torch
from torch import nn

from nstkit.backbones.initialise import kaiming_init
from nstkit.backbones.vgg import VGG
from nstkit.checkpoint import write_checkpoint
from nstkit.errors import UserError


@pytest.fixture
def user_error():
    """A context that wants one line of error which holds each of the given words."""

    @contextlib.contextmanager
    def expect(*words):
        with pytest.raises(UserError) as caught:
            yield caught
        message = str(caught.value)
        assert "\n" not in message
        for word in words:
            assert str(word) in message

    return expect


@pytest.fixture
def small_vgg():
    """A function that returns a small VGG with the statistics, weights and biases of one that has seen data."""

    def build(arch="vgg11", norm="batch", width=0.0625, classes=3, seed=0):
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        network = VGG(arch, norm=norm, width=width, classes=classes)
        kaiming_init(network)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.bias.data.normal_(std=0.1, generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.3, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
                module.weight.data.uniform_(0.5, 2, generator=generator)
                module.bias.data.normal_(std=0.2, generator=generator)
        return network.eval()

    return build


@pytest.fixture
def make_content():
    """A function that returns what a checkpoint of a network holds."""

    def make(network, **changes):
        classes = [f"class{index}" for index in range(network.arguments["classes"])]
        settings = {"epochs": 2, "schedule": "plateau", "lr": 0.001, "batch_size": 8, "weight_decay": 0.05}
        settings |= {"label_smoothing": 0.1, "seed": 0, "resume": None, "run_name": None}
        arch = {name: value for name, value in network.arguments.items() if name in ("arch", "norm", "width")}
        places = {"data_dir": "/home/someone/data", "runs_dir": "/home/someone/runs"}
        return {
            "arch": network.arguments,
            "classes": classes,
            "input": {"size_px": 32, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]},
            "taps": {"style": ["relu1_1", "relu2_1"], "content": ["conv3_1"]},
            "model": network.state_dict(),
            "quality": {"extractor/top1": 0.5, "val/top1": 0.25},
            "config": {**arch, "dataset": "patterns", **settings, **places},
            "environment": {"device": "cpu", "torch": "2"},
            **changes,
        }

    return make


@pytest.fixture
def write_run(make_content):
    """A function that writes the checkpoint of a network into a run folder and returns the folder."""

    def write(folder, network, **changes):
        write_checkpoint(folder / "ckpt.pt", make_content(network, **changes))
        return folder

    return write


@pytest.fixture
def image():
    """A batch of two pictures, sRGB in [0, 1]."""
    return torch.rand(2, 3, 40, 32, generator=torch.Generator().manual_seed(5))
