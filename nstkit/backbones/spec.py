"""What the user typed after `--backbone`, taken apart. No torch here.

CHECKPOINT         a file of ours, a run folder (its ckpt.pt), an exported folder
NAME[@WEIGHTS]     NAME: vgg11/13/16/19 (also with _bn), then timm's names, then torchvision's; torchvision:NAME for
                   the latter alone; package.module:function, which is called without arguments
                   WEIGHTS: pretrained (default), random[:SEED], or a file of any program that torch saved
timm/ID            as Hugging Face shows networks of timm; hf-hub:OWNER/ID those of others
"""

import filecmp
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from nstkit.annotations import SEEDS, describe_interval, is_inside, path_of
from nstkit.errors import UserError, printable
from nstkit.settings import as_word

Arch = Literal["vgg11", "vgg13", "vgg16", "vgg19"]
Norm = Literal["batch", "none"]
Init = Literal["kaiming", "kaiming-fan-in", "lsuv", "xavier", "default"]
Head = Literal["gap", "fc4096"]
Pooling = Literal["max", "avg", "plain-avg", "l2"]
Padding = Literal["zero", "replicate", "reflect"]
Preprocess = Literal["own", "imagenet", "caffe"]

CARRIED = Path(__file__).parent.parent / "carried"  # the exported backbone that comes with the package
CARRIED_JUDGE = Path(__file__).parent.parent / "carried_judge"  # likewise one that paints nothing
JUDGE_LABEL = "carried-judge"
WEIGHT_SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".pkl", ".tar", ".th")
TIMM_SCHEMES = ("hf-hub:", "hf_hub:", "local-dir:")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
TORCHVISION = "torchvision:"
RANDOM = re.compile(r"random(?::(\d+))?")


@dataclass(frozen=True)
class BackboneSpec:
    """A backbone as the user named it.

    Attributes:
        text: what was typed.
        name: architecture, None for a checkpoint of ours.
        weights: `pretrained`, `random` or `file`.
        path: the checkpoint, or the weights' file.
        seed: of random weights.
    """

    text: str
    name: str | None
    weights: Literal["pretrained", "random", "file"]
    path: Path | None = None
    seed: int = 0

    @property
    def label(self) -> str:
        """Short name for folders and tables."""
        if self.name is None:
            assert self.path is not None
            return printable(_checkpoint_label(self.path))
        weights = {
            "pretrained": "",
            "random": f"-random{self.seed}",
            "file": f"-{_stem(self.path) if self.path else ''}",
        }
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.name + weights[self.weights])  # hf-hub:owner/name


def _checkpoint_label(path: Path) -> str:
    if path in (CARRIED, CARRIED_JUDGE):
        return "carried" if path == CARRIED else JUDGE_LABEL
    path = path.absolute()
    if path.name in ("ckpt.pt", "last.pt"):
        return path.parent.name
    if path.parent.name == "epochs":  # kept on the way of a run
        return f"{path.parent.parent.name}-{path.stem}"
    return _stem(path)


def _stem(path: Path) -> str:
    """Return a file's name without the suffixes of weights, of which some have two; a folder's may have a dot."""
    while path.suffix in WEIGHT_SUFFIXES:
        path = path.with_suffix("")
    return path.name


def parse_backbone(text: str | Path) -> BackboneSpec:
    """Return the backbone that `text` names.

    Raises:
        UserError: for a file that is not there, a seed that is too large, weights that are neither `pretrained`,
            `random` nor a file, or the carried judge.

    Example:
        >>> spec = parse_backbone("vgg19@random:3")
        >>> spec.name, spec.weights, spec.seed, spec.label
        ('vgg19', 'random', 3, 'vgg19-random3')
    """
    text = str(text)
    if text == "carried":
        return BackboneSpec(text, None, "file", CARRIED)
    if text.startswith(TIMM_SCHEMES):
        scheme, _, place = text.partition(":")
        text = f"{scheme}:{path_of(place)}" if place.startswith("~") else text
        return BackboneSpec(text, text, "pretrained")
    if text == JUDGE_LABEL:
        raise _only_judges(text)
    path = path_of(text)
    if text.startswith("timm/") and not path.exists():
        return BackboneSpec(text, f"hf-hub:{text}", "pretrained")
    if path.exists():
        if is_carried_judge(path):
            raise _only_judges(text)
        return BackboneSpec(text, None, "file", _checkpoint_in(path) if path.is_dir() else path)
    name, _, weights = text.partition("@")
    if not weights:
        if path.suffix in WEIGHT_SUFFIXES or "/" in text:
            hub = f" One of Hugging Face is hf-hub:{text}." if HUB_ID.fullmatch(text) and not path.suffix else ""
            raise UserError(f"--backbone {text}: no such checkpoint ({path.absolute()}).{hub}")
        return BackboneSpec(text, name, "pretrained")
    if weights == "pretrained":
        return BackboneSpec(text, name, "pretrained")
    if (seed := random_seed(weights)) is not None:
        return BackboneSpec(text, name, "random", seed=seed)
    path = path_of(weights)
    if path.suffix not in WEIGHT_SUFFIXES and not path.is_file():
        raise UserError(
            f"--backbone {text}: weights '{weights}' are not known. Allowed after @: pretrained, random, random:SEED, "
            f"or a file ({', '.join(WEIGHT_SUFFIXES)})."
        )
    if not path.is_file():
        raise UserError(f"--backbone {text}: no such weights ({path.absolute()}).")
    if is_carried_judge(path):
        raise _only_judges(text)
    return BackboneSpec(text, name, "file", path)


def is_carried_judge(path: Path) -> bool:
    """Return whether a file or folder that is there is the network of the package that only judges, or a copy of it."""
    weights, own = (place / "model.safetensors" if place.is_dir() else place for place in (path, CARRIED_JUDGE))
    return weights.is_file() and filecmp.cmp(weights, own, shallow=False)


def _only_judges(text: str) -> UserError:
    return UserError(
        f"--backbone {text}: this network judges every picture, so it paints none. Give carried, or another network."
    )


def random_seed(weights: str) -> int | None:
    """Return the seed of `random[:SEED]`, None for any other text.

    Raises:
        UserError: for a seed that no generator takes.

    Example:
        >>> random_seed("random"), random_seed("random:3"), random_seed("pretrained")
        (0, 3, None)
    """
    match = RANDOM.fullmatch(weights)
    if match is None:
        return None
    seed = int(match[1][:20]) if match[1] else 0  # int() refuses thousands of digits
    if not is_inside(SEEDS, seed):
        raise UserError(f"{as_word(weights[:40])}: a seed is {describe_interval(SEEDS)}.")
    return seed


def split_norm(name: str) -> tuple[Arch, Norm] | None:
    """Return (arch, norm) of one of our own names such as `vgg19_bn`, None for any other."""
    stem, _, suffix = name.partition("_")
    archs: tuple[Arch, ...] = get_args(Arch)
    arch = next((arch for arch in archs if arch == stem), None)
    if arch is None or suffix not in ("", "bn"):
        return None
    return arch, "batch" if suffix else "none"


def _checkpoint_in(folder: Path) -> Path:
    if (folder / "model.safetensors").is_file():
        return folder
    if (folder / "ckpt.pt").is_file():
        return folder / "ckpt.pt"
    raise UserError(
        f"--backbone {folder}: this folder holds neither ckpt.pt (a run of train_backbone) nor model.safetensors "
        f"(an exported backbone)."
    )
