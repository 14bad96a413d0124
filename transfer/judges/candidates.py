"""What a picture is held against: frauds made of the pair itself, and pictures that have its style beyond doubt.

Without the frauds a recolouring passes most judges and a blend of the two pictures every one; with them even a small
network rates published paintings above both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.datasets.patterns import draw_patterns
from nstkit.pictures.tensors import to_tensor
from nstkit.sample import MIN_SIZE_PX, sample_style
from transfer.judges import frauds
from transfer.judges.picture import digest, fit, is_same
from transfer.judges.quilt import quilt

BLUR_SHARE = 1 / 24
"""Standard deviation of the blurred style's blur, as a share of the shorter side: no stroke is left."""
PATTERNS_SEED = 7
BEST_FRAUD = "strong blend"
"""The fraud that comes nearest to the style: of eleven it did on seven of seven pairs, for each of three eyes."""
QUILT_SHARE = 1 / 12
"""Side of a patch of the quilt over the content's longer side. From the best fraud it lies farther than a quilt of
smaller patches, which shows more of the content."""
QUILT_LEAST_PX = 9
QUILT_CANDIDATES = 512
QUILT_SEED = 7


@dataclass(frozen=True)
class JudgedPair:
    """A pair at the size for judging, with all that is made of it and held against a picture.

    Attributes:
        content: (1, 3, H, W), sRGB in [0, 1], of the judged picture's size.
        style: (1, 3, Hs, Ws), likewise.
        frauds: what the style could be taken for, by name.
        altered: what the content's layout could be taken for, by name.
        goods: what has the style and was not painted, by name.
        key: what tells this pair from any other.
    """

    content: Float[Tensor, "1 3 h w"]
    style: Float[Tensor, "1 3 hs ws"]
    frauds: Mapping[str, Tensor]
    altered: Mapping[str, Tensor]
    goods: Mapping[str, Tensor]
    key: str

    @property
    def nbytes(self) -> int:
        """Bytes that these pictures take."""
        made = (*self.frauds.values(), *self.altered.values(), *self.goods.values())
        return sum(picture.nbytes for picture in (self.content, self.style, *made))


def judged_pair(content: Float[Tensor, "1 3 h w"], style: Float[Tensor, "1 3 hs ws"]) -> JudgedPair:
    """Return a pair with the pictures that are made of it; the arguments are those of its attributes."""
    frauds, altered, goods = style_frauds(content, style), altered_contents(content), known_goods(content, style)
    return JudgedPair(content, style, frauds, altered, goods, digest(content, style))


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
    recoloured, stretched = frauds.match_colours(content, style), fit(style, content)
    pictures = {
        "content": content,
        "recoloured content": recoloured,
        "noisy content": frauds.add_noise(recoloured, seed=1),
        # Not `frauds.blend`, which rounds the last bit otherwise: values could not be compared with earlier ones.
        "blend": (recoloured + stretched) / 2,
        "strong blend": 0.25 * recoloured + 0.75 * stretched,
        "scrambled style": frauds.scramble_phases(style),
        "blurred style": frauds.blur(style, BLUR_SHARE, reach=2.0),
        "noise": frauds.match_colours(frauds.white_noise(style, 0), style),
        "patterns": frauds.match_colours(_patterns(style), style),
    }
    painting = _other_painting(max(MIN_SIZE_PX, max(style.shape[-2:])))[..., : style.shape[-2], : style.shape[-1]]
    if not is_same(painting, style):
        painting = painting.to(style)
        pictures |= {"other painting": painting, "recoloured painting": frauds.match_colours(painting, style)}
    return pictures


def known_goods(content: Float[Tensor, "1 3 h w"], style: Float[Tensor, "1 3 hs ws"]) -> dict[str, Tensor]:
    """Return what has the style beyond doubt, by name: a part of it, and the content laid out of its patches.

    Its texture alone, laid out of larger patches, is no third: of a picture with as many different parts as Kandinsky's
    Composition VII the draw may hold few of them, and judges rated it below frauds.

    Args:
        content: (1, 3, H, W), sRGB in [0, 1], sides from 9 px.
        style: (1, 3, Hs, Ws), likewise.
    """
    patch_px = max(QUILT_LEAST_PX, round(QUILT_SHARE * max(content.shape[-2:])))
    patch_px = min(patch_px, *content.shape[-2:], *style.shape[-2:])
    return {
        "crop": frauds.crop(style.flip(2, 3)).flip(2, 3),  # another part than the one that the battery asks about
        "quilt": quilt(style, content, patch_px=patch_px, candidates=QUILT_CANDIDATES, seed=QUILT_SEED),
    }


def altered_contents(content: Float[Tensor, "1 3 h w"]) -> dict[str, Float[Tensor, "1 3 h w"]]:
    """Return pictures with everything that the content has, in other places: mirrored, rolled by half, shuffled.

    Args:
        content: (1, 3, H, W), sRGB in [0, 1].
    """
    height, width = content.shape[-2:]
    return {
        "mirrored content": content.flip(3),
        "rolled content": content.roll((height // 2, width // 2), (2, 3)),
        "shuffled content": frauds.shuffle_blocks(content),
    }


def _patterns(style: Tensor) -> Tensor:
    """Return four drawn patterns side by side, of the style's size."""
    tile_px = max(32, max(style.shape[-2:]) // 2)
    tiles = torch.from_numpy(draw_patterns(4, tile_px, PATTERNS_SEED)[0]).to(style) / 255
    whole = torch.cat([torch.cat(list(tiles[:2]), 2), torch.cat(list(tiles[2:]), 2)], 1)[None]
    return whole[..., : style.shape[-2], : style.shape[-1]]


@cache
def _other_painting(size_px: int) -> Tensor:
    return to_tensor(sample_style(size_px))
