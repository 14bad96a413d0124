"""Checkpoints: one plain dict, written whole or not at all, safe to load.

format, version   what this file is
arch              which network: see `nstkit.backbones.build`
classes           names, in the order of the logits
input             size_px, mean, std: what the network was trained on
taps              default style and content taps
model             the weights that were measured
quality           extractor measures by tag, fractions in [0, 1]; `extractor/top1` is on the test set
config            the settings of the run
defaults          those of the command, so that what was chosen can be told from what was not
history           one dict an epoch: epoch, step, lr, val/top1, ...
split             hash of which picture was in which part
pictures          how many were in each part: train, val, test
environment       hardware and versions
training          (last.pt only) all that resuming needs
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from annotated_types import Interval

from nstkit.errors import UserError
from nstkit.files import write_atomically, writing
from nstkit.settings import checked
from nstkit.torchfile import is_dense, read_torch_file

FORMAT, VERSION = "nstkit-backbone", 1
REQUIRED = ("arch", "classes", "input", "taps", "model", "quality", "config", "environment")

# What the fields may hold: annotations as of settings; a dict is a record, whose names with a question mark may lack.
ARCH: dict[str, Any] = {
    "arch": str,
    "library?": Literal["timm", "factory"] | None,
    "classes": Annotated[int, Interval(ge=1)],
    "norm?": str,
    "width?": Annotated[float, Interval(gt=0)],
    "head?": str,
    "small_stem?": bool,
}
INPUT: dict[str, Any] = {
    "size_px": Annotated[int, Interval(ge=1, le=65_536)],
    "mean": tuple[float, ...],
    "std": tuple[Annotated[float, Interval(gt=0)], ...],
    "is_bgr?": bool,
}
FIELDS: dict[str, Any] = {
    "arch": ARCH,
    "classes": tuple[str, ...],
    "input": INPUT,
    "taps": {"style?": tuple[str, ...], "content?": tuple[str, ...]},
    "config": {"dataset": str},
    "environment": {"torch": str, "device": str},
    "split?": str,
    "pictures?": dict.fromkeys(("train", "val", "test"), int),
}
OWN_ARCH: dict[str, Any] = {"norm": str, "width": Annotated[float, Interval(gt=0)]}
DEEPEST = 20  # lists and dicts inside one another in a field of plain values
MOST_VALUES = 100_000  # in a field of plain values; references to one list can stand for any number of them


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint of the fields above; raises `UserError` where it cannot be written, the old one is kept."""
    missing = [name for name in REQUIRED if name not in content]
    assert not missing, f"a checkpoint needs {missing}"
    # Serialised in memory first: torch's writer ends in a crash, not in an error, on a full disk.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "version": VERSION, **content}, buffer)
    with writing(path):
        write_atomically(path, lambda file: file.write(buffer.getbuffer()))


def read_checkpoint(path: Path, content: Any = None) -> dict[str, Any]:
    """Return the checkpoint in a file, tensors on the CPU, its fields as they have to be but for `training`.

    Args:
        path: of the file.
        content: what `read_torch_file` gave for it. None = it is read here.

    Raises:
        UserError: for a missing or corrupt file, one that could run code, or one that is not of this format.
    """
    content = read_torch_file(path) if content is None else content
    if not (isinstance(content, dict) and content.get("format") == FORMAT):
        raise UserError(
            f"{path}: holds no checkpoint of `python -m train_backbone`. Weights of another program need the name of "
            f"their architecture, as in vgg19@{path.name}."
        )
    version = content.get("version", 0)
    if not isinstance(version, int) or version > VERSION:
        raise UserError(f"{path}: version {shown(version)}, this code reads up to {VERSION}. Update nstkit.")
    if missing := [name for name in ("version", *REQUIRED) if name not in content]:
        raise UserError(f"{path}: not a whole checkpoint, {', '.join(missing)} missing.")
    return check_fields(content, path)


def check_fields(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the content of a checkpoint or an exported folder; raise `UserError` for fields that are not as they must.

    A file can be whole and hold anything: each field is looked at before a network is built or a line is printed.
    """
    wrong = wrong_values(FIELDS, content)
    if not wrong and content["arch"].get("library") is None:
        wrong = [f"arch.{text}" for text in wrong_values(OWN_ARCH, content["arch"])]
    if not wrong and len(content["classes"]) != content["arch"]["classes"]:
        wrong.append(f"classes ({len(content['classes'])} names for {shown(content['arch']['classes'])} classes)")
    wrong += _wrong_weights(content["model"])
    wrong += [
        f"{name} (plain values by name)"
        for name in ("config", "environment", "defaults")
        if not is_plain(content.get(name, {}))
    ]
    if not _are_numbers(content["quality"]):
        wrong.append("quality (numbers by name)")
    history = content.get("history", [])
    if not isinstance(history, list) or not all(map(_are_numbers, history)):
        wrong.append("history (numbers by name, for each epoch)")
    wrong += [] if wrong else _wrong_input(content["input"])
    if wrong:
        raise UserError(f"{path}: not a whole checkpoint, not allowed: {', '.join(wrong[:4])}. Copy or train it again.")
    return content


def check_input(given: Any, path: Path) -> Any:
    """Return the `input` field of a checkpoint; raise `UserError` where it is not as it has to be."""
    if wrong := wrong_values(INPUT, given) or _wrong_input(given):
        raise UserError(f"{path}: its input is not allowed: {', '.join(wrong)}. Export it again.")
    return given


def _wrong_input(given: Mapping[str, Any]) -> list[str]:
    return [f"input.{name} (three values)" for name in ("mean", "std") if len(given[name]) != 3]


def _wrong_weights(model: Any) -> list[str]:
    if not isinstance(model, dict) or not model:
        return ["model (tensors by name)"]
    odd = [name for name, value in model.items() if not isinstance(name, str) or not is_dense(value)]
    return [f"model.{shown(odd[0])} (a dense tensor of real numbers)"] if odd else []


def wrong_values(record: Mapping[str, Any], values: Any) -> list[str]:
    """Return what a record's values are that its annotations do not allow, each with what is.

    Args:
        record: annotations by name, as `nstkit.settings.checked` takes them, or records in it; see `FIELDS`.
        values: of the record. Names that are not in it may hold anything.
    """
    if not isinstance(values, dict):
        return [f"{shown(values)} (values by name)"]
    wrong = []
    for name, hint in record.items():
        key = name.removesuffix("?")
        if key not in values:
            wrong += [] if name.endswith("?") else [f"{key} (missing)"]
        elif isinstance(hint, dict):
            wrong += [f"{key}.{text}" for text in wrong_values(hint, values[key])]
        else:
            try:
                checked(hint, values[key])
            except ValueError as error:
                wrong.append(f"{key} {shown(values[key])} ({error})")
    return wrong


def _are_numbers(values: Any) -> bool:
    return is_plain(values) and all(isinstance(value, (int, float)) for value in values.values())


def is_plain(values: Any) -> bool:
    """Return whether it is a dict of texts, numbers, None, and lists and dicts of them, not too many nor too deep."""
    if not isinstance(values, dict):
        return False
    waiting: list[tuple[Any, int]] = [(values, 0)]
    for _ in range(MOST_VALUES):
        if not waiting:
            return True
        value, depth = waiting.pop()
        if isinstance(value, dict):
            if not all(isinstance(name, str) for name in value):
                return False
            value = list(value.values())
        if isinstance(value, (list, tuple)):
            if depth == DEEPEST:
                return False
            waiting += [(item, depth + 1) for item in value]
        elif isinstance(value, int):
            if not -(2**63) <= value < 2**64:  # one of thousands of digits cannot even be printed
                return False
        elif value is not None and not isinstance(value, (float, str)):
            return False
    return False


def shown(value: Any) -> str:
    """Return a value of any kind as a short word for a message."""
    if isinstance(value, (bool, float, str)) or value is None:
        text = repr(value)
    elif isinstance(value, int):
        text = str(value) if abs(value) < 10**20 else "a huge number"
    elif isinstance(value, (list, tuple)) and all(isinstance(item, (int, float, str)) for item in value[:9]):
        text = f"[{', '.join(map(shown, value[:9]))}]"
    else:
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
