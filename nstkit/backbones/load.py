"""From a backbone's name to the extractor: our checkpoints, our VGGs, timm's and torchvision's networks."""

import json
from pathlib import Path
from typing import Any

from torch import nn

from nstkit.backbones import vgg
from nstkit.backbones.backbone import Backbone, Tap
from nstkit.backbones.build import build_network
from nstkit.backbones.initialise import kaiming_init, seeded, undo_identity_start
from nstkit.backbones.spec import Arch, BackboneSpec, Norm, parse_backbone, split_norm
from nstkit.backbones.taps import find_taps
from nstkit.backbones.weights import (
    CAFFE,
    IMAGENET,
    Normalisation,
    filter_as_timm,
    load_weights,
    read_normalisation,
    read_weights,
    rename_caffe,
)
from nstkit.checkpoint import REQUIRED, read_checkpoint
from nstkit.errors import UserError, first_line, is_out_of_memory, nearest


def load_as_is(spec: str | BackboneSpec, *, factory: str | None = None) -> Backbone:
    """Return the extractor that `spec` names, unchanged, on the CPU. The global random state stays as it is.

    Args:
        spec: see `nstkit.backbones.spec`.
        factory: `package.module:function` that made a checkpoint's network; runs only if that names it too.

    Raises:
        UserError: for an unknown name, weights that are missing, corrupt or do not fit, or a checkpoint whose factory
            was not given.
    """
    spec = parse_backbone(spec) if isinstance(spec, str) else spec
    with seeded(spec.seed):
        if spec.name is None:
            return _load_own(spec, factory)
        if (own := split_norm(spec.name)) is not None:
            return _load_vgg(spec, *own)
        return _load_library(spec)


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
        weights = read_weights(spec.path)
        of_caffe = rename_caffe(weights, network.taps)
        load_weights(network, weights if of_caffe is None else of_caffe, spec.path)
        normalisation = CAFFE if of_caffe is not None else read_normalisation(spec.path) or IMAGENET
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
    is_pretrained = spec.weights == "pretrained"
    normalisation = IMAGENET
    if ":" in name or timm.is_model(name.partition(".")[0]):
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
        load_weights(network, filter_as_timm(network, read_weights(spec.path)), spec.path)
        normalisation = read_normalisation(spec.path) or normalisation
    elif spec.weights == "random":
        undo_identity_start(network)
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
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"--backbone {name}: timm could not make it ({first_line(error)}). Without a network give {name}@random, "
            f"or {name}@FILE with weights you have."
        ) from error


def _create_torchvision(name: str, *, pretrained: bool) -> nn.Module:
    from torchvision import models

    try:
        return models.get_model(name, weights="DEFAULT" if pretrained else None)
    except (OSError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"--backbone {name}: its weights could not be downloaded ({error}). Give {name}@random or {name}@FILE."
        ) from error
