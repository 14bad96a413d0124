"""python -m nstkit.export CKPT --to DIR: a trained backbone for others, batch norm folded into the convolutions.

DIR/model.safetensors   features.N.weight / .bias as in torchvision's plain VGG, classifier.weight / .bias
DIR/config.json         architecture, input, classes, default taps, measured quality, training settings
DIR/README.md           a model card
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from nstkit.config import as_typed
from nstkit.errors import UserError, run_command

ABOUT_PLACES = ("data_dir", "runs_dir", "run_name", "resume")  # where it was made is nobody's business


@dataclass(frozen=True)
class ExportConfig:
    """Write a trained backbone as safetensors, batch norm folded, with its settings and a model card."""

    checkpoint: Annotated[Path, tyro.conf.Positional]
    """A ckpt.pt of train_backbone, or its run folder."""
    to: Path
    """Folder to write."""
    precision: Literal["fp32", "fp16"] = "fp32"
    """Number format of the weights; fp16 halves the file."""
    debug: bool = False
    """Show the traceback of an error."""


def main() -> None:
    """Parse, read, fold, write."""
    config = tyro.cli(ExportConfig, prog="python -m nstkit.export")
    from nstkit.checkpoint import read_checkpoint

    path = config.checkpoint / "ckpt.pt" if config.checkpoint.is_dir() else config.checkpoint
    export(read_checkpoint(path), config.to, half=config.precision == "fp16")
    print(f"exported: {config.to}\npaint:    {as_typed(f'python -m transfer --backbone {config.to}')}")


def export(content: dict[str, Any], folder: Path, *, half: bool) -> None:
    """Write a checkpoint's network into `folder`; raises `UserError` where that cannot be written.

    Args:
        content: a checkpoint, see `nstkit.checkpoint`.
        folder: made if need be.
        half: float16 weights in place of float32.
    """
    import torch
    from safetensors.torch import save

    from nstkit.backbones.initialise import fold_batchnorm
    from nstkit.backbones.vgg import VGG
    from nstkit.files import write_atomically

    network = VGG(**content["arch"])
    network.load_state_dict(content["model"])
    network.features = fold_batchnorm(network.features)
    dtype = torch.float16 if half else torch.float32
    weights = {name: value.to(dtype).contiguous() for name, value in network.state_dict().items()}
    config = {name: value for name, value in content["config"].items() if name not in ABOUT_PLACES}
    kept = {name: content[name] for name in ("classes", "input", "taps", "quality", "environment")}
    arch = {**content["arch"], "norm": "none"}
    facts = {"arch": arch, "trained_norm": content["arch"]["norm"], "config": config, **kept}
    try:
        write_atomically(folder / "model.safetensors", lambda file: file.write(save(weights, {"format": "pt"})))
        write_atomically(
            folder / "config.json", lambda file: file.write(json.dumps({"nstkit": facts}, indent=1).encode())
        )
        write_atomically(folder / "README.md", lambda file: file.write(model_card(facts).encode()))
    except OSError as error:
        raise UserError(f"{folder.absolute()}: cannot be written ({error.strerror or error}).") from error


def model_card(facts: dict[str, Any]) -> str:
    """Return a model card in Markdown: what it is, how it was trained, what was measured."""
    arch, config, quality = facts["arch"], facts["config"], facts["quality"]
    flags = ("arch", "norm", "width", "dataset", "epochs", "schedule", "lr", "batch_size", "weight_decay")
    flags += ("label_smoothing", "seed")
    command = " ".join(f"--{name.replace('_', '-')} {config[name]}" for name in flags)
    measures = "\n".join(f"| {name} | {value:.4f} |" for name, value in sorted(quality.items()))
    folded = "batch norm folded into the convolutions" if facts["trained_norm"] == "batch" else "without batch norm"
    return f"""# {arch["arch"]}, width {arch["width"]:g}, {config["dataset"]}

A feature extractor trained from scratch by nstkit; {folded}.
Layers are named as in torchvision's plain VGG.

Trained with

    python -m train_backbone {command}

on pictures of {facts["input"]["size_px"]} px, normalised by mean {rounded(facts["input"]["mean"])} and deviation
{rounded(facts["input"]["std"])}, with torch {facts["environment"]["torch"]} on {facts["environment"]["device"]}.

| measure | value |
|---|---|
{measures}

`val/*` is measured on pictures held out of the training set, `extractor/top1` and `extractor/top5` once, on the test
set.
"""


def rounded(values: list[float]) -> str:
    """Return numbers with four digits behind the point."""
    return "(" + ", ".join(f"{value:.4f}" for value in values) + ")"


if __name__ == "__main__":
    run_command(main)
