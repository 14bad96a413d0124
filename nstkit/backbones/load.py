"""From a backbone's name to the extractor: our checkpoints, our VGGs, timm's and torchvision's networks."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nstkit.backbones import vgg
from nstkit.backbones.build import build_network
from nstkit.backbones.features import Backbone, Tap
from nstkit.backbones.initialise import kaiming_init
from nstkit.backbones.repair import undo_identity_start
from nstkit.backbones.spec import BackboneSpec, Padding, Pooling, Preprocess, parse_backbone, split_norm
from nstkit.backbones.surgery import IMAGENET_MEAN, IMAGENET_STD, set_padding, set_pooling, set_preprocess
from nstkit.backbones.taps import find_taps
from nstkit.backbones.weights import (
    CAFFE_MEAN,
    filter_as_timm,
    load_weights,
    read_normalisation,
    read_weights,
    rename_caffe,
)
from nstkit.checkpoint import REQUIRED, read_checkpoint
from nstkit.errors import UserError, nearest


def load_backbone(
    spec: str | BackboneSpec,
    *,
    pooling: Pooling = "max",
    padding: Padding = "zero",
    preprocess: Preprocess = "own",
    swap: Iterable[str] = (),
    factory: str | None = None,
) -> Backbone:
    """Return the extractor that `spec` names (see `nstkit.backbones.spec`), on the CPU.

    Args:
        spec: such as `ckpt.pt`, `vgg19`, `vgg19@random:3`, `resnet50.a1_in1k`, `vgg19@weights.safetensors`.
        pooling: what replaces the network's max pooling; see `nstkit.backbones.surgery`.
        padding: what replaces the zeros around the maps of its convolutions.
        preprocess: `own`, or what replaces the weights' own normalisation of the picture.
        swap: texts TAP..TAP@WEIGHTS, layers that other weights are put into; see `nstkit.backbones.swap`.
        factory: `package.module:function` that made a checkpoint's network; runs only if that names it too.

    Raises:
        UserError: for an unknown name, weights that are missing, corrupt or do not fit, or a checkpoint whose factory
            was not given.
    """
    spec = parse_backbone(spec) if isinstance(spec, str) else spec
    if spec.name is None:
        backbone = _load_own(spec, factory)
    elif (own := split_norm(spec.name)) is not None:
        backbone = _load_vgg(spec, *own)
    else:
        backbone = _load_library(spec)
    for text in swap:
        from nstkit.backbones.swap import swap_from_text  # it loads the backbone that the weights come from

        swap_from_text(backbone, spec, text, factory=factory)
    set_pooling(backbone.network, pooling)
    set_padding(backbone.network, padding)
    return set_preprocess(backbone, preprocess)


def _load_own(spec: BackboneSpec, factory: str | None) -> Backbone:
    """Return a checkpoint's or an exported folder's network."""
    assert spec.path is not None
    content = read_exported(spec.path) if spec.path.is_dir() else read_checkpoint(spec.path)
    try:
        network = build_network(content["arch"], factory=factory)
    except UserError as error:
        raise UserError(f"--backbone {spec.text}: {error}") from error
    load_weights(network, content["model"], spec.path)
    trained = content["config"]
    # An export has its batch norm folded: how it was trained is what it is compared by.
    facts = {**content["arch"], **{key: trained[key] for key in ("norm", "dataset", "epochs") if key in trained}}
    if isinstance(network, vgg.VGG):
        return vgg_backbone(network, spec, content["input"], facts, content["taps"], content["quality"])
    facts["norm"] = None  # the setting is of our own networks
    return library_backbone(network, spec, content["input"], facts, content["taps"], content["quality"])


def read_exported(folder: Path) -> dict[str, Any]:
    """Return an exported folder (`python -m nstkit.export`) in the form of a checkpoint."""
    try:
        facts = json.loads((folder / "config.json").read_text())["nstkit"]
        content = {name: facts[name] for name in REQUIRED if name != "model"}
        return {**content, "model": read_weights(folder / "model.safetensors")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: not a whole exported backbone ({error}). Export it again.") from error


def _load_vgg(spec: BackboneSpec, arch: str, norm: str) -> Backbone:
    network = vgg.VGG(arch, norm=norm)
    normalisation = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    if spec.weights == "random":
        torch.manual_seed(spec.seed)
        kaiming_init(network)
    elif spec.weights == "pretrained":
        load_weights(network, _create_timm(str(spec.name), pretrained=True).state_dict(), Path(spec.text))
    else:
        assert spec.path is not None
        weights = read_weights(spec.path)
        of_caffe = rename_caffe(weights, network.taps)
        load_weights(network, weights if of_caffe is None else of_caffe, spec.path)
        normalisation = read_normalisation(spec.path) or normalisation
        if of_caffe is not None:
            normalisation = {"mean": [value / 255 for value in CAFFE_MEAN], "std": [1 / 255] * 3, "is_bgr": True}
    return vgg_backbone(network, spec, normalisation, {"arch": arch, "norm": norm, "width": 1.0})


def vgg_backbone(
    network: vgg.VGG,
    spec: BackboneSpec,
    normalisation: dict[str, Any],
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
        style_taps=(taps or {}).get("style", vgg.GATYS_STYLE_TAPS),
        content_taps=(taps or {}).get("content", vgg.GATYS_CONTENT_TAPS),
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
    torch.manual_seed(spec.seed)
    is_pretrained = spec.weights == "pretrained"
    normalisation: dict[str, Any] = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    if ":" in name or timm.is_model(name.partition(".")[0]):
        network = _create_timm(name, pretrained=is_pretrained)
        normalisation = timm.data.resolve_model_data_config(network)
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
        load_weights(network, filter_as_timm(network, read_weights(spec.path)), spec.path)
        normalisation = read_normalisation(spec.path) or normalisation
    elif spec.weights == "random":
        undo_identity_start(network)
    return library_backbone(network, spec, normalisation, {"arch": name})


def library_backbone(
    network: nn.Module,
    spec: BackboneSpec,
    normalisation: dict[str, Any],
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
    chosen = {
        part: [name for name in (taps or {}).get(part, ()) if name in found.taps] or default
        for part, default in (("style", found.style), ("content", found.content))
    }
    return Backbone(
        network,
        label=spec.label,
        taps=found.taps,
        style_taps=chosen["style"],
        content_taps=chosen["content"],
        mean=normalisation["mean"],
        std=normalisation["std"],
        facts=facts,
        quality=quality,
        sizes=found.sizes,
        is_random=spec.weights == "random",
    )


def _create_timm(name: str, *, pretrained: bool) -> nn.Module:
    import timm

    try:
        return timm.create_model(name, pretrained=pretrained)
    except Exception as error:  # timm, huggingface_hub and the network raise a dozen kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"--backbone {name}: timm could not make it ({reason}). Without a network give {name}@random, or "
            f"{name}@FILE with weights you have."
        ) from error


def _create_torchvision(name: str, *, pretrained: bool) -> nn.Module:
    from torchvision import models

    try:
        return models.get_model(name, weights="DEFAULT" if pretrained else None)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"--backbone {name}: its weights could not be downloaded ({error}). Give {name}@random or {name}@FILE."
        ) from error
