"""A frozen network that turns a picture into named feature maps."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from nstkit.backbones.layouts import Kind, to_maps
from nstkit.backbones.sizes import Sizes, SizeSetter, pad_picture
from nstkit.errors import UserError, is_out_of_memory, nearest
from nstkit.pictures.tensors import as_image

AnyPicture: TypeAlias = Image.Image | Tensor | NDArray[Any] | str | Path


@dataclass(frozen=True)
class Tap:
    """A place in a network where feature maps are taken.

    Attributes:
        name: what the user calls it: the paper's layer name, a module path, or `stageK`.
        path: module path in the network.
        channels: of its maps.
        stride: picture pixels a map position.
        is_overwritten: a later in-place operation of the network changes the tensor, so the tap has to be a copy.
        layout: of the module's output, see `nstkit.backbones.layouts`.
        prefix: class and register tokens before those of the picture.
    """

    name: str
    path: str
    channels: int
    stride: int
    is_overwritten: bool = False
    layout: Kind = "nchw"
    prefix: int = 0


TOO_SMALL = ("Kernel size can't be greater than actual input size", "Output size is too small")
"""What torch says of a convolution or a pooling without a place for its kernel."""


class _AllReached(Exception):
    """Raised out of the deepest tap, so that nothing behind it is computed."""


class Backbone(nn.Module):
    """A feature extractor with its own normalisation inside. Weights are frozen; gradients reach the picture.

    Attributes:
        label: short name for folders and tables.
        taps: all legal taps by name, in order of depth.
        style_taps: names of the taps that style is taken from by default.
        content_taps: likewise for content.
        mean: of the colours of the pictures that the network was trained with, (1, 3, 1, 1).
        std: their standard deviation, (1, 3, 1, 1).
        facts: what is known of its making (arch, norm, width, dataset, epochs, ...), for the table of runs.
        quality: extractor measures by tag, such as `extractor/top1`.
        flip_channels: the network takes blue, green, red; mean and std are in that order.
        unsettled: paths of the batch norms whose statistics belong to no weights yet, in a network that is not random.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        label: str,
        taps: Mapping[str, Tap],
        style_taps: Iterable[str],
        content_taps: Iterable[str],
        mean: Iterable[float],
        std: Iterable[float],
        facts: Mapping[str, Any] | None = None,
        quality: Mapping[str, float] | None = None,
        sizes: Sizes = Sizes(),  # noqa: B008 - frozen
        is_random: bool = False,
    ) -> None:
        super().__init__()
        self.network = freeze(network)
        self.label = label
        self.taps = dict(taps)
        self.style_taps, self.content_taps = tuple(style_taps), tuple(content_taps)
        self.facts, self.quality = dict(facts or {}), dict(quality or {})
        self.sizes, self.is_random = sizes, is_random
        self._setter = SizeSetter(self.network) if sizes.is_set else None
        # 1.0 to 1.3 times as fast as contiguous on a CPU without gradients of weights (benchmarks/painting_step.py).
        self.to_memory_format(torch.channels_last)
        self.register_buffer("mean", torch.tensor(list(mean)).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(list(std)).view(1, 3, 1, 1))
        self.flip_channels = False
        self.unsettled: frozenset[str] = frozenset()

    @property
    def patch_px(self) -> int:
        """Side of the patches that the network's first layer cuts a picture into [px], 1 where they overlap."""
        layers = (module for module in self.network.modules() if isinstance(module, nn.Conv2d))
        first = next((layer for layer in layers if layer.in_channels == 3), None)
        return max(first.stride) if first is not None and first.kernel_size == first.stride else 1

    @property
    def default_taps(self) -> tuple[str, ...]:
        """The default style and content taps, in order of depth."""
        chosen = {*self.style_taps, *self.content_taps}
        return tuple(name for name in self.taps if name in chosen)

    def features(
        self, image: Float[Tensor, "b 3 h w"] | AnyPicture, names: Iterable[str] | None = None
    ) -> dict[str, Float[Tensor, "b _ _ _"]]:
        """Return the feature maps of a picture, each (B, C, H / stride, W / stride), in the order of `names`.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1], or one picture of any kind, see `nstkit.pictures.tensors.as_image`.
            names: taps; wrong ones are reported by `check_taps`. None = the default ones for style and content.

        Raises:
            UserError: for an unknown tap, or a picture too small to reach one.

        Example:
            >>> import torch, nstkit
            >>> backbone = nstkit.load_backbone("carried")
            >>> maps = backbone.features(torch.rand(1, 3, 64, 96), ["relu1_1", "pool3"])
            >>> [tuple(values.shape) for values in maps.values()]
            [(1, 16, 64, 96), (1, 64, 8, 12)]
            >>> from nstkit.sample import sample_content
            >>> list(backbone.features(sample_content()))
            ['relu1_1', 'relu2_1', 'relu3_1', 'relu4_1', 'relu4_2', 'relu5_1']
        """
        names = list(self.default_taps if names is None else dict.fromkeys(names))
        if not isinstance(image, Tensor) or image.ndim != 4:
            image = as_image(image).to(self.mean.device)
        self.check_taps(names)
        return self._run(image, names, stops=True)[0]

    def features_and_output(
        self, image: Float[Tensor, "b 3 h w"], names: Iterable[str]
    ) -> tuple[dict[str, Float[Tensor, "b _ _ _"]], Any]:
        """Return the feature maps as `features` does, and what the whole network gives: logits, where it has a head."""
        names = list(dict.fromkeys(names))
        self.check_taps(names)
        return self._run(image, names, stops=False)

    def normalise(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 _ _"]:
        """Return pictures, sRGB in [0, 1], as the network takes them: padded to a size that it takes, normalised."""
        image = pad_picture(image, self.sizes, self.label)
        image = image.flip(1) if self.flip_channels else image
        return ((image - self.mean) / self.std).contiguous(memory_format=self.memory_format)

    def _run(self, image: Tensor, names: list[str], *, stops: bool) -> tuple[dict[str, Tensor], Any]:
        normalised = self.normalise(image)
        size = (normalised.shape[2], normalised.shape[3])
        if self._setter is not None:
            self._setter.set(self.network, size)
        maps: dict[str, Tensor] = {}
        output: Any = None

        def keep(tap: Tap) -> Callable[..., None]:
            def hook(module: nn.Module, inputs: tuple[Any, ...], result: Any) -> None:
                if tap.name in maps:
                    return
                tapped = result[0] if isinstance(result, tuple) else result
                tapped = tapped.clone() if tap.is_overwritten else tapped
                if tap.layout != "nchw":
                    tapped = to_maps(
                        tapped, tap.layout, tap.prefix, tap.stride, size=size, network=self.network, path=tap.path
                    )
                maps[tap.name] = _cropped(tapped, size, image)
                if stops and len(maps) == len(names):
                    raise _AllReached

            return hook

        handles = [
            self.network.get_submodule(self.taps[name].path).register_forward_hook(keep(self.taps[name]))
            for name in names
        ]
        try:
            output = self.network(normalised)
        except _AllReached:
            pass
        except (RuntimeError, AssertionError) as error:
            smallest = max((self.taps[name].stride for name in names), default=1)
            side = min(image.shape[2:])
            if any(words in str(error) for words in TOO_SMALL) and not stops:
                raise UserError(
                    f"the picture's shorter side of {side} px is too small for the whole of {self.label}. Use a larger "
                    f"--size."
                ) from error
            if side < 4 * smallest and not is_out_of_memory(error):
                raise UserError(
                    f"the picture's shorter side of {side} px is too small for {self.label} with taps of stride "
                    f"{smallest}. Use a larger --size, or shallower taps."
                ) from error
            raise
        except IndexError as error:  # a table of relative positions ends
            height, width = image.shape[2:]
            raise UserError(
                f"{self.label} does not take a picture of {width} x {height} px ({error}). Use a smaller --size or "
                f"another network."
            ) from error
        finally:
            for handle in handles:
                handle.remove()
        return {name: maps[name] for name in names}, output

    def check_taps(self, names: Iterable[str]) -> None:
        """Raise `UserError` that names the legal taps if one of `names` is unknown."""
        for name in names:
            if name not in self.taps:
                legal = ", ".join(self.taps) if len(self.taps) <= 60 else "see --list-taps"
                raise UserError(f"tap '{name}' is not in {self.label}.{nearest(name, self.taps)} Allowed: {legal}.")

    def to_memory_format(self, memory_format: torch.memory_format) -> "Backbone":
        """Lay weights and activations out in this memory format; return the same backbone."""
        self.network.to(memory_format=memory_format)
        self.memory_format = memory_format
        return self

    def with_own_buffers(self) -> "Backbone":
        """Return a copy that shares this backbone's parameters and has buffers, taps and facts of its own.

        Move the original to its device first: what moves one later moves the parameters of both.
        """
        shared = [*self.parameters(), *(() if self._setter is None else self._setter.parameters())]
        return copy.deepcopy(self, {id(parameter): parameter for parameter in shared})


def _cropped(maps: Tensor, size: tuple[int, int], image: Tensor) -> Tensor:
    """Return maps without the part that the padding below and on the right of the picture gave."""
    if size == tuple(image.shape[2:]):
        return maps
    rows, columns = (
        math.ceil(count * side / padded)
        for count, side, padded in zip(maps.shape[2:], image.shape[2:], size, strict=True)
    )
    return maps[:, :, :rows, :columns]


@runtime_checkable
class WorksInPlace(Protocol):
    """A module that overwrites its input where its `inplace` is true, such as an activation."""

    inplace: bool


def freeze(network: nn.Module) -> nn.Module:
    """Return the network in eval mode, without gradients of its weights and without in-place activations."""
    network.eval().requires_grad_(False)
    for module in network.modules():
        # An in-place ReLU would rectify a tapped convolution: a tap on conv4_2 silently becomes relu4_2.
        if isinstance(module, WorksInPlace) and module.inplace:
            module.inplace = False
    return network
