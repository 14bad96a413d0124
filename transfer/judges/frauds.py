"""Makers of pictures that have something of a style or a content and are no stylizations: what a poor painter hands in.

They serve twice. `transfer.judges.candidates` holds some against every picture that is judged, and the battery of
`transfer.judges.validation.cases` shows some to the judges, to see who falls for them.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from transfer.judges.filters import gaussian_blur

Picture = Float[Tensor, "1 3 h w"]
OtherPicture = Float[Tensor, "1 3 h2 w2"]


def match_colours(picture: Picture, reference: OtherPicture) -> Picture:
    """Return the picture with mean and covariance of the reference's colours, (1, 3, H, W), clipped to [0, 1].

    Args:
        picture: (1, 3, H, W), any range.
        reference: (1, 3, H2, W2), sRGB in [0, 1].

    Source: Pitie & Kokaram 2007, The linear Monge-Kantorovitch colour mapping, equation for Gaussian distributions.
    """
    pixels = picture[0].flatten(1).double()
    mean, covariance = _moments(pixels)
    target_mean, target = _moments(reference[0].flatten(1).double())
    root, inverse = _power(covariance, 0.5), _power(covariance, -0.5)
    transport = inverse @ _power(root @ target @ root, 0.5) @ inverse
    return (transport @ (pixels - mean) + target_mean).to(picture.dtype).view_as(picture).clamp(0, 1)


def match_histograms(picture: Picture, reference: OtherPicture) -> Picture:
    """Return the picture with the reference's distribution of values in each of R, G and B."""
    pixels, reference_pixels = (image[0].flatten(1).double().cpu().numpy() for image in (picture, reference))
    place = (pixels.argsort(axis=1, kind="stable").argsort(axis=1) + 0.5) / pixels.shape[1]
    matched = np.stack([quantiles(values, at) for values, at in zip(reference_pixels, place, strict=True)])
    return torch.from_numpy(matched).reshape(picture.shape).to(picture)


def quantiles(values: NDArray[np.floating], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values below which these shares of all lie, in [0, 1], as np.quantile does, which is slow for many.

    Example:
        >>> quantiles(np.array([4.0, 1.0, 2.0]), np.array([0.0, 0.5, 0.75])).tolist()
        [1.0, 2.0, 3.0]
    """
    return np.interp(shares * (values.size - 1), np.arange(values.size), np.sort(values, axis=None))


def stretch(picture: Picture, like: OtherPicture) -> OtherPicture:
    """Return the picture stretched to the size of another, in [0, 1]."""
    return F.interpolate(picture, like.shape[-2:], mode="bilinear", antialias=True).clamp(0, 1)


def blend(picture: Picture, other: OtherPicture, share: float) -> Picture:
    """Return the picture with another one, stretched to its size, shining through by `share` in [0, 1]."""
    return torch.lerp(picture, stretch(other, picture), share)


def white_noise(like: Picture, seed: int) -> Picture:
    """Return normal deviates of mean 0 and deviation 1, of the size of `like`."""
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed)).to(like)


def add_noise(picture: Picture, sigma: float = 0.1, seed: int = 0) -> Picture:
    """Return the picture under white noise of this standard deviation in sRGB values."""
    return (picture + sigma * white_noise(picture, seed)).clamp(0, 1)


def coloured_noise(style: OtherPicture, like: Picture, seed: int = 0) -> Picture:
    """Return pixels of the style drawn one by one, of the size of `like`: its colours, exactly, and no texture."""
    count = math.prod(like.shape[-2:])
    pixels = style[0].flatten(1)
    drawn = torch.randint(pixels.shape[1], (count,), generator=torch.Generator().manual_seed(seed))
    return pixels[:, drawn.to(pixels.device)].reshape(like.shape)


def scramble_phases(picture: Picture, seed: int = 0) -> Picture:
    """Return a picture with the same spectrum and other phases: its colours and frequencies, and none of its shapes.

    All channels are shifted by the same phases, which keeps their correlations.

    Source: Galerne, Gousseau & Morel 2011, Random phase textures: theory and synthesis.
    """
    field = torch.rand(picture.shape[-2:], generator=torch.Generator().manual_seed(seed)).to(picture)
    phase = torch.fft.fft2(field).angle()
    phase[0, 0] = 0
    turned = torch.fft.fft2(picture) * torch.polar(torch.ones_like(phase), phase)
    return torch.fft.ifft2(turned).real.clamp(0, 1)


def shuffle_blocks(picture: Picture, blocks: int = 4) -> Picture:
    """Return the picture's blocks, `blocks` x `blocks`, in another order; the rest at the border stays in place."""
    rows, columns = (side // blocks for side in picture.shape[-2:])
    shuffled = picture.clone()
    order = torch.randperm(blocks**2, generator=torch.Generator().manual_seed(0)).tolist()
    for place, source in enumerate(order):
        (to_row, to_column), (row, column) = divmod(place, blocks), divmod(source, blocks)
        block = picture[..., row * rows : (row + 1) * rows, column * columns : (column + 1) * columns]
        shuffled[..., to_row * rows : (to_row + 1) * rows, to_column * columns : (to_column + 1) * columns] = block
    return shuffled


def blur(picture: Picture, share: float = 1 / 40, reach: float = 2.5) -> Picture:
    """Return the picture out of focus.

    Args:
        picture: (1, 3, H, W).
        share: standard deviation of the blur over the shorter side; the deviation is at least 1 px.
        reach: of the kernel to each side, in standard deviations.
    """
    sigma_px = max(1.0, share * min(picture.shape[-2:]))
    return gaussian_blur(picture, sigma_px, int(reach * sigma_px))


def wash(picture: Picture, painted: Picture, share: float) -> Picture:
    """Return the picture under the fine strokes of a painted one, whose light and forms it does not have.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1].
        painted: of the same size, whose high frequencies are taken.
        share: standard deviation of the blur that takes them apart, over the shorter side.
    """
    return (picture + painted - blur(painted, share)).clamp(0, 1)


def crop(picture: Picture, share: float = 0.7, zoom: float = 1.15) -> Float[Tensor, "1 3 _ _"]:
    """Return the lower right part of a picture, a little enlarged: its texture, none of its pixels."""
    height, width = picture.shape[-2:]
    part = picture[..., height - round(share * height) :, width - round(share * width) :]
    size = [round(zoom * side) for side in part.shape[-2:]]
    return F.interpolate(part, size, mode="bicubic", align_corners=False).clamp(0, 1)


def flat(style: OtherPicture, like: Picture) -> Picture:
    """Return the style's mean colour, of the size of `like`."""
    return style.mean(dim=(2, 3), keepdim=True).expand(like.shape).contiguous()


def add_checkerboard(picture: Picture, amplitude: float = 0.06) -> Picture:
    """Return the picture under the pattern that strided transposed convolutions and max pooling leave, period 2 px."""
    height, width = picture.shape[-2:]
    sign = 1 - 2 * ((torch.arange(height)[:, None] + torch.arange(width)) % 2)
    return (picture + amplitude * sign.to(picture)).clamp(0, 1)


def overexpose(picture: Picture, contrast: float = 2.5) -> Picture:
    """Return the picture with so much contrast that lights and shadows are clipped."""
    mean = picture.mean()
    return (mean + contrast * (picture - mean)).clamp(0, 1)


def change_gamma(picture: Picture, factor: float) -> Picture:
    """Return another exposure: middle grey times `factor`, black and white as they are."""
    return picture ** (1 + math.log(factor) / math.log(0.5))


def resize(picture: Picture, factor: float) -> Float[Tensor, "1 3 _ _"]:
    """Return the picture with its sides times `factor`."""
    size = [max(1, round(side * factor)) for side in picture.shape[-2:]]
    return F.interpolate(picture, size, mode="bicubic", antialias=True).clamp(0, 1)


def _moments(pixels: Float[Tensor, "3 n"]) -> tuple[Float[Tensor, "3 1"], Float[Tensor, "3 3"]]:
    """Return mean and covariance of colours."""
    mean = pixels.mean(1, keepdim=True)
    deviation = pixels - mean
    # A grey or flat picture has a singular covariance; this much is below one level of 8 bit.
    return mean, deviation @ deviation.T / pixels.shape[1] + 1e-6 * torch.eye(3).to(pixels)


def _power(matrix: Float[Tensor, "3 3"], exponent: float) -> Float[Tensor, "3 3"]:
    """Return a power of a symmetric matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(1e-12) ** exponent) @ vectors.T
