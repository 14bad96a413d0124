"""What is optimised: the picture that the painting starts from, as pixels or as a spectrum."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.errors import UserError
from transfer.painting.scene import Scene, resize
from transfer.painting.settings import START_PICTURES, WHITE, CanvasKind, PixelRange

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

    Source: Mordvintsev, Pezzotti, Schubert, Olah 2018, "Differentiable image parameterizations", section 3.
    Differs: the weights have root mean square 1, so that a step means the same at every size.
    """

    range: tuple[float, float] | None = None

    def __init__(self, start: Float[Tensor, "1 3 h w"]) -> None:
        self._size = (start.shape[2], start.shape[3])
        self._weights = _frequency_weights(*self._size).to(start)
        self._colours = COLOURS.to(start)
        logits = torch.logit(start.detach(), eps=DARKEST)
        planes = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(self._colours), logits)
        spectrum = torch.view_as_real(torch.fft.rfft2(planes, norm="ortho"))
        self.parameters = (spectrum / self._weights).contiguous().requires_grad_(True)

    def image(self) -> Float[Tensor, "1 3 h w"]:
        """Return the picture of the spectrum."""
        spectrum = torch.view_as_complex((self.parameters * self._weights).contiguous())
        planes = torch.fft.irfft2(spectrum, s=self._size, norm="ortho")
        return torch.einsum("ij,bjhw->bihw", self._colours, planes).sigmoid()


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
