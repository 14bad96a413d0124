"""The estimate of a training holds weights, activations and what both grow to, before a network is made."""

import pytest
import torch

from nstkit.errors import UserError
from nstkit.memory import BASE_BYTES
from train_backbone import estimate
from train_backbone.config import TrainConfig
from train_backbone.estimate import cautious_bytes, check_training, training_bytes
from train_backbone.model import network_arch

CPU = torch.device("cpu")


def needed(batch_size=8, size_px=32, precision="fp32", **changes):
    config = TrainConfig().changed(arch="vgg11", width=0.25, batch_size=batch_size, **changes).resolved(10)
    arch = network_arch(config.network, 10, size_px)
    total = training_bytes(config, arch, size_px, batch_size, precision, CPU)
    assert total is not None
    assert total < cautious_bytes(arch, size_px, batch_size)
    return total - BASE_BYTES


def test_it_grows_with_batch_and_area_and_falls_with_parts_and_half_precision():
    large = needed(4096)
    assert needed(1024, 64) == pytest.approx(large, rel=0.1)
    assert needed(4096, accumulate=8, precision="bf16") < 0.4 * large


def test_a_network_too_large_for_any_machine_is_refused_before_it_is_made():
    config = TrainConfig().changed(width=50.0).resolved(10)
    with pytest.raises(UserError, match=r"Training vgg19 .* at least 746 GiB of memory, and .* are free.*--width"):
        check_training(config, network_arch(config.network, 100, 32), 32, 128, "fp32", CPU)


def test_networks_of_timm_can_be_estimated():
    config = TrainConfig().changed(arch="resnet10t").resolved(10)
    assert training_bytes(config, network_arch(config.network, 10, 32), 32, 8, "fp32", CPU) is not None


def test_a_factory_is_not_called(monkeypatch):
    monkeypatch.setattr(estimate, "rehearse", lambda *_: pytest.fail("it may do anything"))
    config = TrainConfig().changed(arch="nowhere:build").resolved(10)
    check_training(config, network_arch(config.network, 10, 32), 32, 8, "fp32", CPU)
