"""What is optimised: the picture that the painting starts from, as pixels or as a spectrum."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional

from nstkit.errors import UserError
from nstkit.pictures import read_picture, to_tensor
from transfer.config import START_PICTURES, CanvasKind

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
    """The pixels themselves."""

    range = (0.0, 1.0)

    def __init__(self, start: Float[Tensor, "1 3 h w"]) -> None:
        self.parameters = start.detach().clone().contiguous().requires_grad_(True)

    def image(self) -> Float[Tensor, "1 3 h w"]:
        """Return the parameters."""
        return self.parameters


class FourierCanvas:
    """The spectrum of decorrelated colours, under a sigmoid that keeps them in range.

    Each frequency has the weight 1 / frequency that it has in photographs, so that a step changes coarse and fine
    structure alike, where a step of the pixels is mostly noise.

    Source: Mordvintsev, Pezzotti, Schubert, Olah 2018, "Differentiable image parameterizations", section 3.
    Differs: the weights have root mean square 1, so that a step means the same at every size.
    """

    range = None

    def __init__(self, start: Float[Tensor, "1 3 h w"]) -> None:
        self._size = tuple(start.shape[2:])
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


def build_canvas(kind: CanvasKind, start: Float[Tensor, "1 3 h w"]) -> Canvas:
    """Return a canvas that shows `start`, (1, 3, H, W) in [0, 1]."""
    return PixelCanvas(start) if kind == "pixels" else FourierCanvas(start)


def check_start(init: str) -> None:
    """Raise `UserError` for an `init` that is neither one of the words nor a readable picture."""
    if init not in START_PICTURES:
        _read_start(init)


def start_picture(
    init: str,
    content: Float[Tensor, "1 3 h w"] | None,
    style: Float[Tensor, "1 3 h2 w2"] | None,
    seed: int,
    kind: CanvasKind = "pixels",
) -> Float[Tensor, "1 3 h w"]:
    """Return the first picture, contiguous, in [0, 1], of the content's size, or the style's where there is no content.

    Args:
        init: `content`, `style` (stretched), `noise`, `grey`, or a picture file (stretched).
        content: None for a texture.
        style: None where the content alone is painted.
        seed: of the noise, which is the same on every device.
        kind: of canvas. Noise is uniform pixels, or for a spectrum normal coefficients: clouds. A spectrum that began
            with white noise would spend its steps on getting rid of it.

    Raises:
        UserError: for a word that is none of these and no file, or a picture that this mode does not have.
    """
    frame = style if content is None else content
    if init == "grey":
        return torch.full_like(frame, 0.5, memory_format=torch.contiguous_format)
    if init == "noise":
        generator = torch.Generator().manual_seed(seed)
        if kind == "pixels":
            return torch.rand(frame.shape, generator=generator).to(frame)
        canvas = FourierCanvas(torch.full_like(frame, 0.5))
        with torch.no_grad():
            canvas.parameters.copy_(NOISE * torch.randn(canvas.parameters.shape, generator=generator))
            return canvas.image().contiguous()
    if init in ("content", "style"):
        picture = content if init == "content" else style
        if picture is None:
            raise UserError(
                f"--init {init}: there is no {init} picture in this mode. Give noise, grey or a picture file."
            )
    else:
        picture = to_tensor(_read_start(init)).to(frame)
    return resize(picture, tuple(frame.shape[2:])).clone().contiguous()


def resize(image: Float[Tensor, "1 3 h w"], size: tuple[int, int]) -> Float[Tensor, "1 3 h2 w2"]:
    """Return the picture at (height, width), antialiased, in [0, 1]; itself where it has that size."""
    if tuple(image.shape[2:]) == size:
        return image
    return functional.interpolate(image, size, mode="bicubic", antialias=True).clamp(0, 1)


def _read_start(init: str) -> Image.Image:
    if not Path(init).exists():
        raise UserError(f"--init {init}: no such picture. Allowed: {', '.join(START_PICTURES)}, or a picture file.")
    return read_picture(Path(init))
