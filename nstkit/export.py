"""python -m nstkit.export CKPT --to DIR: a trained backbone for others, batch norm of VGG folded into the convolutions.

DIR/model.safetensors   VGG: features.N.weight / .bias as in torchvision's plain VGG; others: the network's own names
DIR/config.json         architecture, input, classes, default taps, measured quality, training settings
DIR/README.md           a model card

The folder loads in `python -m transfer`, and in timm as `local-dir:DIR` where timm has the network: VGG of width 1
(without our classifier, as its own head is another), and timm's networks whose stem was left as timm has it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import tyro

from nstkit.config import as_typed, parse
from nstkit.errors import UserError, run_command
from nstkit.model_card import ABOUT_PLACES, model_card
from nstkit.settings import Settings, as_word

EXAMPLES = """
  python -m nstkit.export runs/train_backbone/RUN --to my_backbone
"""


@dataclass(frozen=True, kw_only=True)
class ExportConfig(Settings):
    """Write a trained backbone as safetensors, batch norm folded, with its settings and a model card."""

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """A ckpt.pt of train_backbone, or its run folder."""
    to: Path
    """Folder to write."""
    precision: Literal["fp32", "fp16"] = "fp32"
    """Number format of the weights; fp16 halves the file."""
    debug: bool = False
    """Show the traceback of an error."""


@runtime_checkable
class DescribesItself(Protocol):
    """A network of timm's."""

    num_features: int
    pretrained_cfg: dict[str, Any]


def main() -> None:
    """Parse, read, fold, write."""
    config = parse(ExportConfig, "nstkit.export", examples=EXAMPLES)
    from nstkit.checkpoint import read_checkpoint

    check_target(config.to)
    path = config.checkpoint / "ckpt.pt" if config.checkpoint.is_dir() else config.checkpoint
    content = read_checkpoint(path)
    export(content, config.to, half=config.precision == "fp16")
    words = f"python -m transfer --backbone {config.to}"
    if content["arch"].get("library") == "factory":
        words += f" --arch {content['arch']['arch']}"
    print(f"exported: {config.to}\npaint:    {as_typed(words)}")


def check_target(folder: Path) -> None:
    """Raise `UserError` for a folder that holds something else than an earlier export."""
    if folder.is_dir() and not is_exported(folder) and (found := sorted(path.name for path in folder.iterdir())):
        raise UserError(f"--to {as_word(folder)}: holds {as_word(found[0])} and no export. Give a new or empty folder.")


def is_exported(folder: Path) -> bool:
    """Return whether a folder is one that this command has written."""
    config = folder / "config.json"
    return config.is_file() and '"nstkit"' in config.read_text(errors="replace")


def export(content: dict[str, Any], folder: Path, *, half: bool) -> None:
    """Write a checkpoint's network into `folder`; raises `UserError` where that cannot be written.

    Args:
        content: a checkpoint, see `nstkit.checkpoint`.
        folder: made if need be.
        half: float16 weights in place of float32.
    """
    import torch
    from safetensors.torch import save

    from nstkit.files import write_atomically, writing

    arch, weights, timm_config = _prepare(content)
    dtype = torch.float16 if half else torch.float32
    weights = {
        name: (value.to(dtype) if value.is_floating_point() else value).clone(memory_format=torch.contiguous_format)
        for name, value in weights.items()
    }
    config = {name: value for name, value in content["config"].items() if name not in ABOUT_PLACES}
    kept = ("classes", "input", "taps", "quality", "environment")
    facts = {
        "arch": arch,
        "trained_norm": content["arch"].get("norm"),
        "config": config,
        **{name: content[name] for name in kept},
    }
    card = model_card(facts, content, is_for_timm=bool(timm_config))
    described = json.dumps({**timm_config, "nstkit": facts}, indent=1)
    with writing(folder):
        write_atomically(folder / "model.safetensors", lambda file: file.write(save(weights, {"format": "pt"})))
        write_atomically(folder / "config.json", lambda file: file.write(described.encode()))
        write_atomically(folder / "README.md", lambda file: file.write(card.encode()))


def _prepare(content: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return arch and weights to write, and what timm reads in config.json: nothing where it has no such network.

    The code of a factory is not needed: its weights are written as they are.
    """
    from torch import nn

    from nstkit.backbones.batchnorm import fold_batchnorm
    from nstkit.backbones.build import build_network
    from nstkit.backbones.load import restore
    from nstkit.backbones.stem import shrink_stem
    from nstkit.backbones.vgg import VGG

    arch = content["arch"]
    if arch.get("library") == "factory":
        return arch, content["model"], {}
    network = restore(content, Path("the checkpoint"))
    if arch.get("library") == "timm":
        assert isinstance(network, DescribesItself)
        has_own_stem = not arch.get("small_stem") or not shrink_stem(build_network({**arch, "small_stem": False}))
        description = _describe_for_timm(content, arch["arch"], network.num_features, network.pretrained_cfg)
        return arch, network.state_dict(), description if has_own_stem else {}
    assert isinstance(network, VGG)
    network.features = fold_batchnorm(network.features)
    last = network.features[-3]
    assert isinstance(last, nn.Conv2d)
    # Our linear layer under its name is dropped by timm, as its own head (head.fc) is: each stands for a classifier.
    classifier = "head.fc" if arch.get("head") == "fc4096" else ["head.fc", "classifier"]
    known = {"first_conv": "features.0", "classifier": classifier}
    is_whole = arch["width"] == 1.0
    description = _describe_for_timm(content, arch["arch"], last.out_channels, known) if is_whole else {}
    return {**arch, "norm": "none"}, network.state_dict(), description


def _describe_for_timm(
    content: dict[str, Any], architecture: str, num_features: int, known: dict[str, Any]
) -> dict[str, Any]:
    """Return the part of config.json that timm reads.

    Source: timm 1.0, models/_hub.py, `save_config_for_hf`.
    """
    size_px, classes = content["input"]["size_px"], content["classes"]
    return {
        "architecture": architecture,
        "num_classes": len(classes),
        "num_features": num_features,
        "label_names": classes,
        "pretrained_cfg": {
            "custom_load": False,
            "input_size": [3, size_px, size_px],
            "fixed_input_size": known.get("fixed_input_size", False),
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "mean": content["input"]["mean"],
            "std": content["input"]["std"],
            "num_classes": len(classes),
            "pool_size": None,
            "first_conv": known.get("first_conv"),
            "classifier": known.get("classifier"),
        },
    }


if __name__ == "__main__":
    run_command(main)
