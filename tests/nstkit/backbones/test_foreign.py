"""Every form in which the best-known scripts save a network loads, and what a network has no place for is said."""

import argparse
import pathlib
import warnings
from collections import OrderedDict, defaultdict
from datetime import datetime

import numpy as np
import pytest
import torch
from torch import nn

from nstkit.backbones.normalisation import IMAGENET
from nstkit.backbones.vgg import VGG
from nstkit.backbones.weights import load_file


@pytest.fixture(scope="module")
def weights():
    """Weights of a narrow VGG11 under torchvision's names, with torchvision's head."""
    torch.manual_seed(2)
    network = VGG("vgg11", norm="none", width=0.0625, classes=7)
    body = {name: torch.randn_like(value) / 8 for name, value in network.state_dict().items() if "features" in name}
    return body | {"classifier.6.weight": torch.randn(7, 32), "classifier.6.bias": torch.randn(7)}


def under(prefix, weights):
    return {prefix + name: value for name, value in weights.items()}


def inside(word, weights):
    """Put a word behind the first part of each name, as a wrapper around `features` does."""
    return {name.replace(".", f".{word}.", 1): value for name, value in weights.items()}


def body_of(weights):
    return {name: value for name, value in weights.items() if name.startswith("features.")}


class EasyDict(dict):
    """Stands for the packages whose settings are a dict of another class."""


FORMS = {
    # as they are
    "plain": lambda w: w,
    "ordered": OrderedDict,
    "parameters": lambda w: {name: nn.Parameter(value) for name, value in w.items()},
    "half": lambda w: {name: value.half() for name, value in w.items()},
    "double": lambda w: {name: value.double() for name, value in w.items()},
    "bfloat16": lambda w: {name: value.bfloat16() for name, value in w.items()},
    # under a name
    "pytorch/examples": lambda w: {"epoch": 9, "arch": "vgg11", "state_dict": inside("module", w), "best_acc1": 0.5},
    "kuangliu": lambda w: {"net": under("module.", w), "acc": 93.1, "epoch": 7},
    "timm": lambda w: {"state_dict": w, "args": argparse.Namespace(lr=0.1, sizes=[3, 4]), "arch": "vgg11"},
    "network": lambda w: {"network": w},
    "model": lambda w: {"model": w, "optimizer": {"state": {}, "param_groups": []}},
    "model_state": lambda w: {"model_state": w},
    "model_state_dict": lambda w: {"model_state_dict": under("module._orig_mod.", w), "loss": torch.tensor(0.3)},
    "params": lambda w: {"params": w},
    "params_ema": lambda w: {"params_ema": w},
    "model_ema": lambda w: {"model_ema": under("module.", w)},
    "DeepSpeed": lambda w: {"module": w, "global_steps": 3},
    "DINO": lambda w: {"teacher": under("backbone.", w), "epoch": 3},
    "student": lambda w: {"student": under("module.backbone.", w)},
    "Composer": lambda w: {"state": {"model": under("module.", w), "run_name": "x"}, "rng": [{"seed": 1}]},
    "list": lambda w: [w, {"epoch": 3}],
    "ignite": lambda w: {"checkpoint": {"trainer": {"epoch": 2}, "model": w}},
    # under a prefix
    "DDP": lambda w: under("module.", w),
    "compiled": lambda w: under("_orig_mod.", w),
    "FSDP": lambda w: under("_fsdp_wrapped_module.", inside("_fsdp_wrapped_module", w)),
    "checkpointed": lambda w: inside("_checkpoint_wrapped_module", w),
    "net.": lambda w: under("net.", w),
    "backbone.": lambda w: under("backbone.", w) | {"head.weight": torch.zeros(3, 3)},
    "encoder.": lambda w: under("encoder.", w) | under("decoder.", {"0.weight": torch.zeros(3, 3, 3, 3)}),
    "Lightning": lambda w: {
        "state_dict": under("model.", w) | {"criterion.weight": torch.ones(7)},
        "hyper_parameters": {"path": pathlib.Path("data"), "lr": 1e-3},
        "pytorch-lightning_version": "2.5",
        "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_score": torch.tensor(0.5)}},
    },
    "one tensor beside": lambda w: under("model.", w) | {"loss_weight": torch.ones(1)},
    "deep prefix": lambda w: under("trainer.algorithm.backbone.", w),
    "bare features": lambda w: {name.removeprefix("features."): value for name, value in body_of(w).items()},
    "bare features below a name": lambda w: {
        "vgg." + name.removeprefix("features."): value for name, value in body_of(w).items()
    },
    # beside other things
    "buffers": lambda w: w | {"mean": torch.zeros(1, 3, 1, 1), "features.0.total_ops": torch.zeros(1)},
    "averaged": lambda w: under("module.", w) | {"n_averaged": torch.tensor(4)},
    "NumPy scalars": lambda w: {"net": w, "acc": np.float64(93.1), "epoch": np.int64(7), "curve": np.ones(3)},
    "path": lambda w: {"net": w, "out": pathlib.Path("runs/1"), "when": datetime(2026, 1, 1)},
    "defaultdict": lambda w: {"net": w, "meters": defaultdict(list, {"loss": [1.0, 2.0]})},
    "weights in a defaultdict": lambda w: defaultdict(OrderedDict, {"net": OrderedDict(w)}),
    "other head": lambda w: body_of(w) | {"Classifier.0.weight": torch.zeros(3, 3), "head.fc.bias": torch.zeros(3)},
    "optimizer": lambda w: {
        "optimizer": {"state": {n: {"exp_avg": torch.zeros(2), "step": torch.tensor(1.0)} for n in range(40)}},
        "model": w,
    },
}
SAID = {  # what one line says of them
    "Lightning": "1 tensor was left aside (criterion.weight)",
    "one tensor beside": "1 tensor was left aside (loss_weight)",
    "encoder.": "1 tensor was left aside (decoder.0.weight)",
    "buffers": "2 tensors were left aside (mean, features.0.total_ops)",
}


def narrow():
    return VGG("vgg11", norm="none", width=0.0625)


@pytest.mark.parametrize("form", FORMS)
def test_form_in_which_others_save(tmp_path, weights, form):
    torch.save(FORMS[form](weights), tmp_path / "w.pth")
    network = narrow()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert load_file(network, tmp_path / "w.pth", IMAGENET) == IMAGENET
    assert [str(warning.message) for warning in caught] == (
        [f"{tmp_path / 'w.pth'}: {SAID[form]}."] if form in SAID else []
    )
    found = network.state_dict()
    tolerance = {"half": 1e-3, "bfloat16": 1e-2}.get(form, 0)
    for name, value in body_of(weights).items():
        assert torch.allclose(found[name], value, rtol=tolerance, atol=tolerance / 10)
