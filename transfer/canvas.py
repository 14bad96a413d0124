"""The picture that the painting starts from."""

from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional

from nstkit.errors import UserError
from nstkit.pictures import read_picture, to_tensor
from transfer.config import START_PICTURES


def check_start(init: str) -> None:
    """Raise `UserError` for an `init` that is neither one of the words nor a readable picture."""
    if init not in START_PICTURES:
        _read_start(init)


def start_canvas(
    init: str, content: Float[Tensor, "1 3 h w"], style: Float[Tensor, "1 3 h2 w2"], seed: int
) -> Float[Tensor, "1 3 h w"]:
    """Return the first canvas, of the content's size, contiguous, in [0, 1].

    Args:
        init: `content`, `style` (stretched), `noise` (uniform), `grey`, or a picture file (stretched).
        content: gives the size, and the start for `content`.
        style: the start for `style`.
        seed: of the noise, which is the same on every device.

    Raises:
        UserError: for a word that is none of these and no file.
    """
    if init == "content":
        return content.clone().contiguous()
    if init == "grey":
        return torch.full_like(content, 0.5, memory_format=torch.contiguous_format)
    if init == "noise":
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(content.shape, generator=generator).to(content)
    picture = style if init == "style" else to_tensor(_read_start(init)).to(content)
    size = tuple(content.shape[2:])
    return functional.interpolate(picture, size, mode="bilinear", antialias=True).clamp(0, 1).contiguous()


def _read_start(init: str) -> Image.Image:
    if not Path(init).exists():
        raise UserError(f"--init {init}: no such picture. Allowed: {', '.join(START_PICTURES)}, or a picture file.")
    return read_picture(Path(init))
