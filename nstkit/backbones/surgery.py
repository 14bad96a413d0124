"""A network changed before it paints: its pooling, its padding, and the colours that it takes."""

import math
from collections.abc import Iterable
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.normalisation import CAFFE, IMAGENET, Normalisation
from nstkit.backbones.spec import Padding, Pooling, Preprocess

LEVEL = {"avg": 1.5, "plain-avg": 1.0, "l2": 1.35}  # see `set_pooling`


def set_pooling(network: nn.Module, kind: Pooling) -> nn.Module:
    """Replace every max pooling by an average or a root mean square of its windows, in place; return the network.

    The result is multiplied by 1.5 or 1.35, that of `plain-avg` by 1: so activations keep their level through the
    network. Measured at 256 px on two photographs and a painting, the RMS of the maps over that with max pooling:

    - ImageNet VGG19, relu5_1, average: 0.20 without a factor, 1.0 with 1.5, 3.2 with 2.0.
    - The same, root mean square: 0.31 without, 1.0 with 1.35, 1.8 with 1.56.
    - ImageNet SqueezeNet 1.1 (windows of 3), features.12: 0.4 without, 1.3 (average) and 1.0 with these factors.
    - A single pooling of VGG19 lowers the RMS by 1.2 to 2.0 (average) or 1.1 to 1.6 (root mean square); of a random
      network by 1.2 to 1.3.

    Args:
        network: any; global, adaptive and dilated max pooling is kept, and so is what a network calls as a function
            (the two reductions of Inception-v3).
        kind: `max` changes nothing.

    Source: Gatys, Ecker, Bethge 2016, section 2: average pooling gives slightly more appealing pictures.
    Differs: crowsonkb/style-transfer-pytorch multiplies averages by 2.0, and the root of the SUM of four squares by
        0.78, which is 1.56 times their root mean square. Here what lies outside the map counts in no window.
    """
    if kind == "max":
        return network
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.MaxPool2d) and _pair(child.dilation) == (1, 1):
                setattr(parent, name, RescaledPool(child, kind).train(child.training))
    return network


def set_padding(network: nn.Module, mode: Padding) -> nn.Module:
    """Replace the zeros around the maps of every convolution, in place; return the network.

    Zeros are a frame of one colour that every convolution sees. On ImageNet VGG19, three pictures cut out of larger
    ones, the outermost ring of the maps is off by this share of its own RMS, at relu1_1, 2_1, 3_1, 4_1 and 5_1:

    - zero: 0.5, 0.8, 1.2, 0.9, 1.0
    - replicate in the first convolution: 0.1, 0.7, 1.1, 0.9, 1.0; in those up to stride 4: 0.1, 0.3, 0.5, 0.7, 0.9
    - replicate in all: 0.1, 0.3, 0.5, 0.5, 0.7
    - reflect in all: 0.2, 0.4, 0.6, 0.5, 0.8

    So it is all of them: forward and backward take 5 to 8 % longer. What is painted is another matter (160 px, 40
    evaluations, three pairs): with `replicate` the outermost pixels come out more saturated, and the step behind them
    1.2 to 2.4 times as high as with zeros, for they are counted several times; with `reflect` 0.6 to 1.6 times.

    Args:
        network: any. Its pooling keeps its padding, and so does a convolution that already pads otherwise.
        mode: `zero` changes nothing; `replicate` repeats the outermost values; `reflect` mirrors the map without
            repeating its edge, or repeats the edge where a map is not larger than its padding.

    Source: crowsonkb/style-transfer-pytorch replicates before the first convolution, against artefacts at the border.
    Differs: here it is every convolution.
    """
    if mode == "zero":
        return network
    for module in network.modules():
        if not isinstance(module, nn.Conv2d) or module.padding_mode != "zeros":
            continue
        if type(module).__name__ == "Conv2dSame":  # timm's pads in its forward, unlike nn.Conv2d's without padding
            module.__class__ = nn.Conv2d
            module.register_forward_pre_hook(_PadsSame(mode))
        elif isinstance(module, PadsItself) and module.same_pad:
            module.same_pad = False
            module.register_forward_pre_hook(_PadsSame(mode))
        elif any(module._reversed_padding_repeated_twice):  # also where padding is the word "same"
            module.register_forward_pre_hook(_Pads(mode, tuple(module._reversed_padding_repeated_twice)))
            module.padding = (0, 0)
    return network


def set_preprocess(backbone: Backbone, preprocess: Preprocess) -> Backbone:
    """Set how the backbone turns a picture's sRGB in [0, 1] into what its network takes, in place; return it.

    Args:
        backbone: any.
        preprocess: `own` is what its weights were trained with and changes nothing; `imagenet` is the mean and standard
            deviation of ImageNet's colours; `caffe` is blue, green, red, 0 to 255, less ImageNet's mean.
    """
    if preprocess == "own":
        return backbone
    return set_normalisation(backbone, CAFFE if preprocess == "caffe" else IMAGENET)


def set_normalisation(backbone: Backbone, normalisation: Normalisation) -> Backbone:
    """Set what the backbone's network takes to be normalised by these values, in place; return the backbone."""
    backbone.flip_channels = normalisation.get("is_bgr", False)
    backbone.mean = torch.tensor(normalisation["mean"]).view(1, 3, 1, 1).to(backbone.mean)
    backbone.std = torch.tensor(normalisation["std"]).view(1, 3, 1, 1).to(backbone.std)
    return backbone


def normalisation_of(backbone: Backbone) -> Normalisation:
    """Return what the backbone's network takes pictures to be normalised by."""
    return {
        "mean": backbone.mean.flatten().tolist(),
        "std": backbone.std.flatten().tolist(),
        "is_bgr": backbone.flip_channels,
    }


@runtime_checkable
class PadsItself(Protocol):
    """A convolution of timm's that pads by the size of the map where its `same_pad` is true."""

    same_pad: bool


class RescaledPool(nn.Module):
    """Average or root mean square over a max pooling's windows, times a constant that keeps the level.

    What lies outside the map counts in no window.
    """

    def __init__(self, pool: nn.MaxPool2d, kind: Literal["avg", "plain-avg", "l2"]) -> None:
        super().__init__()
        self.kind = kind
        self.kernel, self.padding = _pair(pool.kernel_size), _pair(pool.padding)
        self.stride = _pair(pool.stride if pool.stride is not None else pool.kernel_size)
        self.ceil_mode = pool.ceil_mode
        self.is_same = _is_same(pool)  # timm's: padded at the right and below as TensorFlow does
        self.scale = LEVEL[kind]

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _ _"]:
        """Return the pooled maps, (B, C, H', W') as the max pooling's own."""
        if self.kind != "l2":
            return self.scale * self._average(maps)
        wide = maps.float()  # squares leave float16
        # Without the least value the slope of the root at 0 would be infinite, and times 0 not a number.
        least = torch.finfo(torch.float32).tiny
        return (self.scale * self._average(wide.square()).clamp(min=least).sqrt()).to(maps.dtype)

    def _average(self, maps: Tensor) -> Tensor:
        if self.is_same:
            sides = same_padding(maps.shape[2:], self.kernel, self.stride, (1, 1))
            ones = functional.pad(torch.ones_like(maps[:1, :1]), sides)
            shares = functional.avg_pool2d(ones, self.kernel, self.stride)
            return functional.avg_pool2d(functional.pad(maps, sides), self.kernel, self.stride) / shares
        return functional.avg_pool2d(
            maps, self.kernel, self.stride, self.padding, ceil_mode=self.ceil_mode, count_include_pad=False
        )


class _Pads:
    """Pads what a convolution is given; called before it."""

    def __init__(self, mode: Literal["replicate", "reflect"], sides: tuple[int, ...]) -> None:
        self.mode, self.sides = mode, sides

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return pad(inputs[0], self.sides, self.mode), *inputs[1:]


class _PadsSame:
    """Pads as TensorFlow's `SAME`, by the size of the map."""

    def __init__(self, mode: Literal["replicate", "reflect"]) -> None:
        self.mode = mode

    def __call__(self, module: nn.Conv2d, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        sides = same_padding(inputs[0].shape[2:], module.kernel_size, module.stride, module.dilation)
        return pad(inputs[0], sides, self.mode), *inputs[1:]


def pad(
    maps: Float[Tensor, "b c h w"], sides: tuple[int, ...], mode: Literal["replicate", "reflect"]
) -> Float[Tensor, "b c _ _"]:
    """Return maps padded on the (left, right, top, bottom); an axis too short to be mirrored repeats its edge."""
    if not any(sides):
        return maps
    if mode == "reflect":
        for number, size in ((0, maps.shape[3]), (2, maps.shape[2])):
            axis = tuple(side if place // 2 == number // 2 else 0 for place, side in enumerate(sides))
            fits = max(axis) < size
            maps = functional.pad(maps, axis, mode="reflect" if fits else "replicate") if any(axis) else maps
        return maps
    return functional.pad(maps, sides, mode="replicate")


def same_padding(
    size: Iterable[int], kernel: Iterable[int], stride: Iterable[int], dilation: Iterable[int]
) -> tuple[int, int, int, int]:
    """Return TensorFlow's `SAME` padding of a map (height, width) as (left, right, top, bottom)."""
    height, width = (
        max((math.ceil(side / step) - 1) * step + (window - 1) * holes + 1 - side, 0)
        for side, window, step, holes in zip(size, kernel, stride, dilation, strict=True)
    )
    return width // 2, width - width // 2, height // 2, height - height // 2


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _is_same(module: nn.Module) -> bool:
    return type(module).__name__ == "MaxPool2dSame"
