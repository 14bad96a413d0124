"""The model card of an exported backbone: what it is, how to load it, how it was trained, what was measured."""

import shlex
from typing import Any

ABOUT_PLACES = ("data_dir", "runs_dir", "run_name", "resume", "final_fit")  # these say where it was made, not how
NOT_THE_RECIPE = (*ABOUT_PLACES, "device", "preset")  # a preset's settings stand in the command themselves
CURVE_ROWS = 12

DATA = {
    "cifar100": "CIFAR-100 (Krizhevsky 2009): 60,000 pictures of 32 px in 100 classes, collected from the web for "
    "80 Million Tiny Images, which has been withdrawn since. They carry no licence of their own.",
    "caltech101": "Caltech 101 (Fei-Fei, Fergus and Perona 2004): pictures from the web, published by CaltechDATA "
    "under CC BY 4.0: name it where you use these weights.",
    "patterns": "Textures in 12 classes drawn by nstkit's own code (MIT). No outside data.",
    "folder": "Class folders of whoever trained it. Their licence is not recorded here: ask before you pass these "
    "weights on.",
}


def model_card(facts: dict[str, Any], content: dict[str, Any], *, is_for_timm: bool) -> str:
    """Return a model card in Markdown, the code in it meant to be run in the folder.

    Args:
        facts: what the exported config.json holds under `nstkit`.
        content: the checkpoint; its `history` (one dict an epoch with `epoch` and `val/top1`) and `defaults` (of the
            training command, which the command in the card leaves out) may be missing.
        is_for_timm: timm can load the folder.
    """
    arch, config, environment = facts["arch"], facts["config"], facts["environment"]
    library = arch.get("library")
    width = "" if library else f", width {arch['width']:g}"
    made = {None: f"Plain {arch['arch']} with torchvision's names", "timm": f"timm's {arch['arch']}"}.get(library)
    made = made or f"A network of the factory {arch['arch']}"
    if facts.get("trained_norm") == "batch" and library is None:
        made += "; batch norm folded into the convolutions"
    if arch.get("small_stem"):
        made += "; with a stem for small pictures"
    best = facts["quality"].get("extractor/top1")
    result = f" {best:.2%} top-1 on the test set." if best is not None else ""
    return f"""---
library_name: {"timm" if is_for_timm else "nstkit"}
pipeline_tag: image-classification
license: unknown
tags: [feature-extraction, style-transfer, nstkit{", timm" if is_for_timm else ""}]
---
# {arch["arch"]}{width}, {config["dataset"]}

A feature extractor trained from scratch by nstkit, for neural style transfer. {made}.{result}

## Load it

Run this in the folder, or put its path in place of the dot.

{_loading(facts, is_for_timm)}

## Data and licence

{DATA.get(config["dataset"], config["dataset"])}

No licence was chosen for these weights: whoever publishes them has to. nstkit itself is under the MIT licence.

## Training

    {command(config, content.get("defaults", {}))}

{_remarks(content["config"])}Pictures of {facts["input"]["size_px"]} px, normalised by mean
{rounded(facts["input"]["mean"])} and deviation {rounded(facts["input"]["std"])},
with torch {environment["torch"]} on {environment["device"]}.

{_curve(content.get("history", []))}## Measures

| measure | value |
|---|---|
{_measures(facts["quality"])}

`val/*` is measured on pictures held out of the training set, `extractor/top1` and `extractor/top5` once, on the test
set.
"""


def command(config: dict[str, Any], defaults: dict[str, Any]) -> str:
    """Return the command line of these settings, without those that are the training command's defaults."""
    words = ["python", "-m", "train_backbone"]
    for name, value in config.items():
        is_default = name in defaults and defaults[name] == value
        if name in NOT_THE_RECIPE or value is None or value == [] or is_default:
            continue
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", *(map(str, value) if isinstance(value, (list, tuple)) else [str(value)])]
    if config["dataset"] == "folder":
        words += ["--data-dir", "YOUR_PICTURES"]
    return shlex.join(words)


def _remarks(config: dict[str, Any]) -> str:
    remarks = []
    if config["dataset"] in ("cifar100", "caltech101"):
        remarks.append("The data set is downloaded into `data/`; `--data-dir` names another place.")
    if config.get("final_fit"):
        remarks.append("Then again with `--final-fit` of that run, on training and validation pictures.")
    return "".join(f"{remark}\n\n" for remark in remarks)


def _loading(facts: dict[str, Any], is_for_timm: bool) -> str:
    arch = facts["arch"]
    factory = f', factory="{arch["arch"]}"' if arch.get("library") == "factory" else ""
    flag = f" --arch {arch['arch']}" if factory else ""
    parts = [
        f"""nstkit, as an extractor of style and content:

    python -m transfer --backbone .{flag} --content photo.jpg --style painting.jpg

```python
import nstkit
import torch

backbone = nstkit.load_backbone("."{factory})
maps = backbone.features(torch.rand(1, 3, 64, 64), backbone.style_taps)  # of a picture in [0, 1]
```"""
    ]
    if arch.get("library") is None:
        parts.append(_loading_vgg(arch, is_for_timm))
    elif is_for_timm:
        parts.append("""timm:

```python
import timm

classifier = timm.create_model("local-dir:.", pretrained=True).eval()
extractor = timm.create_model("local-dir:.", pretrained=True, features_only=True).eval()
settings = timm.data.resolve_model_data_config(classifier)  # mean and deviation of its pictures
```""")
    elif arch.get("library") == "timm":
        parts.append(f"""timm's network of this name has another stem, so `local-dir:` does not load the folder:

```python
import timm
from nstkit.backbones.stem import shrink_stem
from safetensors.torch import load_file

classifier = timm.create_model("{arch["arch"]}", num_classes={arch["classes"]})
shrink_stem(classifier)
classifier.load_state_dict(load_file("model.safetensors"))
classifier.eval()
```""")
    return "\n\n".join(parts)


def _loading_vgg(arch: dict[str, Any], is_for_timm: bool) -> str:
    if not is_for_timm:
        return f"Of width {arch['width']:g}, it loads in nstkit only: torchvision and timm have no narrow VGG."
    is_papers = arch.get("head") == "fc4096"
    name, classes = arch["arch"], arch["classes"]
    if is_papers:
        torchvision = f"network = {name}(num_classes={classes})\nnetwork.load_state_dict(weights)\nnetwork.eval()"
        timms = 'classifier = timm.create_model("local-dir:.", pretrained=True).eval()'
    else:
        torchvision = f"""extractor = {name}(init_weights=False).features.eval()
extractor.load_state_dict(
    {{key.removeprefix("features."): value for key, value in weights.items() if key.startswith("features.")}}
)"""
        timms = """# timm's own head, which has no weights here, is not used by forward_features.
network = timm.create_model("local-dir:.", pretrained=True, num_classes=0).eval()"""
    head = "" if is_papers else " The classifier (global average pooling, one linear layer) loads in nstkit only."
    return f"""torchvision:{head}

```python
from safetensors.torch import load_file
from torchvision.models import {name}

weights = load_file("model.safetensors")
{torchvision}
```

timm (`pretrained=True` is needed: without it the weights are random):

```python
import timm

extractor = timm.create_model("local-dir:.", pretrained=True, features_only=True).eval()
{timms}
settings = timm.data.resolve_model_data_config(extractor)  # mean and deviation of its pictures
```"""


def _curve(history: list[dict[str, Any]]) -> str:
    """Return validation top-1 by epoch as a table of a few rows, the best and the last among them."""
    measured = [epoch for epoch in history if "val/top1" in epoch and "epoch" in epoch]
    if not measured:
        return ""
    best = max(range(len(measured)), key=lambda index: measured[index]["val/top1"])
    step = max(1, -(-len(measured) // CURVE_ROWS))
    shown = sorted({*range(0, len(measured), step), best, len(measured) - 1})
    rows = "\n".join(
        f"| {measured[index]['epoch']:g} | {measured[index]['val/top1']:.4f}{' (best)' if index == best else ''} |"
        for index in shown
    )
    return f"| epoch | validation top-1 |\n|---|---|\n{rows}\n\n"


def _measures(quality: dict[str, float]) -> str:
    return "\n".join(f"| {name} | {value:.4f} |" for name, value in sorted(quality.items()))


def rounded(values: list[float]) -> str:
    """Return numbers with four digits behind the point."""
    return "(" + ", ".join(f"{value:.4f}" for value in values) + ")"
