"""Weights in the files of other programs: under which name of a file, and which prefix of their names, a network's are.

No form is known by name. All mappings of names to tensors in the file are compared with the network, under every prefix
that occurs; the one in which most names and shapes are the network's is taken, of several the first in the file.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from nstkit.torchfile import is_dense

DEEPEST = 6  # containers inside one another that are looked into
CONTAINERS = (dict, list, tuple)
MOST = 10_000  # containers that are looked into
WRAPPED = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
HEADS = ("classifier", "head", "heads", "fc", "pre_logits", "last_linear", "aux", "aux1", "aux2", "auxlogits")
COUNTERS = ("num_batches_tracked", "n_averaged")


@dataclass(frozen=True)
class Found:
    """Tensors of a file that may be a network's.

    Attributes:
        weights: by the name that they have or would have in the network.
        others: names of tensors outside of the prefix, heads left out.
        mapping: where in the file they are, such as `state.model`; empty for the file itself.
        fitting: how many are the network's, by name and shape.
        is_caffe: they have the paper's names, under which weights for blue, green, red, 0 to 255, are published.
    """

    weights: dict[str, Tensor]
    others: tuple[str, ...]
    mapping: str
    fitting: int
    is_caffe: bool = False


def find_weights(content: Any, network: nn.Module) -> tuple[Found | None, list[str]]:
    """Return what fits a network best, None where a file has no tensors by name; and mappings that fit as well.

    Args:
        content: of the file, containers in containers.
        network: that the weights are for.
    """
    own = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    best: Found | None = None
    as_good: list[str] = []
    for mapping, tensors in mappings_in(content):
        found = max(
            (aligned(version, own, mapping) for version in _versions(tensors, network, own)),
            key=lambda found: found.fitting,
        )
        if best is None or found.fitting > best.fitting:
            is_caffe = any(name.endswith("conv1_1.weight") for name in tensors)
            best, as_good = replace(found, is_caffe=is_caffe), []
        elif found.fitting == best.fitting > 0:
            as_good.append(mapping)
    return best, as_good


def mappings_in(content: Any) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield every mapping of names to tensors in containers of containers, and where it is; the outer ones first."""
    waiting: list[tuple[str, Any]] = [("", content)] if isinstance(content, CONTAINERS) else []
    seen: set[int] = set()
    for _ in range(DEEPEST):
        inner: list[tuple[str, Any]] = []
        for place, value in waiting:
            if id(value) in seen or len(seen) > MOST:
                continue
            seen.add(id(value))
            items: dict[Any, Any] = value if isinstance(value, dict) else dict(enumerate(value))
            if tensors := {name: item for name, item in items.items() if isinstance(name, str) and is_dense(item)}:
                yield place, tensors
            inner += [
                (f"{place}.{name}" if place else str(name), item)
                for name, item in items.items()
                if isinstance(item, CONTAINERS)
            ]
        waiting = inner


def _versions(
    tensors: dict[str, Tensor], network: nn.Module, own: Mapping[str, tuple[int, ...]]
) -> Iterator[dict[str, Tensor]]:
    """Yield tensors under plain names, and where those are not the network's, under others that may be."""
    plain = unwrapped(tensors)
    yield plain
    if is_whole(aligned(plain, own, "").weights, own):
        return
    yield tensors
    bare = _without_common_prefix(plain, own)
    taps = getattr(network, "taps", None)
    if isinstance(taps, dict) and (renamed := rename_caffe(bare, taps)) is not None:
        yield renamed
    yield filter_as_timm(network, bare)


def is_whole(weights: Mapping[str, Tensor], own: Mapping[str, tuple[int, ...]]) -> bool:
    """Return whether weights hold all of a network but its head, in its shapes."""
    return all(name in weights and weights[name].shape == own[name] for name in own if is_body(name))


def unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors without the parts of their names that wrappers around a network or its layers add."""
    renamed = {
        ".".join(part for part in name.split(".") if part not in WRAPPED): value for name, value in tensors.items()
    }
    return renamed if len(renamed) == len(tensors) else dict(tensors)


def _without_common_prefix(tensors: dict[str, Tensor], own: Mapping[str, object]) -> dict[str, Tensor]:
    parts = {name.partition(".")[0] for name in tensors}
    while len(parts) == 1 and not any(name.startswith(f"{min(parts)}.") for name in own):
        tensors = {name.partition(".")[2]: value for name, value in tensors.items()}
        parts = {name.partition(".")[0] for name in tensors if name}
    return tensors


def aligned(tensors: Mapping[str, Tensor], own: Mapping[str, tuple[int, ...]], mapping: str) -> Found:
    """Return tensors under the prefix under which most are a network's.

    A prefix is removed from the names of the file, or the network's largest part is put before them.

    Args:
        tensors: by name.
        own: shapes of the network's tensors by name.
        mapping: where in the file they are.
    """
    parts = Counter(name.partition(".")[0] for name in own)
    largest = f"{max(parts, key=lambda part: parts[part])}." if parts else ""
    counts: Counter[tuple[str, str]] = Counter()
    for name, value in tensors.items():
        shape = tuple(value.shape)
        for removed in _prefixes(name):
            rest = name.removeprefix(removed)
            for added in ("", largest):
                counts[removed, added] += own.get(added + rest) == shape
    removed, added = max(counts, key=lambda pair: (counts[pair], -len(pair[0]), not pair[1]))
    weights = {added + name.removeprefix(removed): value for name, value in tensors.items() if name.startswith(removed)}
    others = tuple(name for name in tensors if not name.startswith(removed) and is_body(name))
    return Found(weights, others, mapping, counts[removed, added])


def _prefixes(name: str) -> Iterator[str]:
    yield ""
    place = name.find(".")
    while place >= 0:
        yield name[: place + 1]
        place = name.find(".", place + 1)


def rename_caffe(weights: Mapping[str, Tensor], taps: Mapping[str, int]) -> dict[str, Tensor] | None:
    """Return weights under `conv1_1.weight` and so on, as Gatys published VGG, under `features.N.weight`; else None.

    Args:
        weights: by name; those of `fc6` to `fc8` are left out.
        taps: place of each of the paper's layers in `features`.
    """
    if "conv1_1.weight" not in weights:
        return None
    renamed = {}
    for name, value in weights.items():
        layer, _, kind = name.partition(".")
        if not layer.startswith("fc"):
            renamed[f"features.{taps[layer]}.{kind}" if layer in taps else name] = value
    return renamed


def filter_as_timm(network: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of a network's authors under timm's names, by timm's own filter; as they are where that fails."""
    module = sys.modules.get(type(network).__module__)
    convert: Callable[..., Any] | None = getattr(module, "checkpoint_filter_fn", None)
    convert = convert or getattr(module, "_checkpoint_filter_fn", None)
    if convert is None:
        return weights
    try:
        converted = convert(dict(weights), network)
        return {name: value for name, value in converted.items() if isinstance(name, str) and is_dense(value)}
    except Exception:  # it expects another file
        return weights


def is_head(name: str) -> bool:
    """Return whether a parameter or module belongs to the classifier, which an extractor does not need."""
    return name.partition(".")[0].lower() in HEADS


def is_body(name: str) -> bool:
    """Return whether a tensor is needed to compute features."""
    return not is_head(name) and not name.endswith(COUNTERS)
