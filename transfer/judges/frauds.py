"""Pictures that a good stylization must be told from, made from the pair itself: what a poor painter would hand in.

They are the other candidates when a judge is asked whose style a picture has. Without them a recolouring passes most
judges and a blend of the two pictures every one; with them even a small network rates published paintings above both.
"""

from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from nstkit.datasets.patterns import draw_patterns
from nstkit.pictures import to_tensor
from transfer.sample import MIN_SIZE_PX, sample_style

BLUR_SHARE = 1 / 24
"""Standard deviation of the blurred style's blur, as a share of the shorter side: no stroke is left."""
NOISE_STD = 0.1
"""Of the noise on the recoloured content, sRGB value."""
BLOCKS = 4
"""Rows and columns of blocks in the shuffled content."""
PATTERNS_SEED = 7
SAME_PX = 32
"""Side of the thumbnails by which a picture among others is recognised as the pair's own."""
SAME_DIFFERENCE = 0.02

Picture = Float[Tensor, "1 3 h w"]


def style_frauds(content: Float[Tensor, "1 3 h w"], style: Float[Tensor, "1 3 hs ws"]) -> dict[str, Tensor]:
    """Return what has something of the style but was not painted in it, by name.

    Args:
        content: (1, 3, H, W), sRGB in [0, 1].
        style: (1, 3, Hs, Ws), sRGB in [0, 1].

    Returns:
        Pictures (1, 3, ., .) in [0, 1]: the content, recoloured, recoloured under noise, and with half and three
        quarters of the style picture shining through; the style with scrambled phases (its colours and spectrum, no
        strokes) and blurred; white noise and drawn patterns in the style's colours; a painting in another hand, in its
        own colours and in the style's (unless it is the style).
    """
    recoloured = match_colours(content, style)
    stretched = F.interpolate(style, content.shape[-2:], mode="bilinear", antialias=True)
    blur_px = max(1.0, BLUR_SHARE * min(style.shape[-2:]))
    frauds = {
        "content": content,
        "recoloured content": recoloured,
        "noisy content": (recoloured + NOISE_STD * _noise(recoloured, 1)).clamp(0, 1),
        "blend": (recoloured + stretched) / 2,
        "strong blend": 0.25 * recoloured + 0.75 * stretched,
        "scrambled style": scramble_phases(style),
        "blurred style": gaussian_blur(style, [2 * int(2 * blur_px) + 1] * 2, [blur_px] * 2),
        "noise": match_colours(_noise(style, 0), style),
        "patterns": match_colours(_patterns(style), style),
    }
    painting = _other_painting(max(MIN_SIZE_PX, max(style.shape[-2:])))[..., : style.shape[-2], : style.shape[-1]]
    if not is_same(painting, style):
        painting = painting.to(style)
        frauds |= {"other painting": painting, "recoloured painting": match_colours(painting, style)}
    return frauds


def altered_contents(content: Float[Tensor, "1 3 h w"]) -> dict[str, Float[Tensor, "1 3 h w"]]:
    """Return pictures with everything that the content has, in other places: mirrored, rolled by half, shuffled."""
    height, width = content.shape[-2:]
    return {
        "mirrored content": content.flip(3),
        "rolled content": content.roll((height // 2, width // 2), (2, 3)),
        "shuffled content": shuffle_blocks(content),
    }


def is_same(a: Float[Tensor, "1 3 h w"], b: Float[Tensor, "1 3 h2 w2"]) -> bool:
    """Return whether two pictures show the same, whatever their size."""
    small = [F.interpolate(each.float().cpu(), (SAME_PX, SAME_PX), mode="bilinear", antialias=True) for each in (a, b)]
    return (small[0] - small[1]).abs().mean().item() < SAME_DIFFERENCE


def match_colours(picture: Float[Tensor, "1 3 h w"], reference: Float[Tensor, "1 3 h2 w2"]) -> Picture:
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


def scramble_phases(picture: Float[Tensor, "1 3 h w"], seed: int = 0) -> Picture:
    """Return a picture with the same spectrum and other phases: its colours and frequencies, and none of its shapes.

    All channels are shifted by the same phases, which keeps their correlations.

    Source: Galerne, Gousseau & Morel 2011, Random phase textures: theory and synthesis.
    """
    field = torch.rand(picture.shape[-2:], generator=torch.Generator().manual_seed(seed)).to(picture)
    phase = torch.fft.fft2(field).angle()
    phase[0, 0] = 0
    turned = torch.fft.fft2(picture) * torch.polar(torch.ones_like(phase), phase)
    return torch.fft.ifft2(turned).real.clamp(0, 1)


def shuffle_blocks(picture: Float[Tensor, "1 3 h w"], blocks: int = BLOCKS) -> Picture:
    """Return the picture's blocks, `blocks` x `blocks`, in another order; the rest at the border stays in place."""
    rows, columns = (side // blocks for side in picture.shape[-2:])
    shuffled = picture.clone()
    order = torch.randperm(blocks**2, generator=torch.Generator().manual_seed(0)).tolist()
    for place, source in enumerate(order):
        (to_row, to_column), (row, column) = divmod(place, blocks), divmod(source, blocks)
        block = picture[..., row * rows : (row + 1) * rows, column * columns : (column + 1) * columns]
        shuffled[..., to_row * rows : (to_row + 1) * rows, to_column * columns : (to_column + 1) * columns] = block
    return shuffled


def _patterns(style: Tensor) -> Tensor:
    """Return four drawn patterns side by side, of the style's size."""
    tile_px = max(32, max(style.shape[-2:]) // 2)
    tiles = torch.from_numpy(draw_patterns(4, tile_px, PATTERNS_SEED)[0]).to(style) / 255
    whole = torch.cat([torch.cat(list(tiles[:2]), 2), torch.cat(list(tiles[2:]), 2)], 1)[None]
    return whole[..., : style.shape[-2], : style.shape[-1]]


@cache
def _other_painting(size_px: int) -> Tensor:
    return to_tensor(sample_style(size_px))


def _noise(like: Tensor, seed: int) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed)).to(like)


def _moments(pixels: Float[Tensor, "3 n"]) -> tuple[Float[Tensor, "3 1"], Float[Tensor, "3 3"]]:
    mean = pixels.mean(1, keepdim=True)
    deviation = pixels - mean
    # A grey or flat picture has a singular covariance; this much is below one level of 8 bit.
    return mean, deviation @ deviation.T / pixels.shape[1] + 1e-6 * torch.eye(3).to(pixels)


def _power(matrix: Float[Tensor, "3 3"], exponent: float) -> Float[Tensor, "3 3"]:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(1e-12) ** exponent) @ vectors.T
