"""Which networks judge beside the fixed panel: those that the user names, or whose weights lie on this machine."""

import contextlib
import filecmp
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from nstkit.backbones.spec import CARRIED, JUDGE_LABEL, BackboneSpec, parse_backbone
from nstkit.errors import UserError

FIXED = "fixed"
"""The word after `--judge` for the fixed panel alone."""
HUB_FILES = {"vgg19": "vgg19-dcbb9e9d.pth", "squeezenet1_1": "squeezenet1_1-b8a52dc0.pth"}
"""Names that torchvision gives the files in torch's hub folder."""
HF_REPOSITORIES = {"vgg19": "timm/vgg19.tv_in1k"}


@contextlib.contextmanager
def named_by(flag: str) -> Iterator[None]:
    """Have a mistake in a network's name blame the flag that named it, not `--backbone`."""
    try:
        yield
    except UserError as error:
        raise UserError(re.sub("^--backbone ", f"{flag} ", str(error))) from error


def judging_specs(texts: Sequence[str] = ()) -> dict[str, BackboneSpec]:
    """Return the networks that judge beside the fixed panel, by label.

    Args:
        texts: as after `--backbone`, or the word fixed for none. None given = ImageNet VGG19 and SqueezeNet where their
            weights lie on this machine already; nothing is downloaded.

    Raises:
        UserError: for a file that is not there, or weights that are none.
    """
    if not texts:
        return local_specs()
    if JUDGE_LABEL in texts:
        raise UserError(f"--judge {JUDGE_LABEL}: it judges every picture already. Give another network, or {FIXED}.")
    with named_by("--judge"):
        specs = [parse_backbone(text) for text in texts if text != FIXED]
    return {spec.label: spec for spec in specs}


def local_specs() -> dict[str, BackboneSpec]:
    """Return ImageNet VGG19 and SqueezeNet by label, where their weights lie on this machine."""
    files = {name: path for name in HUB_FILES if (path := _local_file(name)) is not None}
    return {name: BackboneSpec(f"{name}@{path}", name, "file", path) for name, path in files.items()}


def _local_file(name: str) -> Path | None:
    """Return the file of a network's ImageNet weights, None where this machine has none."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / HUB_FILES[name]
    if os.path.isfile(path):  # unlike Path.is_file no error below a folder that may not be entered
        return path
    if name in HF_REPOSITORIES:
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(HF_REPOSITORIES[name], "model.safetensors")
        return Path(cached) if isinstance(cached, str) else None
    return None


def is_partial(judge: BackboneSpec, painter: BackboneSpec) -> bool:
    """Return whether a network is too near to the one that painted: the same weights, or a trained one of its family.

    What ImageNet VGG16 paints, ImageNet VGG19 likes: both were trained alike, layer for layer.
    """
    if is_same_network(judge, painter):
        return True
    if "random" in (judge.weights, painter.weights) or judge.name is None or painter.name is None:
        return False
    return _family(judge.name) == _family(painter.name)


def _family(name: str) -> str:
    """Return what an architecture's name begins with, such as `vgg` or `resnet`, whoever offers it."""
    found = re.match("[a-z]+", name.rpartition("/")[2])
    return found[0] if found else name


def is_same_network(a: BackboneSpec, b: BackboneSpec) -> bool:
    """Return whether two specs name the same weights, as far as names and files tell."""
    if a.path is not None and b.path is not None:
        return _is_same_file(a.path, b.path)
    if CARRIED in (a.path, b.path) or a.name is None or b.name is None:
        return False
    if "random" in (a.weights, b.weights):
        return (a.name, a.weights, a.seed) == (b.name, b.weights, b.seed)
    # `vgg19` and `vgg19@FILE`: the file may hold the published weights, and no judge is better than a partial one.
    return a.name.partition(".")[0] == b.name.partition(".")[0]


def _is_same_file(a: Path, b: Path) -> bool:
    a, b = (path / "model.safetensors" if path.is_dir() else path for path in (a, b))
    return a.resolve() == b.resolve() or filecmp.cmp(a, b, shallow=False)
