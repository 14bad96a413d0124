"""Taps of any network, found by a look at the maps that it computes."""

import copy
import itertools
from typing import Any

import torch
from torch import Tensor, nn

from nstkit.backbones import vgg
from nstkit.backbones.features import Tap, freeze
from nstkit.backbones.weights import is_head

PROBE_PX = 128  # side of the picture by which channels and strides are found; InceptionV3 needs 75
DEEPEST_STRIDE = 16  # maps of stride 32 hold hardly any positions of a small picture


def default_taps(network: nn.Module) -> dict[str, list[str]]:
    """Return the style and content taps that a checkpoint of this network names, both empty where it has no maps."""
    if isinstance(network, vgg.VGG):
        return {"style": list(vgg.GATYS_STYLE_TAPS), "content": list(vgg.GATYS_CONTENT_TAPS)}
    try:
        _, style, content = find_taps(copy.deepcopy(network).cpu().float())
    except ValueError:
        return {"style": [], "content": []}
    return {"style": style, "content": content}


def find_taps(network: nn.Module) -> tuple[dict[str, Tap], list[str], list[str]]:
    """Return all taps by name, `stageK` first, and which of them are the default for style and for content.

    The network is frozen.

    Raises:
        ValueError: for a network without convolutional feature maps of any size, saying why.
    """
    try:
        by_path = discover_taps(network)
    except (AssertionError, RuntimeError, ValueError) as error:  # one of a fixed input size
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"does not take pictures of any size ({reason})") from error
    stages = stage_taps(network, by_path)
    strides = [tap.stride for tap in stages]
    # Tokens and maps with the channels last are no taps: torchvision's Swin has but its stem and its end among them.
    has_gap = not _published(network) and any(after > 4 * before for before, after in itertools.pairwise(strides))
    if getattr(network, "output_fmt", "NCHW") not in ("NCHW", None) or len(stages) < 2 or has_gap:
        raise ValueError("has no convolutional feature maps")
    shallow = [tap.name for tap in stages if tap.stride <= DEEPEST_STRIDE] or [tap.name for tap in stages]
    return {**{tap.name: tap for tap in stages}, **by_path}, shallow, shallow[-1:]


def stage_taps(network: nn.Module, taps: dict[str, Tap]) -> list[Tap]:
    """Return `stage0`, `stage1`, ...: what timm's `feature_info` publishes, else the last at each stride."""
    published = _published(network)
    paths = {k: path for k, path in enumerate(published) if path in taps}
    # HRNet and SelecSLS publish modules that give lists. Where patches are embedded, as in XCiT, the others are tokens.
    is_of_tokens = any(name.startswith("patch_embed") for name, _ in network.named_children())
    if 2 * len(paths) <= len(published) and not (published and is_of_tokens):
        by_stride = {tap.stride: path for path, tap in taps.items() if not is_head(path)}
        paths = dict(enumerate(by_stride.values()))
    return [
        Tap(f"stage{k}", path, taps[path].channels, taps[path].stride, taps[path].is_overwritten)
        for k, path in paths.items()
    ]


@torch.no_grad()
def discover_taps(network: nn.Module) -> dict[str, Tap]:
    """Return a tap for every module whose output is one feature map (B, C, H, W), by module path, in order of depth."""
    freeze(network)
    seen: dict[str, tuple[Tensor, int]] = {}

    def keep(path: str):
        def hook(module: nn.Module, inputs: tuple, output: Any) -> None:
            # Of a square picture: what is not square is tokens by heads, or has its channels last.
            if isinstance(output, Tensor) and output.ndim == 4 and output.shape[-2] == output.shape[-1] > 1:
                seen.setdefault(path, (output, output._version))

        return hook

    handles = [module.register_forward_hook(keep(path)) for path, module in network.named_modules() if path]
    try:
        network(torch.rand(1, 3, PROBE_PX, PROBE_PX, generator=torch.Generator().manual_seed(0)))
    finally:
        for handle in handles:
            handle.remove()
    return {
        path: Tap(path, path, output.shape[1], _stride(output), is_overwritten=output._version != version)
        for path, (output, version) in seen.items()
    }


def _published(network: nn.Module) -> list[str]:
    return [info["module"] for info in getattr(network, "feature_info", []) or []]


def _stride(output: Tensor) -> int:
    """Return the power of two nearest to the picture's side over the map's: unpadded convolutions lose a few pixels."""
    return 2 ** round(torch.tensor(PROBE_PX / output.shape[-2]).log2().item())
