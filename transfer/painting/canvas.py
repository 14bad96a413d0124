"""What is optimised: the picture that the painting starts from, as pixels or as a spectrum."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from nstkit.errors import UserError
from transfer.painting.scene import Scene, resize
from transfer.painting.settings import MARGIN_PX, START_PICTURES, WHITE, CanvasKind, PixelRange

# Root of the covariance of colours in natural photographs, one row a colour; its largest column has norm 1.
# Source: Olah, Mordvintsev, Schubert 2017, "Feature visualization" (the constants of their library, lucid).
COLOURS = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
COLOURS = COLOURS / COLOURS.norm(dim=0).max()
NOISE = 0.1  # root mean square of the coefficients of noise; larger, and its clouds stay in the picture
DARKEST = 0.002  # black and white lie at infinity for a sigmoid; half a step of 8 bits is near enough


@runtime_checkable
class Canvas(Protocol):
    """Parameters that an optimizer moves, and the picture that they make.

    Attributes:
        parameters: a leaf tensor, changed in place.
        range: lowest and highest value that the parameters may take, None for any.
    """

    parameters: Tensor
    range: tuple[float, float] | None

    def image(self) -> Float[Tensor, "1 3 h w"]:
        """Return the picture, in [0, 1]; gradients reach the parameters."""
        ...


class PixelCanvas:
    """The pixels themselves, as numbers up to `white`."""

    def __init__(self, start: Float[Tensor, "1 3 h w"], white: float = 1.0) -> None:
        self._white = white
        self.range: tuple[float, float] | None = (0.0, white)
        self.parameters = (start.detach() * white).contiguous().requires_grad_(True)

    def image(self) -> Float[Tensor, "1 3 h w"]:
        """Return the picture of the parameters."""
        return self.parameters / self._white


class FourierCanvas:
    """The spectrum of decorrelated colours, under a sigmoid that keeps them in range.

    Each frequency has the weight 1 / frequency that it has in photographs, so that a step changes coarse and fine
    structure alike, where a step of the pixels is mostly noise.

    A spectrum is periodic: the right edge is the neighbour of the left one, and gets its colours. So it holds a margin
    below and on the right of the picture, which no loss sees and `image` cuts off. Measured on five pairs with the
    carried network at 256 px, by how much more the outermost line differs from those 8 px behind it than lines inside
    the picture do: +2 % without a margin, -5 % with 8 px, -9 % with 16, -10 % with 24, -9 % with 32, -11 % with 48.

    Source: Mordvintsev, Pezzotti, Schubert, Olah 2018, "Differentiable image parameterizations", section 3.
    Differs: the weights have root mean square 1, so that a step means the same at every size; the margin.
    """

    range: tuple[float, float] | None = None

    def __init__(self, start: Float[Tensor, "1 3 h w"], margin_px: int = MARGIN_PX) -> None:
        self._size = (start.shape[2], start.shape[3])
        wide = mirrored(start.detach(), margin_px)
        self._wide = (wide.shape[2], wide.shape[3])
        self._weights = _frequency_weights(*self._wide).to(start)
        self._colours = COLOURS.to(start)
        planes = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(self._colours), torch.logit(wide, eps=DARKEST))
        spectrum = torch.view_as_real(torch.fft.rfft2(planes, norm="ortho"))
        self.parameters = (spectrum / self._weights).contiguous().requires_grad_(True)

    def image(self) -> Float[Tensor, "1 3 h w"]:
        """Return the picture of the spectrum, without the margin."""
        spectrum = torch.view_as_complex((self.parameters * self._weights).contiguous())
        planes = torch.fft.irfft2(spectrum, s=self._wide, norm="ortho")[..., : self._size[0], : self._size[1]]
        return torch.einsum("ij,bjhw->bihw", self._colours, planes).sigmoid()


def mirrored(image: Float[Tensor, "b c h w"], margin_px: int) -> Float[Tensor, "b c h2 w2"]:
    """Return pictures with `margin_px` more below and on the right.

    The first half mirrors what lies before it, the other what lies behind the opposite edge, so that at neither edge a
    periodic picture jumps.

    Example:
        >>> mirrored(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 4)[0, 0, 0]
        tensor([1., 2., 3., 3., 2., 2., 1.])
    """
    for axis in (2, 3):
        size = image.shape[axis]
        after = torch.arange(margin_px - margin_px // 2)
        before = torch.arange(margin_px // 2).flip(0)
        places = torch.cat([torch.arange(size), size - 1 - _folded(after, size), _folded(before, size)])
        image = image.index_select(axis, places.to(image.device))
    return image


def _folded(distances: Int64[Tensor, " n"], size: int) -> Int64[Tensor, " n"]:
    """Return which place inside is seen so far outside the edge; what is narrower is mirrored to and fro."""
    distances = distances % (2 * size)
    return torch.minimum(distances, 2 * size - 1 - distances)


def _frequency_weights(height: int, width: int) -> Float[Tensor, "1 1 h w2 1"]:
    """Return 1 / frequency for the coefficients of rfft2, with root mean square 1; the mean counts as one cycle."""
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)[None]
    frequency = (rows.square() + columns.square()).sqrt().clamp(min=1 / max(height, width))
    weights = 1 / frequency
    return (weights / weights.square().mean().sqrt())[None, None, :, :, None]


def build_canvas(kind: CanvasKind, start: Float[Tensor, "1 3 h w"], pixel_range: PixelRange = "0-1") -> Canvas:
    """Return a canvas that shows `start`, (1, 3, H, W) in [0, 1].

    Args:
        kind: of canvas.
        start: the first picture.
        pixel_range: of the numbers of a canvas of pixels.
    """
    return PixelCanvas(start, WHITE[pixel_range]) if kind == "pixels" else FourierCanvas(start)


def start_picture(scene: Scene, init: str, seed: int, kind: CanvasKind = "pixels") -> Float[Tensor, "1 3 h w"]:
    """Return the first picture, contiguous, in [0, 1], of the size of the result.

    Args:
        scene: a start picture of its own comes before what `init` says. What has another size is stretched.
        init: one of `START_PICTURES`.
        seed: of the noise, which is the same on every device.
        kind: of canvas. Noise is uniform pixels, or for a spectrum normal coefficients: clouds. A spectrum that began
            with white noise would spend its steps on getting rid of it.

    Raises:
        UserError: for a word that is none of these, or a picture that the scene does not have.
    """
    frame = scene.frame
    if scene.start is not None:
        picture = scene.start.to(frame)
    elif init == "grey":
        return torch.full_like(frame, 0.5, memory_format=torch.contiguous_format)
    elif init == "noise":
        generator = torch.Generator().manual_seed(seed)
        if kind == "pixels":
            return torch.rand(frame.shape, generator=generator).to(frame)
        canvas = FourierCanvas(torch.full_like(frame, 0.5))
        with torch.no_grad():
            canvas.parameters.copy_(NOISE * torch.randn(canvas.parameters.shape, generator=generator))
            return canvas.image().contiguous()
    elif init not in START_PICTURES:
        raise UserError(f"--init {init}: no such picture. Allowed: {', '.join(START_PICTURES)}, or a picture file.")
    else:
        named = scene.content if init == "content" else scene.style
        if named is None:
            raise UserError(
                f"--init {init}: there is no {init} picture in this mode. Give noise, grey or a picture file."
            )
        picture = named
    return resize(picture, scene.size).clone().contiguous()
