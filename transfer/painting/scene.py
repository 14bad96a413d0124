"""The pictures that one painting is made from."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from transfer.painting.regions import Region, painted_share, resize_guide
from transfer.painting.settings import Mode, mode_of


@dataclass(frozen=True)
class Scene:
    """What is painted in which style, at one size. All pictures are sRGB in [0, 1], on one device.

    Attributes:
        content: (1, 3, H, W); gives the size of the result. None for a texture, which has the size of the style.
        style: (1, 3, Hs, Ws), of any size. None where the content alone is painted.
        start: (1, 3, ., .), the first canvas, stretched to the size of the result. None = what `--init` says.
        further: other styles of any size, which are blended with `style`.
        shares: of `style` and each of `further` in the blend, of sum 1.
        regions: parts of the content and the parts of the styles that each is painted in; what is in none of them stays
            as it is in the content. None given = all of it in all of the styles.

    Example:
        >>> scene = Scene(content=torch.zeros(1, 3, 30, 40), style=torch.ones(1, 3, 60, 20))
        >>> scene.size, scene.mode, scene.at((15, 20)).style.shape
        ((30, 40), 'transfer', torch.Size([1, 3, 30, 10]))
    """

    content: Float[Tensor, "1 3 h w"] | None
    style: Float[Tensor, "1 3 hs ws"] | None
    start: Float[Tensor, "1 3 _ _"] | None = None
    further: tuple[Float[Tensor, "1 3 _ _"], ...] = ()
    shares: tuple[float, ...] = (1.0,)
    regions: tuple[Region, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a scene without pictures."""
        if self.content is None and self.style is None:
            raise ValueError("a scene needs a content or a style picture.")

    @property
    def mode(self) -> Mode:
        """Which of the pictures there are."""
        return mode_of(self.content, self.style)

    @property
    def frame(self) -> Float[Tensor, "1 3 _ _"]:
        """The picture that the result has the size of."""
        picture = self.style if self.content is None else self.content
        assert picture is not None
        return picture

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the result [px]."""
        height, width = self.frame.shape[2:]
        return height, width

    @property
    def sizes(self) -> tuple[tuple[int, int] | None, list[tuple[int, int]]]:
        """(height, width) of the content [px], None where there is none, and of each style."""
        styles = [(style.shape[2], style.shape[3]) for style in self.styles]
        return (None if self.content is None else self.size), styles

    @property
    def styles(self) -> list[Float[Tensor, "1 3 _ _"]]:
        """All styles, none where the content alone is painted."""
        return [] if self.style is None else [self.style, *self.further]

    @property
    def pictures(self) -> list[Float[Tensor, "1 3 _ _"]]:
        """Content and styles, those that there are."""
        return [*([] if self.content is None else [self.content]), *self.styles]

    @cached_property
    def painted(self) -> Float[Tensor, "1 1 h w"] | None:
        """How far each pixel of the result is painted, in [0, 1]; None where all of it is."""
        return painted_share(self.regions)

    def over_photograph(self, image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
        """Return a canvas over the content, which is seen where nothing is painted."""
        if self.painted is None or self.content is None:
            return image
        return torch.lerp(self.content, image, self.painted)

    def at(self, size: tuple[int, int]) -> "Scene":
        """Return the scene with its pictures shrunk as the result is to `size` (height, width) [px]."""
        if size == self.size:
            return self

        def shrunk(picture: Tensor) -> Tensor:
            return resize(picture, _scaled_size(picture, self.size, size))

        return replace(
            self,
            content=None if self.content is None else shrunk(self.content),
            style=None if self.style is None else shrunk(self.style),
            further=tuple(shrunk(picture) for picture in self.further),
            regions=tuple(
                region.mapped(lambda guide: resize_guide(guide, _scaled_size(guide, self.size, size)))
                for region in self.regions
            ),
        )

    def to(self, device: torch.device) -> "Scene":
        """Return the scene with its pictures on a device."""

        def moved(picture: Tensor) -> Tensor:
            return picture.to(device, torch.float32)

        return replace(
            self,
            content=None if self.content is None else moved(self.content),
            style=None if self.style is None else moved(self.style),
            start=None if self.start is None else moved(self.start),
            further=tuple(moved(picture) for picture in self.further),
            regions=tuple(region.mapped(moved) for region in self.regions),
        )


def _scaled_size(picture: Tensor, full: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Return the size that a picture is shrunk to where one of size `full` is shrunk to `size`."""
    height, width = picture.shape[2:]
    return max(1, round(height * size[0] / full[0])), max(1, round(width * size[1] / full[1]))


def resize(image: Float[Tensor, "1 3 h w"], size: tuple[int, int]) -> Float[Tensor, "1 3 h2 w2"]:
    """Return the picture at (height, width) [px], antialiased, in [0, 1]; itself where it has that size."""
    if tuple(image.shape[2:]) == size:
        return image
    return functional.interpolate(image, size, mode="bicubic", antialias=True).clamp(0, 1)
