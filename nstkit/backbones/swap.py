"""Layers of a network given other weights of the same architecture, to ask which layers a picture needs trained.

TAP..TAP@WEIGHTS    both taps' stages and what is between them
TAP@WEIGHTS         one stage
                    WEIGHTS: random[:SEED], pretrained, a file or checkpoint, or a whole backbone (vgg19@random:3)
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nstkit.annotations import path_of
from nstkit.backbones.backbone import Backbone, Tap
from nstkit.backbones.build import build_network
from nstkit.backbones.initialise import initialise, seeded
from nstkit.backbones.load import load_as_is, read_own
from nstkit.backbones.spec import BackboneSpec, random_seed
from nstkit.backbones.surgery import normalisation_of
from nstkit.backbones.weights import load_file
from nstkit.errors import UserError
from nstkit.own_code import is_code

PROBE_PX = 128  # side of the picture by which the order of execution is found


@dataclass(frozen=True)
class Swap:
    """A swap as the user wrote it, taken apart: the first and the last tap, and where the weights come from."""

    text: str
    first: str
    last: str
    weights: str

    @property
    def label(self) -> str:
        """Short name for folders and tables, such as `relu3_1..relu4_4@random3`."""
        taps = self.first if self.first == self.last else f"{self.first}..{self.last}"
        weights = self.weights.replace(":", "")
        if path_of(self.weights).exists():
            weights = Path(self.weights).stem
        return re.sub(r"[^A-Za-z0-9._@-]+", "-", f"{taps}@{weights}")


def parse_swap(text: str) -> Swap:
    """Return what `text` asks for.

    Raises:
        UserError: for a text of another form.

    Example:
        >>> swap = parse_swap("relu3_1..relu4_4@random:3")
        >>> swap.first, swap.last, swap.weights
        ('relu3_1', 'relu4_4', 'random:3')
    """
    taps, _, weights = text.partition("@")
    first, _, last = taps.partition("..")
    if not first or not weights or taps.endswith(".."):
        raise UserError(
            f"--swap {text}: not of the form TAP@WEIGHTS or TAP..TAP@WEIGHTS, such as relu3_1..relu4_4@random:3. "
            f"WEIGHTS: random, random:SEED, pretrained, a file, or a backbone."
        )
    return Swap(text, first, last or first, weights)


def swap_from_text(backbone: Backbone, spec: BackboneSpec, text: str, *, factory: str | None = None) -> Backbone:
    """Put other weights into the layers that `text` names, in place; return the backbone.

    Its label gets the swap appended, its `quality` is emptied: what was measured was another network. Batch norms that
    got random weights are `unsettled`: the painter gives them statistics.

    Args:
        backbone: as `spec` gives it, its pooling and padding not yet changed.
        spec: what names the architecture of random weights and of a file.
        text: such as `relu3_1..relu4_4@random:3`.
        factory: as for `nstkit.backbones.prepare.load_backbone`.

    Raises:
        UserError: for an unknown tap, taps in the wrong order, or weights of another architecture.
    """
    swap = parse_swap(text)
    try:
        backbone.check_taps((swap.first, swap.last))
        donor = find_donor(backbone, spec, swap.weights, factory)
        names = swap_layers(backbone, donor, swap.first, swap.last)
    except UserError as error:
        raise UserError(f"--swap {text}: {error}") from error
    norms = {name.removesuffix(".running_mean") for name in names if name.endswith(".running_mean")}
    backbone.unsettled = backbone.unsettled | norms if donor.is_random else backbone.unsettled - norms
    backbone.label += f"+{swap.label}"
    backbone.facts["swap"] = " ".join(filter(None, (backbone.facts.get("swap"), swap.label)))
    backbone.quality = {}
    return backbone


@dataclass(frozen=True)
class Donor:
    """Weights by name, and the normalisation of the picture that they belong to."""

    weights: dict[str, Tensor]
    mean: Tensor
    std: Tensor
    flip_channels: bool
    is_random: bool = False


def find_donor(backbone: Backbone, spec: BackboneSpec, text: str, factory: str | None) -> Donor:
    """Return the weights that `text` names for the architecture of `spec`. The global random state stays as it is.

    Raises:
        UserError: for weights that are not there, or that do not fit.
    """
    if is_code(text.partition("@")[0]):  # a swap may stand in a file
        raise UserError(f"{text} is code. Give its weights as a file.")
    path, seed = path_of(text), random_seed(text)
    if spec.name is not None:
        is_weights = text == "pretrained" or seed is not None or path.is_file()
        return _donor_of(load_as_is(f"{spec.name}@{text}" if is_weights else text, factory=factory))
    if seed is None and not path.is_file():
        return _donor_of(load_as_is(text, factory=factory))
    assert spec.path is not None
    arch = read_own(spec.path)["arch"]
    with seeded(seed or 0):
        network = build_network(arch, factory=factory)
        if seed is not None:
            initialise(network, "default" if "library" in arch else "kaiming")
    mean, std, flip_channels = backbone.mean, backbone.std, backbone.flip_channels
    if seed is None:
        known = load_file(network, path, normalisation_of(backbone))
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (known["mean"], known["std"]))
        flip_channels = known.get("is_bgr", False)
    return Donor(network.state_dict(), mean, std, flip_channels, is_random=seed is not None)


def _donor_of(other: Backbone) -> Donor:
    return Donor(other.network.state_dict(), other.mean, other.std, other.flip_channels, other.is_random)


@torch.no_grad()
def swap_layers(backbone: Backbone, donor: Donor, first: str, last: str) -> list[str]:
    """Put the donor's weights into the layers from `first` to `last`, in place; return the names of the tensors.

    Which: parameters and buffers of what is executed from the beginning of the first tap's stage to the last tap. The
    stage of a tap that is named by a module path is that module's own call. That of `relu3_1` or `stage2` begins behind
    the tap of its kind before it (`relu2_2`, `stage1`), at the first one with the network: so `relu3_1..relu4_4` is
    conv3_1 to conv4_4, `pool3` is the third block of convolutions, and `stage2..stage3` are two stages.

    The layers around the swap see activations that they were not trained with. Batch norm gets the donor's statistics.
    Where the first layer of the network is among those swapped, the donor's normalisation of the picture is taken over;
    otherwise the backbone's own stays.

    Args:
        backbone: its pooling and padding not yet changed.
        donor: weights of the same architecture.
        first: a tap.
        last: the same, or a deeper one.

    Raises:
        UserError: for taps in the wrong order, no weights between them, or tensors that are not alike.
    """
    order = executed(backbone, [first, last])
    begin, end = _begin(backbone, order, first), order[backbone.taps[last].path][1]
    if order[backbone.taps[first].path][1] > end:
        raise UserError(f"{last} comes before {first}. Give the shallower tap first: {last}..{first}.")
    own = backbone.network.state_dict()
    owners = {name: _owner(name, order) for name in own}
    names = [name for name, path in owners.items() if path and begin <= order[path][0] and order[path][1] <= end]
    if not names:
        raise UserError(f"no weights lie between {first} and {last}. Give taps further apart, such as a stage.")
    if odd := [name for name in names if name not in donor.weights or donor.weights[name].shape != own[name].shape]:
        raise UserError(
            f"the weights are of another architecture: {len(odd)} tensors are missing or of another shape "
            f"({', '.join(odd[:3])}{', ...' if len(odd) > 3 else ''})."
        )
    for name in names:
        own[name].copy_(donor.weights[name])
    entry = min((order[path][0] for path in owners.values() if path), default=0)
    if entry >= begin:
        backbone.mean.copy_(donor.mean)
        backbone.std.copy_(donor.std)
        backbone.flip_channels = donor.flip_channels
    return names


@torch.no_grad()
def executed(backbone: Backbone, taps: list[str]) -> dict[str, tuple[int, int]]:
    """Return when each module's first call begins and ends, by module path, counted in events; to the deepest tap."""
    clock = itertools.count()
    begins: dict[str, int] = {}
    ends: dict[str, int] = {}
    handles = []

    def note(times: dict[str, int], path: str) -> Callable[..., None]:
        def hook(*_: object) -> None:  # a hook that returned a value would put it in the output's place
            times.setdefault(path, next(clock))

        return hook

    for path, module in backbone.network.named_modules():
        handles.append(module.register_forward_pre_hook(note(begins, path)))
        handles.append(module.register_forward_hook(note(ends, path)))
    try:
        picture = torch.rand(1, 3, PROBE_PX, PROBE_PX, generator=torch.Generator().manual_seed(0))
        backbone.features(picture.to(backbone.mean), taps)
    finally:
        for handle in handles:
            handle.remove()
    return {path: (begins[path], ends.get(path, next(clock))) for path in begins}


def _begin(backbone: Backbone, order: dict[str, tuple[int, int]], name: str) -> int:
    """Return when the stage of a tap begins."""
    tap = backbone.taps[name]
    if tap.name == tap.path:
        return order[tap.path][0]
    earlier = [
        order[other.path][1]
        for other in itertools.takewhile(lambda other: other.name != name, backbone.taps.values())
        if _family(other) == _family(tap) and other.path in order
    ]
    return max(earlier, default=0)


def _family(tap: Tap) -> str | None:
    """Return `relu` of `relu3_1`; None for a tap that is named by its module path."""
    return None if tap.name == tap.path else re.split(r"\d", tap.name, maxsplit=1)[0]


def _owner(name: str, order: dict[str, tuple[int, int]]) -> str | None:
    """Return the innermost executed module that holds a tensor: some use what their children hold without a call."""
    path = name.rpartition(".")[0]
    while path and path not in order:
        path = path.rpartition(".")[0]
    return path or None
