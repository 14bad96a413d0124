"""Every form in which the best-known scripts save a network loads, and what a network has no place for is said."""

import argparse
import pathlib
import pickle
import warnings
from collections import OrderedDict, defaultdict
from datetime import datetime

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from nstkit.backbones import load as loading
from nstkit.backbones.load import load_as_is
from nstkit.backbones.normalisation import IMAGENET
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.vgg import VGG
from nstkit.backbones.weights import check_finite, load_file, load_weights
from nstkit.checkpoint import write_checkpoint
from nstkit.export import export
from nstkit.info import describe


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


def test_safetensors_under_a_prefix(tmp_path, weights):
    save_file(under("model.backbone.", weights), tmp_path / "w.safetensors")
    network = narrow()
    load_file(network, tmp_path / "w.safetensors", IMAGENET)
    assert torch.equal(network.state_dict()["features.3.weight"], weights["features.3.weight"])


@pytest.mark.parametrize("name", ["model_best.pth.tar", "pytorch_model.bin", "net.pkl", "w.th", "weights"])
def test_file_of_any_suffix_is_weights(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    source = timm.create_model("test_resnet").state_dict()
    torch.save({"net": under("module.", source)}, name)
    backbone = load_as_is(f"test_resnet@{name}")
    assert torch.equal(backbone.network.state_dict()["layer1.0.conv1.weight"], source["layer1.0.conv1.weight"])
    assert backbone.label == f"test_resnet-{name.partition('.')[0]}"


def test_of_two_that_fit_the_first_is_taken_and_it_is_said(tmp_path, weights):
    averaged = {name: value + 1 for name, value in weights.items()}
    torch.save({"state_dict": weights, "ema": {"shadow": averaged}, "swa": dict(averaged)}, tmp_path / "w.pth")
    network = narrow()
    with pytest.warns(UserWarning, match=r"those of state_dict were taken, not of swa, ema\.shadow\.$"):
        load_file(network, tmp_path / "w.pth", IMAGENET)
    assert torch.equal(network.state_dict()["features.0.bias"], weights["features.0.bias"])


def test_the_mapping_that_fits_is_taken_before_a_larger_one(tmp_path, weights):
    other = {f"layer.{k}.weight": torch.zeros(2, 2) for k in range(200)}
    torch.save({"discriminator": other, "generator": under("vgg.", weights)}, tmp_path / "w.pth")
    load_file(narrow(), tmp_path / "w.pth", IMAGENET)


@pytest.mark.parametrize(("name", "others"), [("resnet18", "resnet34"), ("resnet26", "resnet50")])
def test_weights_of_a_deeper_network_are_refused_though_all_names_fit(tmp_path, user_error, name, others):
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in timm.create_model(others).state_dict().items()}
        network = timm.create_model(name)
    weights = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    assert {key for key in network.state_dict() if not key.startswith("fc.")} <= set(weights)
    with user_error("do not fit", "unexpected (layer1."):
        load_weights(network, weights, tmp_path / "w.pth")


def test_names_that_hold_the_word_module_are_a_networks_own(tmp_path):
    network = nn.ModuleDict({"module": nn.Conv2d(3, 4, 3), "net": nn.Conv2d(4, 4, 3)})
    torch.save(network.state_dict(), tmp_path / "w.pth")
    loaded = nn.ModuleDict({"module": nn.Conv2d(3, 4, 3), "net": nn.Conv2d(4, 4, 3)})
    load_file(loaded, tmp_path / "w.pth", IMAGENET)
    assert torch.equal(loaded["module"].weight, network["module"].weight)


def test_pickle_of_the_standard_library_is_refused_with_the_way_out(tmp_path, weights, user_error):
    (tmp_path / "w.pkl").write_bytes(pickle.dumps(weights, protocol=2))
    with user_error("w.pkl", "refused", "Save its state_dict() with torch.save"):
        load_file(narrow(), tmp_path / "w.pkl", IMAGENET)


@pytest.mark.parametrize("content", [3, "conv1.weight", torch.ones(3), None, []])
def test_file_that_holds_one_value_is_refused(tmp_path, user_error, content):
    torch.save(content, tmp_path / "w.pth")
    with user_error("w.pth: holds no weights by name"):
        load_file(narrow(), tmp_path / "w.pth", IMAGENET)


def test_info_knows_a_network_below_a_prefix_and_beside_others(tmp_path):
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in timm.create_model("resnet18").state_dict().items()}
    weights = {key: torch.zeros(shape, dtype=torch.int8) for key, shape in shapes.items()}
    torch.save({"epoch": 3, "net": under("encoder.", weights) | {"temperature": torch.ones(1)}}, tmp_path / "w.pth")
    assert describe(tmp_path / "w.pth")["network"] == "perhaps resnet18, by the names of its tensors"


# Weights that are not finite


def _broken(weights, name, value):
    return {**weights, name: torch.full_like(weights[name], value)}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, weights, user_error, value):
    torch.save(_broken(weights, "features.3.weight", value), tmp_path / "w.pth")
    with user_error("w.pth: 1 of 16 tensors hold NaN", "(features.3.weight)", "give other weights"):
        load_file(narrow(), tmp_path / "w.pth", IMAGENET)


def test_classifier_that_is_not_finite_is_left_out_and_it_is_said(tmp_path, weights):
    odd = {**weights, "classifier.weight": torch.full((1000, 32), float("nan"))}
    torch.save(odd, tmp_path / "w.pth")
    network = narrow()
    with pytest.warns(UserWarning, match=r"its classifier is not finite and was not loaded \(classifier\.weight\)\.$"):
        load_file(network, tmp_path / "w.pth", IMAGENET)
    assert all(value.isfinite().all() for value in network.state_dict().values())


def test_negative_variance_is_refused(tmp_path, small_vgg, user_error):
    network = small_vgg(norm="batch")
    weights = _broken(network.state_dict(), "features.1.running_var", -1.0)
    torch.save(weights, tmp_path / "w.pth")
    with user_error("variances below 0 (features.1.running_var)"):
        load_file(small_vgg(norm="batch"), tmp_path / "w.pth", IMAGENET)


def test_every_way_to_load_refuses_weights_that_are_not_finite(
    tmp_path, monkeypatch, make_content, small_vgg, user_error, recwarn
):
    monkeypatch.chdir(tmp_path)
    network = small_vgg(norm="none")
    content = make_content(network)
    good = {name: value.clone() for name, value in network.state_dict().items()}
    write_checkpoint(tmp_path / "good.pt", content)
    export(content, tmp_path / "out", half=False)
    exported = {**good, "features.0.bias": torch.full_like(good["features.0.bias"], float("nan"))}
    save_file(exported, tmp_path / "out" / "model.safetensors")
    write_checkpoint(tmp_path / "a.pt", {**content, "model": exported})
    head = {**good, "classifier.bias": torch.full_like(good["classifier.bias"], float("nan"))}
    write_checkpoint(tmp_path / "head.pt", {**content, "model": head})
    for spec in ("a.pt", "out", "head.pt"):  # of our own files the head was measured: it has to be whole too
        with user_error("tensors hold NaN"):
            load_backbone(spec)
    with user_error("--swap relu1_1@a.pt", "tensors hold NaN"):
        load_backbone("good.pt", swap=["relu1_1@a.pt"])
    with user_error("tensors hold NaN"):
        export({**content, "model": exported}, tmp_path / "again", half=False)

    def damaged(*args, **kwargs):
        made = create(*args, **kwargs)
        made.layer1[0].conv1.weight.data.fill_(float("nan"))
        return made

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", damaged)
    with user_error("local-dir:x", "tensors hold NaN"):
        check_finite(damaged("test_resnet"), "local-dir:x")
    monkeypatch.setattr(loading, "_create_timm", lambda name, pretrained: damaged("test_resnet"))
    with user_error("test_resnet", "tensors hold NaN"):
        load_as_is("test_resnet")
