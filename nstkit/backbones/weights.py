"""Weights out of a file of any origin, and into a network."""

import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file as load_safetensors
from torch import Tensor, nn

from nstkit.backbones.foreign import find_weights, is_body, is_head, mappings_in, unwrapped
from nstkit.backbones.normalisation import CAFFE, Normalisation, recognise
from nstkit.checkpoint import FORMAT, check_input, read_checkpoint
from nstkit.errors import UserError, is_out_of_memory
from nstkit.torchfile import check_is_file, read_torch_file

NO_WEIGHTS = "holds no weights by name. Save a network's state_dict()."
SHOWN = 4  # names in a message


class NotFinite(UserError):
    """Weights hold NaN, infinite values or variances below 0."""


def load_file(network: nn.Module, path: Path, normalisation: Normalisation) -> Normalisation:
    """Load the weights in a file of any origin into a network; say what it has no place for in one warning.

    Returns:
        The normalisation that they belong to: what the file says, or what they are known by, or the one given.

    Raises:
        UserError: for a missing or corrupt file, one that could run code, weights that do not fit or are not finite.
    """
    content, known = read_content(path), None
    if isinstance(content, dict) and content.get("format") == FORMAT:
        content, known = content["model"], content["input"]
    found, as_good = find_weights(content, network)
    if found is None:
        raise UserError(f"{path}: {NO_WEIGHTS}")
    remarks = load_weights(network, found.weights, path)
    if found.others:
        remarks.insert(0, _left_aside(found.others))
    if as_good:
        remarks.insert(0, f"those of {found.mapping or 'the file itself'} were taken, not of {', '.join(as_good)}")
    if remarks:
        warnings.warn(f"{path}: {'; '.join(remarks)}.", stacklevel=2)
    has_broken_head = any(is_head(name) and not _is_finite(value) for name, value in found.weights.items())
    if known is None:
        known = CAFFE if found.is_caffe else recognise(found.weights, has_broken_head=has_broken_head)
    return known or normalisation


def read_content(path: Path) -> Any:
    """Return what a file of weights holds; of a checkpoint or an exported folder of ours, its fields.

    Raises:
        UserError: for a missing or corrupt file, or one that could run code.
    """
    if path.suffix == ".safetensors":
        tensors = read_safetensors(path)
        known = _input_beside(path)
        return tensors if known is None else {"format": FORMAT, "model": tensors, "input": known}
    content = read_torch_file(path)
    return read_checkpoint(path, content) if isinstance(content, dict) and content.get("format") == FORMAT else content


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file; raises `UserError` for one that is missing or corrupt."""
    check_is_file(path)
    try:
        return load_safetensors(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        raise UserError(f"{path}: not a whole safetensors file ({error}).") from error


def _input_beside(path: Path) -> Normalisation | None:
    """Return the `input` that the config.json of an exported folder gives for the weights in it."""
    try:
        given = json.loads((path.parent / "config.json").read_bytes())["nstkit"]["input"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return check_input(given, path.parent)


def largest_mapping(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the largest mapping of names to tensors in what a file holds, wrappers of their names removed.

    Args:
        content: of a file of another program.
        path: of it, for the message.

    Raises:
        UserError: for a file without weights.
    """
    mappings = [tensors for _, tensors in mappings_in(content)]
    if not mappings:
        raise UserError(f"{path}: {NO_WEIGHTS}")
    return unwrapped(max(mappings, key=len))


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], source: Path, *, is_own: bool = False) -> list[str]:
    """Load weights into a network; a head that is missing, of another shape or not finite is passed over.

    Args:
        network: of any kind.
        weights: by the network's names.
        source: for messages.
        is_own: they were saved from this very network, so that all of them have to fit.

    Returns:
        Remarks on what was passed over.

    Raises:
        UserError: that lists what is missing, unexpected, of another shape or not finite behind the head.
    """
    own = network.state_dict()
    check_fit(own, weights, source, is_own=is_own)
    fitting = {name: value for name, value in weights.items() if name in own and value.shape == own[name].shape}
    _check_usable({name: value for name, value in fitting.items() if is_own or is_body(name)}, str(source))
    broken = [name for name, value in fitting.items() if not _is_finite(value)]
    network.load_state_dict({name: value for name, value in fitting.items() if name not in broken}, strict=False)
    aside = [name for name in weights if name not in own and is_body(name)]
    remarks = [_left_aside(aside)] if aside else []
    return remarks + ([f"its classifier is not finite and was not loaded ({_shortened(broken)})"] if broken else [])


def check_fit(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], source: Path, *, is_own: bool = False) -> None:
    """Raise `UserError` where weights are not a network's.

    Args:
        own: the network's `state_dict()`, on any device.
        weights: by the network's names.
        source: for messages.
        is_own: they were saved from this very network, so that all of them have to fit.
    """
    needed = {name for name in own if is_own or is_body(name)}
    missing = sorted(needed - set(weights))
    misshapen = sorted(name for name in needed & set(weights) if weights[name].shape != own[name].shape)
    unexpected = sorted(name for name in weights if name not in own and (is_own or not is_head(name)))
    parts = {name.partition(".")[0] for name in own if is_body(name)}
    if not (missing or misshapen or (is_own and unexpected)) and not any(
        _is_layer(name, weights[name], parts) for name in unexpected
    ):
        return
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    problems = [f"{len(names)} {kind} ({_shortened(names)})" for kind, names in kinds.items() if names]
    raise UserError(f"{source}: these weights do not fit the architecture: {'; '.join(problems)}.")


def check_finite(network: nn.Module, source: str) -> None:
    """Raise `UserError` where what a network computes features from holds NaN or infinite values."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    _check_usable({name: value for name, value in tensors.items() if is_body(name)}, source)


def _check_usable(tensors: Mapping[str, Tensor], source: str) -> None:
    broken = [
        name
        for name, value in tensors.items()
        if not _is_finite(value) or (name.endswith("running_var") and bool((value < 0).any()))
    ]
    if broken:
        raise NotFinite(
            f"{source}: {len(broken)} of {len(tensors)} tensors hold NaN, infinite values or variances below 0 "
            f"({_shortened(broken)}). The training diverged or the file is damaged; give other weights."
        )


def _is_finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(value.float().isfinite().all())


def _is_layer(name: str, value: Tensor, parts: set[str]) -> bool:
    """Return whether a tensor that a network has no place for is the kernel of a layer inside one of its parts.

    Then the weights are of a deeper network, such as ResNet34 for ResNet18: those that fit are not the whole of it.
    """
    return name.endswith(".weight") and value.ndim >= 2 and name.partition(".")[0] in parts


def _left_aside(names: Iterable[str]) -> str:
    names = list(names)
    return f"{len(names)} {'tensor was' if len(names) == 1 else 'tensors were'} left aside ({_shortened(names)})"


def _shortened(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
