"""From a backbone's name to the extractor: our checkpoints, our VGGs, timm's and torchvision's networks."""

import contextlib
import copy
import json
import pickle
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nstkit.backbones import vgg
from nstkit.backbones.backbone import Backbone, Tap
from nstkit.backbones.build import build_network, call_own
from nstkit.backbones.hub import answers_at_once
from nstkit.backbones.initialise import kaiming_init, seeded, undo_identity_start
from nstkit.backbones.normalisation import IMAGENET, Normalisation
from nstkit.backbones.spec import TORCHVISION, Arch, BackboneSpec, Norm, parse_backbone, split_norm
from nstkit.backbones.taps import find_taps
from nstkit.backbones.weights import check_finite, check_fit, load_file, load_weights, read_safetensors
from nstkit.checkpoint import REQUIRED, check_fields, read_checkpoint
from nstkit.errors import UserError, first_line, is_out_of_memory, nearest
from nstkit.own_code import is_code
from nstkit.torchfile import weights_only


def load_as_is(spec: str | Path | BackboneSpec, *, factory: str | None = None) -> Backbone:
    """Return the extractor that `spec` names, unchanged, on the CPU. The global random state stays as it is.

    Args:
        spec: see `nstkit.backbones.spec`.
        factory: `package.module:function` that made a checkpoint's network; runs only if that names it too.

    Raises:
        UserError: for an unknown name, weights that are missing, corrupt or do not fit, or a checkpoint whose factory
            was not given.
    """
    spec = parse_backbone(spec) if isinstance(spec, (str, Path)) else spec
    with seeded(spec.seed):
        if spec.name is None:
            return _load_own(spec, factory)
        if (own := split_norm(spec.name)) is not None:
            return _load_vgg(spec, *own)
        return _load_library(spec)


def _load_own(spec: BackboneSpec, factory: str | None) -> Backbone:
    """Return a checkpoint's or an exported folder's network."""
    assert spec.path is not None
    content = read_own(spec.path)
    try:
        network = restore(content, spec.path, factory=factory)
    except UserError as error:
        raise type(error)(f"--backbone {spec.text}: {error}") from error
    trained = content["config"]
    # An export has its batch norm folded: how it was trained is what it is compared by.
    facts = {**content["arch"], **{key: trained[key] for key in ("norm", "dataset", "epochs") if key in trained}}
    if isinstance(network, vgg.VGG):
        return vgg_backbone(network, spec, content["input"], facts, content["taps"], content["quality"])
    facts["norm"] = None  # the setting is of our own networks
    return library_backbone(network, spec, content["input"], facts, content["taps"], content["quality"])


def read_own(path: Path) -> dict[str, Any]:
    """Return what a checkpoint, or an exported folder in the form of one, holds; raises `UserError` for any other."""
    return read_exported(path) if path.is_dir() else read_checkpoint(path)


def restore(content: dict[str, Any], path: Path, *, factory: str | None = None) -> nn.Module:
    """Return the network of a checkpoint with its weights.

    Args:
        content: of a checkpoint or an exported folder.
        path: of it, for messages.
        factory: as for `build_network`.

    Raises:
        UserError: for a network that cannot be built, or weights that are not all of its own or not finite.
    """
    if content["arch"].get("library") != "factory":
        try:
            with torch.device("meta"):  # what the file says may be far larger than what it holds
                declared = build_network(content["arch"])
        except (RuntimeError, OverflowError) as error:
            raise UserError(
                f"{path}: its network cannot be made ({first_line(error)}). The file is damaged."
            ) from error
        check_fit(declared.state_dict(), content["model"], path, is_own=True)
    network = build_network(content["arch"], factory=factory)
    load_weights(network, content["model"], path, is_own=True)
    return network


def read_exported(folder: Path) -> dict[str, Any]:
    """Return an exported folder (`python -m nstkit.export`) in the form of a checkpoint."""
    try:
        facts = json.loads((folder / "config.json").read_bytes())["nstkit"]
        content = {name: facts[name] for name in REQUIRED if name != "model"}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{folder}: not a whole exported backbone ({first_line(error)}). Export it again.") from error
    weights = read_safetensors(folder / "model.safetensors")
    model = {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
    return check_fields({**content, "model": model}, folder)


def _load_vgg(spec: BackboneSpec, arch: Arch, norm: Norm) -> Backbone:
    network = vgg.VGG(arch, norm=norm)
    normalisation = IMAGENET
    if spec.weights == "random":
        with seeded(spec.seed):
            kaiming_init(network)
    elif spec.weights == "pretrained":
        load_weights(network, _create_timm(str(spec.name), pretrained=True).state_dict(), Path(spec.text))
    else:
        assert spec.path is not None
        normalisation = load_file(network, spec.path, IMAGENET)
    return vgg_backbone(network, spec, normalisation, {"arch": arch, "norm": norm, "width": 1.0})


def vgg_backbone(
    network: vgg.VGG,
    spec: BackboneSpec,
    normalisation: Normalisation,
    facts: dict[str, Any],
    taps: dict[str, Any] | None = None,
    quality: dict[str, float] | None = None,
) -> Backbone:
    """Return a VGG of ours as an extractor with the paper's layer names."""
    strides = vgg.tap_strides(network.taps)
    channels, all_taps = 3, {}
    for name, index in network.taps.items():
        layer = network.features[index - 1 if isinstance(network.features[index], nn.BatchNorm2d) else index]
        channels = getattr(layer, "out_channels", channels)
        all_taps[name] = Tap(name, f"features.{index}", channels, strides[name])
    backbone = Backbone(
        network,
        label=spec.label,
        taps=all_taps,
        style_taps=_known(taps, "style", all_taps) or vgg.GATYS_STYLE_TAPS,
        content_taps=_known(taps, "content", all_taps) or vgg.GATYS_CONTENT_TAPS,
        mean=normalisation["mean"],
        std=normalisation["std"],
        facts=facts,
        quality=quality,
        is_random=spec.weights == "random",
    )
    backbone.flip_channels = normalisation.get("is_bgr", False)
    return backbone


def _load_library(spec: BackboneSpec) -> Backbone:
    """Return a network of timm or torchvision."""
    import timm
    from torchvision import models

    name = str(spec.name)
    is_pretrained = spec.weights == "pretrained"
    normalisation = IMAGENET
    of_torchvision = name.removeprefix(TORCHVISION)
    if is_code(name):
        network = call_own("--backbone", name)
    elif name != of_torchvision:
        if of_torchvision not in (known := models.list_models(module=models)):
            raise UserError(f"--backbone {spec.text}: no such network in torchvision.{nearest(of_torchvision, known)}")
        network = _create_torchvision(of_torchvision, pretrained=is_pretrained)
    elif ":" in name or timm.is_model(name.partition(".")[0]):
        network = _create_timm(name, pretrained=is_pretrained)
        config = timm.data.resolve_model_data_config(network)
        normalisation = {"mean": config["mean"], "std": config["std"]}
    elif name in models.list_models(module=models):
        network = _create_torchvision(name, pretrained=is_pretrained)
    else:
        names = [*vgg.CONVOLUTIONS, *timm.list_models(), *models.list_models(module=models)]
        raise UserError(
            f"--backbone {spec.text}: no network '{name}' here, in timm or in torchvision, and no such file."
            f"{nearest(name, names)} Give a name, NAME@random, NAME@FILE, or a checkpoint's path."
        )
    if spec.weights == "file":
        assert spec.path is not None
        normalisation = load_file(network, spec.path, normalisation)
    elif spec.weights == "random":
        undo_identity_start(network)
    else:
        check_finite(network, spec.text)
    return library_backbone(network, spec, normalisation, {"arch": name})


def library_backbone(
    network: nn.Module,
    spec: BackboneSpec,
    normalisation: Normalisation,
    facts: dict[str, Any],
    taps: dict[str, Any] | None = None,
    quality: dict[str, float] | None = None,
) -> Backbone:
    """Return a network that is not ours as an extractor, its taps found by a look; those in `taps` are the default.

    Raises:
        UserError: for a network without feature maps.
    """
    try:
        found = find_taps(network)
    except ValueError as error:
        raise UserError(f"--backbone {spec.text}: {facts['arch']} {error}; choose another network.") from error
    return Backbone(
        network,
        label=spec.label,
        taps=found.taps,
        style_taps=_known(taps, "style", found.taps) or found.style,
        content_taps=_known(taps, "content", found.taps) or found.content,
        mean=normalisation["mean"],
        std=normalisation["std"],
        facts=facts,
        quality=quality,
        sizes=found.sizes,
        is_random=spec.weights == "random",
    )


def wrap_network(network: nn.Module) -> Backbone:
    """Return a copy of a network that the caller has as an extractor, on the CPU, by the name of its class.

    Its normalisation is what timm says of it, ImageNet's where it is none of timm's.

    Raises:
        UserError: for a network without feature maps, or weights that are not finite.
    """
    if isinstance(network, Backbone):
        raise UserError("this backbone is loaded already. Give its `network` to load it anew.")
    copied = copy.deepcopy(network).cpu().float()
    name = type(network).__name__
    check_finite(copied, name)
    spec = BackboneSpec(name, name, "pretrained")
    if isinstance(copied, vgg.VGG):
        return vgg_backbone(copied, spec, IMAGENET, {"arch": name})
    config = getattr(network, "pretrained_cfg", None) or {}
    normalisation: Normalisation = {"mean": IMAGENET["mean"], "std": IMAGENET["std"]}
    if "mean" in config and "std" in config:
        normalisation = {"mean": config["mean"], "std": config["std"]}
    return library_backbone(copied, spec, normalisation, {"arch": name})


def _known(taps: dict[str, Any] | None, part: str, known: Collection[str]) -> list[str]:
    """Return the taps that a checkpoint names for style or content, as far as its network has them."""
    return [name for name in (taps or {}).get(part, ()) if name in known]


def _create_timm(name: str, *, pretrained: bool) -> nn.Module:
    import timm

    try:
        # Of a folder or a hub as well, where versions of timm before 1.0.26 ran what a file names.
        with weights_only(), answers_at_once() if pretrained else contextlib.nullcontext():
            return timm.create_model(name, pretrained=pretrained)
    except Exception as error:  # timm, huggingface_hub and the network raise a dozen kinds
        if is_out_of_memory(error):
            raise
        # What timm publishes on Hugging Face it has by name as well, and there without weights.
        known = name.rpartition("/")[2] if name.startswith(("hf-hub:timm/", "hf_hub:timm/")) else name
        is_elsewhere = ":" in known
        instead = "another network" if is_elsewhere else f"{known}@random, or {known}@FILE with weights you have"
        is_away = pretrained and "local cache" in str(error)
        reason = "not on this machine, and Hugging Face cannot be reached" if is_away else first_line(error)
        raise UserError(f"--backbone {name}: timm could not make it ({reason}). Give {instead}.") from error


def _create_torchvision(name: str, *, pretrained: bool) -> nn.Module:
    from torchvision import models

    try:
        with weights_only(), answers_at_once():
            return models.get_model(name, weights="DEFAULT" if pretrained else None)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"--backbone {name}: its weights could not be downloaded or read ({first_line(error)}). Give {name}@random "
            f"or {name}@FILE."
        ) from error
