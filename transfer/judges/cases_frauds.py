"""Pictures that have something of a style and are no stylizations: what a judge must not fall for."""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.functional import gaussian_blur

Picture = Float[Tensor, "1 3 h w"]


def match_histograms(picture: Picture, style: Float[Tensor, "1 3 hs ws"]) -> Picture:
    """Return the picture with the style's distribution of values in each of R, G and B."""
    pixels, wanted = (x[0].flatten(1).double().cpu().numpy() for x in (picture, style))
    place = (pixels.argsort(axis=1, kind="stable").argsort(axis=1) + 0.5) / pixels.shape[1]
    matched = np.stack([np.quantile(values, at) for values, at in zip(wanted, place, strict=True)])
    return torch.from_numpy(matched).reshape(picture.shape).to(picture)


def blend(picture: Picture, style: Float[Tensor, "1 3 hs ws"], share: float) -> Picture:
    """Return the picture with the other one, stretched to its size, shining through by `share` in [0, 1]."""
    return torch.lerp(picture, fit(style, picture), share)


def fit(picture: Float[Tensor, "1 3 h w"], like: Float[Tensor, "1 3 h2 w2"]) -> Float[Tensor, "1 3 h2 w2"]:
    """Return a picture stretched to the size of another."""
    size = tuple(like.shape[-2:])
    return functional.interpolate(picture, size, mode="bilinear", antialias=True).clamp(0, 1)


def coloured_noise(style: Float[Tensor, "1 3 hs ws"], like: Picture, seed: int = 0) -> Picture:
    """Return pixels of the style drawn one by one: its colours, exactly, and no texture. Of the size of `like`."""
    count = math.prod(like.shape[-2:])
    pixels = style[0].flatten(1)
    drawn = torch.randint(pixels.shape[1], (count,), generator=torch.Generator().manual_seed(seed))
    return pixels[:, drawn.to(pixels.device)].reshape(like.shape)


def add_noise(picture: Picture, sigma: float = 0.1, seed: int = 0) -> Picture:
    """Return the picture under white noise of this standard deviation in sRGB values."""
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
    return (picture + sigma * noise.to(picture)).clamp(0, 1)


def crop(picture: Float[Tensor, "1 3 h w"], share: float = 0.7, zoom: float = 1.15) -> Float[Tensor, "1 3 _ _"]:
    """Return the lower right part of a picture, a little enlarged: its texture, none of its pixels."""
    height, width = picture.shape[-2:]
    part = picture[..., height - round(share * height) :, width - round(share * width) :]
    size = [round(zoom * side) for side in part.shape[-2:]]
    return functional.interpolate(part, size, mode="bicubic", align_corners=False).clamp(0, 1)


def flat(style: Float[Tensor, "1 3 hs ws"], like: Picture) -> Picture:
    """Return the style's mean colour, of the size of `like`."""
    return style.mean(dim=(2, 3), keepdim=True).expand(like.shape).contiguous()


def blur(picture: Picture, share: float = 1 / 40) -> Picture:
    """Return the picture out of focus; `share` = standard deviation over the shorter side."""
    sigma = max(1.0, share * min(picture.shape[-2:]))
    return gaussian_blur(picture, [2 * int(2.5 * sigma) + 1] * 2, [sigma] * 2)


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
    return functional.interpolate(picture, size, mode="bicubic", antialias=True).clamp(0, 1)
