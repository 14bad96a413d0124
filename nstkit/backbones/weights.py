"""Weights out of a file of any origin, and into a network."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from nstkit.checkpoint import FORMAT, read_torch_file
from nstkit.errors import UserError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red, of 255
WRAPPERS = ("module.", "_orig_mod.", "model.", "state_dict.")
HEADS = ("classifier", "head", "fc", "pre_logits", "last_linear", "AuxLogits", "aux")


class Normalisation(TypedDict):
    """What pictures, sRGB in [0, 1], are shifted and scaled by for weights, three values each.

    With `is_bgr` the weights take blue, green, red, and the values are in that order.
    """

    mean: Sequence[float]
    std: Sequence[float]
    is_bgr: NotRequired[bool]


IMAGENET: Normalisation = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
CAFFE: Normalisation = {"mean": [value / 255 for value in CAFFE_MEAN], "std": [1 / 255] * 3, "is_bgr": True}


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file as float32, as `read_tensors` finds them."""
    tensors = read_tensors(path)
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a weights file, wrappers around them and prefixes of their names removed.

    Raises:
        UserError: for a missing or corrupt file, or one that could run code.
    """
    if path.suffix == ".safetensors":
        try:
            content: Any = load_file(path)
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path}: not a whole safetensors file ({error}).") from error
    else:
        content = read_torch_file(path)
        if isinstance(content, dict) and content.get("format") == FORMAT:
            content = content["model"]
    for wrapper in ("state_dict", "model_state_dict", "model", "state_dict_ema"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    tensors = (
        {name: value for name, value in content.items() if isinstance(value, Tensor)}
        if isinstance(content, dict)
        else {}
    )
    if not tensors:
        raise UserError(f"{path}: holds no weights by name. Save a network's state_dict().")
    if "n_averaged" in tensors and all(name == "n_averaged" or name.startswith("module.") for name in tensors):
        del tensors["n_averaged"]  # of torch.optim.swa_utils.AveragedModel
    for prefix in WRAPPERS * 2:  # they are nested at times: model.module.features.0.weight
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def read_normalisation(path: Path) -> Normalisation | None:
    """Return `mean` and `std` that the weights of a checkpoint or exported folder of ours belong to; else None."""
    if path.suffix != ".safetensors":
        content = read_torch_file(path)
        return content.get("input") if isinstance(content, dict) and content.get("format") == FORMAT else None
    try:
        return json.loads((path.parent / "config.json").read_text())["nstkit"]["input"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def rename_caffe(weights: dict[str, Tensor], taps: Mapping[str, int]) -> dict[str, Tensor] | None:
    """Return weights under `conv1_1.weight` and so on, as Gatys published VGG, under `features.N.weight`; else None.

    Such networks take blue, green, red, 0 to 255, less ImageNet's mean: see `CAFFE_MEAN`.

    Args:
        weights: by name; those of `fc6` to `fc8` are left out.
        taps: place of each of the paper's layers in `features`.
    """
    if "conv1_1.weight" not in weights:
        return None
    renamed = {}
    for name, value in weights.items():
        layer, _, kind = name.partition(".")
        if not layer.startswith("fc"):
            renamed[f"features.{taps[layer]}.{kind}" if layer in taps else name] = value
    return renamed


def filter_as_timm(network: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of a network's authors under timm's names, by timm's own filter; as they are where that fails."""
    own = set(network.state_dict())
    if own <= set(weights):
        return weights
    module = sys.modules.get(type(network).__module__)
    convert = getattr(module, "checkpoint_filter_fn", None) or getattr(module, "_checkpoint_filter_fn", None)
    try:
        converted = convert(dict(weights), network) if convert is not None else weights
    except Exception:  # it expects another file
        return weights
    is_better = len(own & set(converted)) > len(own & set(weights))
    return converted if is_better else weights


def load_weights(network: nn.Module, weights: dict[str, Tensor], source: Path | None) -> None:
    """Load weights into a network; a head that is missing or of another shape is passed over.

    Raises:
        UserError: that lists what is missing, unexpected or of another shape behind the head.
    """
    own = network.state_dict()
    body = {name for name in own if not is_head(name) and not name.endswith("num_batches_tracked")}
    missing = sorted(body - set(weights))
    unexpected = sorted(name for name in weights if name not in own and not is_head(name))
    misshapen = sorted(name for name in body & set(weights) if weights[name].shape != own[name].shape)
    if problems := [
        f"{len(names)} {kind} ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
        if names
    ]:
        raise UserError(f"{source}: these weights do not fit the architecture: {'; '.join(problems)}.")
    fitting = {name: value for name, value in weights.items() if name in own and value.shape == own[name].shape}
    network.load_state_dict(fitting, strict=False)


def is_head(name: str) -> bool:
    """Return whether a parameter or module belongs to the classifier, which an extractor does not need."""
    return name.partition(".")[0] in HEADS
