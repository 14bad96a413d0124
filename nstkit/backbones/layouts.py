"""How the axes of an output are laid out: told by its shape, and turned into maps (B, C, H, W)."""

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from nstkit.backbones import quirks

Kind = Literal["nchw", "nhwc", "tokens", "reordered"]

STRIDES = (1, 2, 4, 8, 16, 32, 64)
PATCHES = (7, 10, 12, 14, 20, 24, 28, 48)  # of patches and what is made of them; such pictures are whole multiples


@dataclass(frozen=True)
class Layout:
    """Where channels and positions are in an output.

    Attributes:
        kind: `nchw`, `nhwc`, `tokens` (B, N, C) row by row, or `reordered`: tokens in an order of the network's own.
        channels: count.
        stride: picture pixels a position.
        prefix: tokens before those of the picture (class, register).
    """

    kind: Kind
    channels: int
    stride: int
    prefix: int = 0


def read_layout(output: Tensor, height: int, width: int, prefix: int | None = None) -> Layout | None:
    """Return the layout of an output for one picture of this size, None where it is no feature map.

    Args:
        output: of any shape.
        height: of the picture [px], not the width unless it has to be.
        width: of the picture [px].
        prefix: count of the network's class and register tokens, where it is known.
    """
    shape = tuple(output.shape)
    if shape[0] != 1 or not output.is_floating_point():
        return None
    if len(shape) == 4:
        _, a, b, c = shape
        if min(b, c) > 1 and (stride := _exact_stride(b, c, height, width)):
            return Layout("nchw", a, stride)
        if min(a, b) > 1 and (stride := _exact_stride(a, b, height, width)):
            return Layout("nhwc", c, stride)
        # Unpadded convolutions lose a few pixels. Of a square picture, this might as well be attention.
        if min(b, c) > 1 and height != width and abs(b * width / height - c) <= 2.5 and b <= 1.5 * height:
            return Layout("nchw", a, 2 ** max(0, round(math.log2(height * width / (b * c)) / 2)))
    elif len(shape) == 3:
        _, count, channels = shape
        for before in dict.fromkeys((prefix or 0, 0, 1, 2)):
            for stride in _strides(height, width):
                rows, columns = grid(height, width, stride)
                if count == rows * columns + before and min(rows, columns) > 1:
                    return Layout("tokens", channels, stride, before)
    return None


def _exact_stride(rows: int, columns: int, height: int, width: int) -> int | None:
    for stride in _strides(height, width):
        if (rows, columns) in (grid(height, width, stride), (height // stride, width // stride)):
            return stride
    return None


def _strides(height: int, width: int) -> list[int]:
    return [*STRIDES, *(patch for patch in PATCHES if height % patch == width % patch == 0)]


def grid(height: int, width: int, stride: int) -> tuple[int, int]:
    """Return rows and columns of the positions of a picture."""
    return math.ceil(height / stride), math.ceil(width / stride)


def to_maps(
    output: Tensor, kind: Kind, prefix: int, stride: int, *, size: tuple[int, int], network: nn.Module, path: str
) -> Tensor:
    """Return an output as maps (B, C, H, W), a view where that is possible.

    Args:
        output: in the layout that `kind` and `prefix` describe.
        kind: see `Layout`.
        prefix: see `Layout`.
        stride: see `Layout`.
        size: height and width of the picture that the network saw [px].
        network: for `reordered`: it knows its order.
        path: of the module whose output it is.
    """
    if kind == "nhwc":
        return output.permute(0, 3, 1, 2)
    if kind == "reordered":
        return quirks.ordered_maps(network, output, path)
    if kind == "tokens":
        tokens = output[:, prefix:]
        return tokens.transpose(1, 2).unflatten(2, grid(*size, stride))
    return output
