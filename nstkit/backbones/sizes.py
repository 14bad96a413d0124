"""Pictures of any size for networks that were made for one: freed where they can be, else the picture is padded."""

import math
import warnings
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from nstkit.backbones import quirks
from nstkit.errors import UserError


@dataclass(frozen=True)
class Sizes:
    """Which pictures a network takes.

    Attributes:
        multiple: each side has to be a multiple of this [px].
        only: the one side of a square picture that it takes [px]; None = any.
        is_set: the network is told the size of each picture (timm's `set_input_size`).
        is_partial: behind the deepest tap it takes its own size only, so that it has no output.
    """

    multiple: int = 1
    only: int | None = None
    is_set: bool = False
    is_partial: bool = False

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the size that a picture is padded to (height, width) [px].

        Raises:
            ValueError: for a picture larger than the only size.

        Example:
            >>> Sizes(multiple=16).padded(30, 41)
            (32, 48)
        """
        if self.only is None:
            return math.ceil(height / self.multiple) * self.multiple, math.ceil(width / self.multiple) * self.multiple
        if max(height, width) > self.only:
            raise ValueError(f"takes pictures up to {self.only} x {self.only} px only, this one is {width} x {height}")
        return self.only, self.only


def pad_picture(image: Float[Tensor, "b c h w"], sizes: Sizes, label: str) -> Float[Tensor, "b c _ _"]:
    """Return the picture, mirrored on at its right and lower edge up to a size that the network takes.

    Args:
        image: pictures.
        sizes: what the network takes.
        label: of the network, for the message.

    Raises:
        UserError: for a picture larger than the only size that the network takes.
    """
    try:
        height, width = sizes.padded(*image.shape[2:])
    except ValueError as error:
        raise UserError(
            f"{label} {error}: its layers are tied to that size. Use --size {sizes.only} or another network."
        ) from error
    while image.shape[2:] != (height, width):  # a mirror shows at most one side less one pixel at a time
        below = min(height - image.shape[2], image.shape[2] - 1)
        right = min(width - image.shape[3], image.shape[3] - 1)
        mode = "reflect" if min(image.shape[2:]) > 1 else "replicate"
        if mode == "replicate":
            below, right = height - image.shape[2], width - image.shape[3]
        image = functional.pad(image, (0, right, 0, below), mode=mode)
    return image


@runtime_checkable
class ChecksSize(Protocol):
    """A module of timm's that refuses pictures of another size than its own unless it is told not to."""

    strict_img_size: bool


@runtime_checkable
class MasksShifts(Protocol):
    """A block of timm's with shifted windows, whose mask is made for one size unless it is made in each pass."""

    dynamic_mask: bool


@runtime_checkable
class ResamplesPositions(Protocol):
    """A transformer of timm's that can resample its position embedding in each pass."""

    dynamic_img_size: bool


@runtime_checkable
class TakesSize(Protocol):
    """A network of timm's that can be told the size of the pictures."""

    def set_input_size(self, img_size: tuple[int, int]) -> None:
        """Make the network take pictures of this size (height, width) [px], in place."""


def free_sizes(network: nn.Module) -> None:
    """Let a transformer take pictures of any size that its patches tile, in place, as timm's `dynamic_img_size` does.

    Position embeddings are resampled in each pass. What is already free, or cannot be freed, stays as it is.
    """
    for module in network.modules():
        if isinstance(module, ChecksSize):
            module.strict_img_size = False
        if isinstance(module, MasksShifts):
            module.dynamic_mask = True
    patches = getattr(network, "patch_embed", None)
    # Rotary embeddings of a fixed grid are cached: such a network is told the size instead.
    is_cached = getattr(getattr(network, "rope", None), "feat_shape", None) is not None
    if (
        isinstance(network, ResamplesPositions)
        and network.dynamic_img_size is False
        and isinstance(patches, quirks.Patches)
        and not is_cached
    ):
        network.dynamic_img_size = True
        quirks.keep_grid(network, patches)
    quirks.free_sizes(network)


@dataclass(frozen=True)
class _State:
    """A module's own attributes, and tables of its tensors, which are not copied."""

    attributes: dict[str, Any]
    parameters: dict[str, nn.Parameter | None]
    buffers: dict[str, Tensor | None]


class SizeSetter:
    """Tells a network the size of the next picture by timm's `set_input_size`, always from its own weights on."""

    def __init__(self, network: nn.Module) -> None:
        self.size: tuple[int, int] | None = None
        self._own = {path: _state_of(module) for path, module in network.named_modules()}

    def set(self, network: nn.Module, size: tuple[int, int]) -> None:
        """Make the network take pictures of this size (height, width) [px], in place."""
        if size == self.size:
            return
        self.reset(network)
        assert isinstance(network, TakesSize)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # timm's resampling of tables searches in a transposed tensor
            network.set_input_size(size)
        network.requires_grad_(False)
        self.size = size

    def reset(self, network: nn.Module) -> None:
        """Bring back the network's own size and weights, in place."""
        device = next(network.parameters()).device
        for path, module in network.named_modules():
            _restore(module, self._own[path], device)
        self.size = None

    def parameters(self) -> list[nn.Parameter]:
        """Return the network's own parameters; those that depend on the size are not in it while one is set."""
        tables = (state.parameters.values() for state in self._own.values())
        return [parameter for table in tables for parameter in table if parameter is not None]


def _state_of(module: nn.Module) -> _State:
    attributes = {key: value for key, value in vars(module).items() if not key.startswith("_")}
    return _State(attributes, dict(module._parameters), dict(module._buffers))


@torch.no_grad()
def _restore(module: nn.Module, state: _State, device: torch.device) -> None:
    """Put a module back into a state, its tensors on a device that it may have been moved to since."""
    training = module.training
    vars(module).update(state.attributes)
    module.training = training
    for name, parameter in state.parameters.items():
        if parameter is not None and parameter.device != device:
            parameter = nn.Parameter(parameter.to(device), False)
        module._parameters[name] = parameter
    for name, buffer in state.buffers.items():
        # Kept where it was moved to, or statistics that are written into it would be lost at the next size.
        state.buffers[name] = module._buffers[name] = None if buffer is None else buffer.to(device)
