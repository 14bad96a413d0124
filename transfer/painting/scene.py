"""The pictures that one painting is made from."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from transfer.painting.settings import Mode, mode_of


@dataclass(frozen=True)
class Scene:
    """What is painted in which style, at one size. All pictures are sRGB in [0, 1], on one device.

    Attributes:
        content: (1, 3, H, W); gives the size of the result. None for a texture, which has the size of the style.
        style: (1, 3, Hs, Ws), of any size. None where the content alone is painted.
        start: (1, 3, ., .), the first canvas, stretched to the size of the result. None = what `--init` says.

    Example:
        >>> scene = Scene(content=torch.zeros(1, 3, 30, 40), style=torch.ones(1, 3, 60, 20))
        >>> scene.size, scene.mode, scene.at((15, 20)).style.shape
        ((30, 40), 'transfer', torch.Size([1, 3, 30, 10]))
    """

    content: Float[Tensor, "1 3 h w"] | None
    style: Float[Tensor, "1 3 hs ws"] | None
    start: Float[Tensor, "1 3 _ _"] | None = None

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
    def sizes(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """(height, width) of content and style [px], None for the one that there is not."""
        content, style = (
            None if picture is None else (picture.shape[2], picture.shape[3]) for picture in (self.content, self.style)
        )
        return content, style

    @property
    def pictures(self) -> list[Float[Tensor, "1 3 _ _"]]:
        """Content and style, those that there are."""
        return [picture for picture in (self.content, self.style) if picture is not None]

    def at(self, size: tuple[int, int]) -> "Scene":
        """Return the scene with its pictures shrunk as the result is to `size` (height, width) [px]."""
        content, style = (
            None if picture is None else resize(picture, _scaled_size(picture, self.size, size))
            for picture in (self.content, self.style)
        )
        return replace(self, content=content, style=style)

    def to(self, device: torch.device) -> "Scene":
        """Return the scene with its pictures on a device."""
        content, style, start = (
            None if picture is None else picture.to(device, torch.float32)
            for picture in (self.content, self.style, self.start)
        )
        return Scene(content, style, start)


def _scaled_size(picture: Tensor, full: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """Return the size that a picture is shrunk to where one of size `full` is shrunk to `size`."""
    height, width = picture.shape[2:]
    return max(1, round(height * size[0] / full[0])), max(1, round(width * size[1] / full[1]))


def resize(image: Float[Tensor, "1 3 h w"], size: tuple[int, int]) -> Float[Tensor, "1 3 h2 w2"]:
    """Return the picture at (height, width) [px], antialiased, in [0, 1]; itself where it has that size."""
    if tuple(image.shape[2:]) == size:
        return image
    return functional.interpolate(image, size, mode="bicubic", antialias=True).clamp(0, 1)
