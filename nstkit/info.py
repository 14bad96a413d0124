"""python -m nstkit.info FILE: what a checkpoint, an exported folder, weights of another program or a picture holds.

Nothing that a file names is run, and no network is built.
"""

import itertools
import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from nstkit.annotations import path_of
from nstkit.config import as_typed, parse
from nstkit.embedded import read_made_by
from nstkit.errors import UserError, printable, run_command
from nstkit.export import is_exported
from nstkit.model_card import command, rounded
from nstkit.settings import Settings, as_word
from nstkit.settings_file import PICTURES

if TYPE_CHECKING:
    from torch import Tensor

EXAMPLES = """
  python -m nstkit.info runs/train_backbone/RUN
  python -m nstkit.info carried                   # the backbone of the package; carried-judge is its judge
"""
WIDTH = 110  # of a line on screen
OFF: tuple[Any, ...] = (None, [], False)  # settings that say nothing of a picture
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")

VGG_DEPTHS = {8: "vgg11", 10: "vgg13", 13: "vgg16", 16: "vgg19"}  # by their convolutions
RESNET_BLOCKS = {
    (2, 2, 2, 2): ("resnet18", "a ResNet"),
    (3, 4, 6, 3): ("resnet34", "resnet50"),
    (3, 4, 23, 3): ("a ResNet", "resnet101"),
    (3, 8, 36, 3): ("a ResNet", "resnet152"),
}
FAMILIES = {  # a parameter's name that only this family has
    r"features\.\d+\.squeeze\.": "a SqueezeNet of torchvision's",
    r"features\.denseblock1\.": "a DenseNet",
    r"conv_stem\.|blocks\.0\.0\.conv_(dw|pw)\.": "an EfficientNet or MobileNet of timm's",
    r"features\.1\.0\.block\.0\.0\.|features\.1\.block\.0\.0\.": "an EfficientNet or MobileNet of torchvision's",
    r"stages\.0\.blocks\.0\.conv_dw\.|downsample_layers\.0\.|features\.1\.0\.layer_scale": "a ConvNeXt",
    r"Mixed_5b\.|Conv2d_1a_3x3\.": "an Inception",
    r"blocks\.0\.attn\.qkv\.|encoder\.layers\.encoder_layer_0\.": "a vision transformer, which has no maps",
    r"layers\.0\.blocks\.0\.attn\.relative_position_bias_table": "a Swin transformer, which has no maps",
}

UNKNOWN = ("a network that this command does not know", False)
DEEPEST = 4  # parts of a prefix


@dataclass(frozen=True, kw_only=True)
class InfoConfig(Settings):
    """Say what a file holds: network, classes, input, taps, quality, training; of foreign weights the likely family.

    Of a picture that was painted, what it was painted with.
    """

    file: Annotated[Path, tyro.conf.Positional]
    """A checkpoint, a run folder, an exported folder, or weights (.pt, .pth, .ckpt, .safetensors); `carried`; or a
    picture that was painted (.png, .jpg, .webp, .tif)."""
    debug: bool = False
    """Show the traceback of an error."""


def main() -> None:
    """Parse, read, print."""
    config = parse(InfoConfig, "nstkit.info", examples=EXAMPLES)
    for name, value in describe(config.file).items():
        lines = textwrap.wrap(printable(value), WIDTH - 12, break_long_words=False, break_on_hyphens=False) or [""]
        print(f"{name + ':':<12}" + ("\n" + " " * 12).join(lines))


def describe(path: Path) -> dict[str, str]:
    """Return what a file or folder holds, as lines by their title.

    Raises:
        UserError: for one that is missing, corrupt, could run code, or holds no weights.
    """
    from nstkit.backbones.load import read_exported
    from nstkit.backbones.spec import CARRIED, CARRIED_JUDGE, JUDGE_LABEL
    from nstkit.backbones.weights import largest_mapping, read_safetensors
    from nstkit.checkpoint import FORMAT, read_checkpoint
    from nstkit.torchfile import read_torch_file

    path = {"carried": CARRIED, JUDGE_LABEL: CARRIED_JUDGE}.get(str(path)) or path_of(path)
    file = _weights_in(path)
    if file.suffix.lower() in PICTURES:
        return {"file": f"{file} ({_file_size(file)})", **_painted(read_made_by(file), file)}
    content: Any = read_safetensors(file) if file.suffix == ".safetensors" else read_torch_file(file)
    header = {"file": f"{file} ({_file_size(file)})"}
    if file.suffix == ".safetensors" and is_exported(file.parent):
        facts = read_exported(file.parent)
        return {**header, "kind": "exported folder of nstkit", **_own(facts, content, file.parent)}
    if isinstance(content, dict) and content.get("format") == FORMAT:
        content = read_checkpoint(file, content)
        kind = f"checkpoint of train_backbone, version {content['version']}"
        if isinstance(training := content.get("training"), dict):
            step = training.get("step")
            kind += f", can be resumed from step {step if isinstance(step, int) else '?'}"
        return {**header, "kind": kind, **_own(content, content["model"], path)}
    return {**header, "kind": "weights of another program", **_foreign(largest_mapping(content, file), file)}


def _weights_in(path: Path) -> Path:
    if not path.is_dir():
        if not path.exists():
            raise UserError(f"{path}: no such file or folder ({path.absolute()}).")
        return path
    for name in ("model.safetensors", "ckpt.pt", "last.pt"):
        if (path / name).is_file():
            return path / name
    raise UserError(f"{path}: this folder holds neither model.safetensors nor ckpt.pt. Give a weights file.")


def _painted(made_by: dict[str, Any], file: Path) -> dict[str, str]:
    """Return the lines of a picture that was painted, from what stands in it."""
    settings, numbers = made_by["settings"], {}
    for part in ("losses", "judges"):
        values = made_by.get(part)
        if isinstance(values, dict) and values:
            numbers[part] = ", ".join(f"{name} {value}" for name, value in values.items())
    return {
        "kind": "picture with its settings inside",
        "network": str(made_by.get("backbone", "not said")),
        "settings": ", ".join(f"{name} {as_word(value)}" for name, value in settings.items() if value not in OFF),
        **numbers,
        "again": as_typed(f"python -m transfer --config {file}"),
    }


def _own(content: dict[str, Any], weights: "dict[str, Tensor]", path: Path) -> dict[str, str]:
    """Return the lines of a checkpoint or exported folder of ours."""
    arch, given, config = content["arch"], content["input"], content["config"]
    words = f"python -m transfer --backbone {path}"
    words += f" --arch {arch['arch']}" if arch.get("library") == "factory" else ""
    classes, taps = content["classes"], {part: content["taps"].get(part, []) for part in ("style", "content")}
    return {
        "network": _network(arch),
        **_count(weights),
        "classes": f"{len(classes)}: {textwrap.shorten(', '.join(classes), 3 * WIDTH, placeholder=' ...')}",
        "input": f"{given['size_px']} px, mean {rounded(given['mean'])}, deviation {rounded(given['std'])}",
        "taps": "; ".join(f"{part} {' '.join(names) or 'none'}" for part, names in taps.items()),
        "quality": ", ".join(f"{name} {value:.4f}" for name, value in sorted(content["quality"].items()))
        or "not measured",
        "training": command(config, content.get("defaults", {})),
        "made with": ", ".join(f"{name} {value}" for name, value in content["environment"].items()),
        "paint": as_typed(words),
    }


def _network(arch: dict[str, Any]) -> str:
    library, name = arch.get("library"), arch.get("arch")
    if library == "factory":
        return f"made by {name}, code that is only run with --arch {name}"
    if library == "timm":
        return f"{name} of timm's{', with a stem for small pictures' if arch.get('small_stem') else ''}"
    norm = "batch norm" if arch.get("norm", "batch") == "batch" else "no norm"
    head = "the paper's head" if arch.get("head") == "fc4096" else "global average pooling and one linear layer"
    return f"{name}, {norm}, width {arch.get('width', 1.0):g}, {head}"


def _foreign(weights: "dict[str, Tensor]", file: Path) -> dict[str, str]:
    """Return the lines of weights that are not ours."""
    name, is_known = next(
        (guess for part in _prefixed_parts(weights) if (guess := guess_family(part)) != UNKNOWN), UNKNOWN
    )
    lines = {"network": f"perhaps {name}, by the names of its tensors", **_count(weights)}
    shown = list(weights)[:3]
    lines["tensors"] = ", ".join(f"{key} {tuple(weights[key].shape)}" for key in shown) + (
        ", ..." if len(weights) > 3 else ""
    )
    lines["paint"] = as_typed(f"python -m transfer --backbone {name if is_known else 'NAME'}@{file}")
    return lines


def _prefixed_parts(weights: "dict[str, Tensor]") -> "Iterator[dict[str, Tensor]]":
    """Yield the weights under their names, then those below each prefix that some share, without it."""
    yield weights
    prefixes = {prefix for name in weights for prefix in itertools.accumulate(re.findall(r"[^.]+\.", name)[:DEEPEST])}
    for prefix in sorted(prefixes, key=len):
        yield {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def guess_family(weights: "dict[str, Tensor]") -> tuple[str, bool]:
    """Return the likely network by the names of its tensors, and whether that is a name to load it by."""
    convolutions = [
        name for name in weights if re.fullmatch(r"features\.\d+\.weight", name) and weights[name].ndim == 4
    ]
    if "features.0.weight" in convolutions and len(convolutions) in VGG_DEPTHS:
        is_full = weights["features.0.weight"].shape[0] == 64
        has_norm = any(name.endswith("running_mean") for name in weights)
        name = VGG_DEPTHS[len(convolutions)] + ("_bn" if has_norm else "")
        return (name, True) if is_full else (f"a narrow {name}", False)
    if "layer1.0.conv1.weight" in weights:
        found = (re.match(r"layer([1-4])\.(\d+)\.", name) for name in weights)
        blocks = Counter(int(layer) for layer, _ in {match.groups() for match in found if match})
        counts = (blocks[1], blocks[2], blocks[3], blocks[4])
        name = RESNET_BLOCKS.get(counts, ("a ResNet", "a ResNet"))["layer1.0.conv3.weight" in weights]
        is_plain = name != "a ResNet" and weights["layer1.0.conv1.weight"].shape[0] == 64 and "conv1.weight" in weights
        return (name, True) if is_plain else ("a ResNet", False)
    for pattern, family in FAMILIES.items():
        if any(re.match(pattern, name) for name in weights):
            return family, False
    return UNKNOWN


def _count(weights: "dict[str, Tensor]") -> dict[str, str]:
    learned = [value for name, value in weights.items() if not name.endswith(BUFFERS)]
    kinds = Counter(str(value.dtype).removeprefix("torch.") for value in learned)
    kind = " and ".join(name for name, _ in kinds.most_common())
    count = sum(math.prod(value.shape) for value in learned)
    return {"parameters": f"{count:,} in {len(weights)} tensors, {kind}"}


def _file_size(file: Path) -> str:
    size = file.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


if __name__ == "__main__":
    run_command(main)
