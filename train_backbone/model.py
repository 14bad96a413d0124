"""The network to train, built and laid out in memory."""

import copy

import torch
from torch import nn
from torch.nn import functional

from nstkit.backbones.initialise import kaiming_init
from nstkit.backbones.vgg import VGG
from nstkit.config import Precision
from nstkit.datasets.arrays import Dataset
from nstkit.hardware import autocast, choose_memory_format
from train_backbone.config import TrainConfig

PROBE_BATCH = 64


def build_model(config: TrainConfig, classes: int) -> VGG:
    """Return the network of the settings with its initial weights."""
    model = VGG(config.arch, norm=config.norm, width=config.width, classes=classes)
    if config.init == "kaiming":
        kaiming_init(model)
    return model


def prefer_memory_format(model: nn.Module, data: Dataset, precision: Precision) -> nn.Module:
    """Return the network in the memory format in which a step of it is faster here."""
    device = data.train.images.device
    images = torch.rand(PROBE_BATCH, 3, data.size_px, data.size_px, device=device)
    labels = torch.zeros(PROBE_BATCH, dtype=torch.long, device=device)
    # Two copies, so that the probe leaves no trace in batch norm's statistics.
    copies = {
        memory_format: copy.deepcopy(model).to(memory_format=memory_format).train()
        for memory_format in (torch.contiguous_format, torch.channels_last)
    }

    def step(memory_format: torch.memory_format) -> None:
        with autocast(device, precision):
            logits = copies[memory_format](images.to(memory_format=memory_format))
        functional.cross_entropy(logits.float(), labels).backward()

    return model.to(memory_format=choose_memory_format(step, device))
