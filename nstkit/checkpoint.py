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
environment       hardware and versions
training          (last.pt only) all that resuming needs
"""

import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from nstkit.errors import UserError, is_out_of_memory
from nstkit.files import write_atomically

FORMAT, VERSION = "nstkit-backbone", 1
REQUIRED = ("arch", "classes", "input", "taps", "model", "quality", "config", "environment")


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint of the fields above; raises `UserError` where it cannot be written, the old one is kept."""
    missing = [name for name in REQUIRED if name not in content]
    assert not missing, f"a checkpoint needs {missing}"
    # Serialised in memory first: torch's writer ends in a crash, not in an error, on a full disk.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "version": VERSION, **content}, buffer)
    try:
        write_atomically(path, lambda file: file.write(buffer.getbuffer()))
    except OSError as error:
        raise UserError(f"{path.absolute()}: cannot be written ({error.strerror or error}).") from error


def read_torch_file(path: Path) -> Any:
    """Return what a torch file holds, tensors on the CPU. Nothing that the file names is run.

    Raises:
        UserError: for a missing or corrupt file, or one that holds more than tensors and plain values.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of what is refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"{path.absolute()}: no such checkpoint.") from error
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: refused, it holds more than tensors and plain values or is no torch file; loading it could run "
            f"code. Save its state_dict() with torch.save, or convert it to .safetensors."
        ) from error
    except Exception as error:  # a corrupt file makes torch raise a dozen kinds
        if is_out_of_memory(error):
            raise
        reason = str(error).partition(". ")[0].partition("\n")[0] or type(error).__name__
        raise UserError(f"{path}: not a whole checkpoint ({reason}). Copy or train it again.") from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the checkpoint in a file, tensors on the CPU.

    Raises:
        UserError: for a missing or corrupt file, one that could run code, or one that is not of this format.
    """
    content = read_torch_file(path)
    if not (isinstance(content, dict) and content.get("format") == FORMAT):
        raise UserError(
            f"{path}: holds no checkpoint of `python -m train_backbone`. Weights of another program need the name of "
            f"their architecture, as in vgg19@{path.name}."
        )
    if content.get("version", 0) > VERSION:
        raise UserError(f"{path}: version {content['version']}, this code reads up to {VERSION}. Update nstkit.")
    if missing := [name for name in REQUIRED if name not in content]:
        raise UserError(f"{path}: not a whole checkpoint, {', '.join(missing)} missing.")
    return content
