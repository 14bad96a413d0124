"""Taps of any network, found from the maps that it computes for a test picture."""

import copy
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from nstkit.backbones import quirks, vgg
from nstkit.backbones.backbone import Tap, freeze
from nstkit.backbones.layouts import Layout, read_layout
from nstkit.backbones.sizes import Sizes, SizeSetter, TakesSize, free_sizes
from nstkit.backbones.weights import is_head
from nstkit.errors import first_line

# Height and width of the picture that is looked at. They differ, so that the shape of an output tells what its axes
# are; both are odd on every scale, so that a network that takes this takes any size. InceptionV3 needs 75.
PROBE_PX = (99, 163)
MULTIPLES = (16, 32, 64, 14, 28, 12, 10, 48, 112, 128, 224, 256)
DEEPEST_STRIDE = 16  # maps of stride 32 hold hardly any positions of a small picture
SILENT = (nn.Identity, nn.Dropout, nn.Dropout2d)


@dataclass(frozen=True)
class Found:
    """What the maps of a test picture tell about a network.

    Attributes:
        taps: all by name, `stem` and `stageK` first.
        style: names of the default ones for style.
        content: likewise for content.
        sizes: of the pictures that the network takes.
    """

    taps: dict[str, Tap]
    style: list[str]
    content: list[str]
    sizes: Sizes


def default_taps(network: nn.Module) -> dict[str, list[str]]:
    """Return the style and content taps that a checkpoint of this network names, both empty where it has no maps."""
    if isinstance(network, vgg.VGG):
        return {"style": list(vgg.GATYS_STYLE_TAPS), "content": list(vgg.GATYS_CONTENT_TAPS)}
    try:
        found = find_taps(copy.deepcopy(network).cpu().float())
    except ValueError:
        return {"style": [], "content": []}
    return {"style": found.style, "content": found.content}


def find_taps(network: nn.Module) -> Found:
    """Return all taps of a network, which of them are the default, and the sizes that it takes.

    The network is frozen, and freed of a fixed input size where that can be done.

    Raises:
        ValueError: for a network without feature maps, saying why.
    """
    by_path, sizes = explore(network)
    stages = stage_taps(network, by_path)
    if not stages:
        raise ValueError("has no feature maps that could be tapped")
    stem = stem_tap(network, by_path, stages)
    first = [stem.name] if stem else []
    if len({tap.stride for tap in stages}) == 1 and len(stages) > 2:  # a plain transformer or mixer
        style, content = [*first, *(tap.name for tap in stages[:-1])], [stages[(len(stages) - 1) // 2].name]
    else:
        shallow = [tap.name for tap in stages if tap.stride <= DEEPEST_STRIDE]
        shallow = shallow if len(shallow) > 1 else [tap.name for tap in stages[:3]]
        style, content = [*first, *shallow], shallow[-1:]
    named = {tap.name: tap for tap in ([stem] if stem else []) + stages}
    others = {path: tap for path, tap in by_path.items() if path not in named}  # HRNet has a module `stage2`
    return Found({**named, **others}, style, content, sizes)


def stage_taps(network: nn.Module, taps: dict[str, Tap]) -> list[Tap]:
    """Return `stage0`, `stage1`, ...: what timm's `feature_info` publishes, else the last at each stride.

    Where all of them are of one stride, as in a ViT, they are the ends of the quarters of its depth.
    """
    published = list(_published(network))
    paths = {k: path for k, path in enumerate(published) if path in taps}
    if 2 * len(paths) <= len(published):  # none, or modules that give lists, as in HRNet
        body = {path: tap for path, tap in taps.items() if not is_head(path)}
        by_stride = {tap.stride: path for path, tap in body.items() if not _is_inside(path, taps)}
        if len(by_stride) < 2:  # a whole network of two strides looks like a block that lowers the resolution
            by_stride = {tap.stride: path for path, tap in body.items()}
        paths = dict(enumerate(by_stride[stride] for stride in sorted(by_stride)))
    strides = {taps[path].stride for path in paths.values()}
    if len(strides) == 1 and (row := _longest_row(taps, min(strides))):
        paths = {k: row[math.ceil(len(row) * (k + 1) / 4) - 1] for k in range(4)}
    return [_renamed(taps[path], f"stage{k}") for k, path in paths.items()]


def _is_inside(path: str, taps: dict[str, Tap]) -> bool:
    """Return whether a tap is on the way of a block or stage to a lower resolution."""
    parents = [path[:end] for end in (match.start() for match in re.finditer(r"\.", path))]
    for parent in parents:
        if parent in taps and taps[parent].stride != taps[path].stride:
            strides = {tap.stride for other, tap in taps.items() if other.startswith(f"{parent}.")}
            if len(strides) <= 2:  # more are those of a whole network, as in `features`
                return True
    return False


def _longest_row(taps: dict[str, Tap], stride: int) -> list[str]:
    """Return the paths of the longest row of blocks of this stride, none where there is none of four."""
    blocks = [path for path, tap in taps.items() if tap.stride == stride and re.search(r"(^|[._])\d+$", path)]
    rows = Counter(path.rpartition(".")[0] for path in blocks)
    parent, count = max(rows.items(), key=lambda row: row[1], default=("", 0))
    return [path for path in blocks if path.rpartition(".")[0] == parent] if count >= 4 else []


def stem_tap(network: nn.Module, taps: dict[str, Tap], stages: list[Tap]) -> Tap | None:
    """Return the tap `stem`: the last before the first stage begins, None where that stage is the stem itself.

    Fine texture is painted by it where the first stage is some convolutions deep.
    """
    first = stages[0].path
    if len({tap.stride for tap in stages}) == 1 and first in (row := _longest_row(taps, stages[0].stride)):
        first = row[0]
    stage = network.get_submodule(first)
    block = re.sub(r"\d+$", "0", first)  # where Twins publishes the last block of a stage, the first one begins it
    if block in taps and not isinstance(stage, nn.Sequential) and type(network.get_submodule(block)) is type(stage):
        first = block
    if isinstance(stage, nn.Conv2d) or not any(isinstance(part, (nn.Conv2d, nn.Linear)) for part in stage.modules()):
        return None
    before = None
    for path in taps:  # in the order of their ends: what is inside of a stage stands before it
        if path == first or path.startswith(f"{first}."):
            break
        is_of_picture = not isinstance(network.get_submodule(path), SILENT) and "pos" not in path
        if is_of_picture and not first.startswith(f"{path}."):
            before = path
    return None if before is None else _renamed(taps[before], before if "stem" in taps else "stem")


def explore(network: nn.Module) -> tuple[dict[str, Tap], Sizes]:
    """Return a tap for every module that gives one feature map, by module path, and the sizes that the network takes.

    The network is frozen. It is tried with a picture of an odd size, then with sizes that are multiples of more and
    more, then told the size; what is still not taken is looked at up to where it fails, or at its own size.

    Raises:
        ValueError: for a network that takes none of these, saying what it says.
    """
    freeze(network)
    free_sizes(network)
    patch = _odd_patch(network)
    first = look_at(network, *PROBE_PX)
    if first.is_whole and patch is None:
        return first.taps, Sizes()
    partial = None
    for multiple in MULTIPLES if patch is None else (2 * patch, patch, 4 * patch):
        look = look_at(network, *_probe_size(multiple))
        if look.is_whole and (partial is None or multiple < 2 * partial[1].multiple):
            largest = max(tap.stride for tap in look.taps.values())
            return look.taps, Sizes(multiple if patch is None else max(largest, patch))
        if partial is None and multiple >= 16 and _has_shallow(network, look.taps):
            partial = look.taps, Sizes(multiple, is_partial=True)
    if first.problem is None and first.taps:
        return first.taps, Sizes()
    if isinstance(network, TakesSize):
        setter = SizeSetter(network)
        for multiple in (16, 32, 64) if patch is None else (patch,):
            size = _probe_size(multiple)
            try:
                setter.set(network, size)
                look = look_at(network, *size)
            except Exception:  # timm's own assertions, of many kinds
                continue
            finally:
                setter.reset(network)
            if look.is_whole:
                return look.taps, Sizes(multiple, is_set=True)
    if _has_shallow(network, first.taps):  # EfficientFormer's last stage is of a fixed size; it is not needed
        return first.taps, Sizes(is_partial=True)
    if partial is not None:
        return partial
    only = _own_size(network)
    look = look_at(network, only, only)
    if look.problem is None and look.taps:
        return look.taps, Sizes(only=only)
    problem = look.problem or first.problem
    raise ValueError(f"could not be looked at ({problem and first_line(problem)})")


def _has_shallow(network: nn.Module, taps: dict[str, Tap]) -> bool:
    """Return whether what timm publishes up to the deepest stride that is used is among the taps."""
    shallow = {path for path, stride in _published(network).items() if stride <= DEEPEST_STRIDE}
    return len(shallow) > 1 and shallow <= set(taps)


def _odd_patch(network: nn.Module) -> int | None:
    """Return the side of the network's patches where it is no power of two, by which its strides are told apart."""
    strides = {module.stride[0] for module in network.modules() if isinstance(module, nn.Conv2d)}
    return max((stride for stride in strides if stride & (stride - 1)), default=None)


def _probe_size(multiple: int) -> tuple[int, int]:
    """Return the smallest pair of odd multiples near the size of the probe, or one and two where they are large."""
    if multiple >= 64:
        return multiple, 2 * multiple
    height, width = (2 * round(side / multiple / 2 - 0.5) + 1 for side in PROBE_PX)
    return max(height, 3) * multiple, max(width, height + 2, 5) * multiple


def _own_size(network: nn.Module) -> int:
    config = getattr(network, "pretrained_cfg", None) or getattr(network, "default_cfg", None) or {}
    return int(config.get("input_size", (3, 224, 224))[-1])


@dataclass(frozen=True)
class Look:
    """What one pass through a network shows.

    Attributes:
        taps: of every module whose output is one feature map, by module path, in order of depth.
        problem: what the network raised, None where it went through; the taps are those up to there.
        n_unread: count of rows of tokens that no grid of the picture's positions explains.
    """

    taps: dict[str, Tap]
    problem: Exception | None
    n_unread: int

    @property
    def is_whole(self) -> bool:
        """Whether the network takes pictures of this size, and its features can be read."""
        return self.problem is None and len(self.taps) > self.n_unread


@torch.no_grad()
def look_at(network: nn.Module, height: int, width: int) -> Look:
    """Return what a pass with a picture of this size [px] shows. The network is frozen."""
    freeze(network)
    seen: dict[str, tuple[Tensor, int, Layout]] = {}
    unread = set()
    prefix = getattr(network, "num_prefix_tokens", None)
    is_reordered = quirks.has_own_order(network)

    def keep(path: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            output = output[0] if isinstance(output, tuple) and output else output  # MViT gives the grid beside
            if not isinstance(output, Tensor) or path in seen:
                return
            layout = read_layout(output, height, width, prefix)
            if layout is None and output.ndim == 3 and output.shape[0] == 1 and output.shape[1] > 1:
                unread.add(path)
            if is_reordered and layout is not None and layout.kind == "tokens":
                layout = None if quirks.block_number(path) is None else replace(layout, kind="reordered")
            if layout is not None:
                seen[path] = (output, output._version, layout)

        return hook

    handles = [module.register_forward_hook(keep(path)) for path, module in network.named_modules() if path]
    problem: Exception | None = None
    try:
        network(torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0)))
    except Exception as error:  # whatever a network of a fixed size raises
        problem = error
    finally:
        for handle in handles:
            handle.remove()
    taps = {
        path: Tap(path, path, layout.channels, layout.stride, output._version != version, layout.kind, layout.prefix)
        for path, (output, version, layout) in seen.items()
    }
    return Look(taps, problem, len(unread))


def _published(network: nn.Module) -> dict[str, int]:
    """Return the modules that timm's `feature_info` names, with their strides."""
    infos = getattr(network, "feature_info", []) or []
    names = {path for path, _ in network.named_modules()}
    strides = {}
    for info in infos:
        strides[quirks.published_path(info["module"], names)] = int(info.get("reduction", 1))
    return strides


def _renamed(tap: Tap, name: str) -> Tap:
    return Tap(name, tap.path, tap.channels, tap.stride, tap.is_overwritten, tap.layout, tap.prefix)
