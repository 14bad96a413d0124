"""A bank of Gabor filters as an eye: feature maps of any picture without a weight that was learned.

So it is the one judge that no painter shares, and the same on every machine. It sees strokes, not things: oriented
energies of brightness and colours in four sizes, and how these energies vary themselves.
"""

import math
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.backbone import Tap

ORIENTATIONS = 6
WAVELENGTH_PX = 4.0
REACH_PX = 4
"""Pixels to each side of a filter's middle: filters of 9 x 9."""
STRIDES = (1, 2, 4, 8)
"""Sizes that a picture is seen in, as pixels of it in one of the map."""
OPPONENT_COLOURS = (
    (3**-0.5, 3**-0.5, 3**-0.5),
    (2**-0.5, -(2**-0.5), 0.0),
    (6**-0.5, 6**-0.5, -2 * 6**-0.5),
)
"""Brightness, red against green, and yellow against blue: rows of length 1, at right angles."""
SECOND_WEIGHT = 0.1
"""Of the second order, a ratio, against energies, which are sRGB values: the cosine of patches sums over both."""
FAINT = 0.5 / 255
"""Energy that counts as none: half a level of 8 bit."""
ENERGIES = 3 * ORIENTATIONS
"""Channels of the first order."""


class GaborBank:
    """Feature maps of opponent colours, their oriented energies, and the oriented energies of the next finer ones.

    Source: Bruna & Mallat 2013, Invariant scattering convolution networks, equations 3 and 7 (moduli of wavelets, and
        moduli of wavelets of these); Gabor filters as in Manjunath & Ma 1996.
        The second order is divided by the first one, as in Anden & Mallat 2014, Deep scattering spectrum, section IV.
    Differs: the maps are taken as they are, where a scattering transform averages them; second order of brightness, and
        of the next finer size, alone.

    Attributes:
        label: `gabor`.
        taps: `scale1`, `scale2`, `scale4`, `scale8` by their stride.
        style_taps: all of them.

    Example:
        >>> maps = GaborBank().features(torch.rand(1, 3, 48, 64), ["scale1", "scale8"])
        >>> [tuple(values.shape) for values in maps.values()]
        [(1, 21, 48, 64), (1, 57, 6, 8)]
    """

    label = "gabor"

    def __init__(self) -> None:
        second = ORIENTATIONS**2
        channels = [ENERGIES + 3 + (0 if stride == STRIDES[0] else second) for stride in STRIDES]
        taps = (Tap(f"scale{stride}", "", count, stride) for stride, count in zip(STRIDES, channels, strict=True))
        self.taps: Mapping[str, Tap] = {tap.name: tap for tap in taps}
        self.style_taps = tuple(self.taps)

    def features(self, image: Float[Tensor, "1 3 h w"], names: Iterable[str]) -> dict[str, Float[Tensor, "1 _ _ _"]]:
        """Return the feature maps of a picture, each (1, C, H / stride, W / stride), rounded up, in the order of names.

        Args:
            image: sRGB in [0, 1].
            names: of taps.
        """
        colours = torch.einsum("oc,bchw->bohw", torch.tensor(OPPONENT_COLOURS).to(image), image)
        kernels = gabor_filters(WAVELENGTH_PX, ORIENTATIONS, REACH_PX).to(image)
        maps: dict[str, Tensor] = {}
        finer: Tensor | None = None
        for name, tap in self.taps.items():
            if tap.stride > 1:
                colours = F.avg_pool2d(colours, 2, ceil_mode=True)
            energies = _moduli(colours, kernels)
            second = [] if finer is None else [_second_order(F.avg_pool2d(finer, 2, ceil_mode=True), kernels)]
            finer = energies[:, :ORIENTATIONS]  # of brightness
            maps[name] = torch.cat([energies, _low_pass(colours), *second], 1)
        return {name: maps[name] for name in names}


def gabor_filters(period_px: float, orientations: int, reach_px: int) -> Float[Tensor, "n 1 k k"]:
    """Return the real parts, then the imaginary ones, of the Gabor filters of one period, each of zero sum.

    Args:
        period_px: of the wave; the window's standard deviation is half of it.
        orientations: how many, evenly over half a turn.
        reach_px: from a filter's middle to its edge.

    Returns:
        (2 * orientations, 1, 2 * reach + 1, 2 * reach + 1).
    """
    ticks = torch.arange(-reach_px, reach_px + 1.0)
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    window = _window(ticks, 0.5 * period_px)
    angles = [math.pi * k / orientations for k in range(orientations)]
    phases = [2 * math.pi * (math.cos(a) * x + math.sin(a) * y) / period_px for a in angles]
    filters = [wave * window for part in (torch.cos, torch.sin) for wave in map(part, phases)]
    return torch.stack([each - window * each.sum() for each in filters])[:, None]


def _window(ticks: Float[Tensor, " k"], spread: float) -> Float[Tensor, "k k"]:
    bell = torch.exp(-(ticks**2) / (2 * spread**2))
    window = torch.outer(bell, bell)
    return window / window.sum()


def _moduli(maps: Float[Tensor, "1 c h w"], kernels: Float[Tensor, "n 1 k k"]) -> Float[Tensor, "1 _ h w"]:
    """Return the oriented energies of each map, those of the first map first."""
    waves = F.conv2d(_padded(maps).transpose(0, 1), kernels)  # (c, 2 * orientations, h, w)
    real, imaginary = waves.chunk(2, dim=1)
    return torch.hypot(real, imaginary).flatten(0, 1)[None]


def _second_order(energies: Float[Tensor, "1 c h w"], kernels: Float[Tensor, "n 1 k k"]) -> Float[Tensor, "1 _ h w"]:
    """Return how energies vary, relative to their size: else it would say again where they are large."""
    own = energies.repeat_interleave(ORIENTATIONS, dim=1)
    return SECOND_WEIGHT * _moduli(energies, kernels) / (own + FAINT)


def _low_pass(colours: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    window = _window(torch.arange(-REACH_PX, REACH_PX + 1.0), 0.5 * WAVELENGTH_PX).to(colours)
    return F.conv2d(_padded(colours), window.expand(3, 1, -1, -1), groups=3)


def _padded(maps: Tensor) -> Tensor:
    """Return maps continued beyond their border, so that it makes no edge; a mirror would need as many positions."""
    return F.pad(maps, [REACH_PX] * 4, mode="replicate")
