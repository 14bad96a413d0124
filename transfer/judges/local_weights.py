"""Judging networks whose weights lie on this machine already. Nothing is downloaded."""

from pathlib import Path

import torch

from nstkit.backbones.spec import CARRIED, BackboneSpec

HUB_FILES = {"vgg19": "vgg19-dcbb9e9d.pth", "squeezenet1_1": "squeezenet1_1-b8a52dc0.pth"}
"""Names that torchvision gives the files in torch's hub folder."""
HF_REPOSITORIES = {"vgg19": "timm/vgg19.tv_in1k"}


def local_specs() -> dict[str, BackboneSpec]:
    """Return the judging networks that are there, by label: ImageNet VGG19 and SqueezeNet, and the carried backbone."""
    found = {name: path for name in HUB_FILES if (path := _local_file(name)) is not None}
    specs = {name: BackboneSpec(f"{name}@{path}", name, "file", path) for name, path in found.items()}
    return {**specs, "carried": BackboneSpec("carried", None, "file", CARRIED)}


def _local_file(name: str) -> Path | None:
    """Return the file of a network's ImageNet weights, None where this machine has none."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / HUB_FILES[name]
    if path.is_file():
        return path
    if name in HF_REPOSITORIES:
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(HF_REPOSITORIES[name], "model.safetensors")
        return Path(cached) if isinstance(cached, str) else None
    return None
