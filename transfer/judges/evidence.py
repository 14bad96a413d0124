"""What one eye saw of a picture, of the two pictures that it was made of, and of all that it could be taken for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

PATCHES = 512
"""Patches taken from each map, the same number from every candidate: among more, a nearer one is found."""
PATCH = 3
"""Side of a patch, in positions of the map."""

TRUE_STYLE, TRUE_CONTENT = "style", "content"
"""Names that the true style and the true content have among the candidates."""

Scores = Mapping[str, float]
"""How much a picture is like each candidate, by the candidate's name; higher is more alike."""


@dataclass(frozen=True)
class StyleFacts:
    """What is kept of a picture's features for the identification of its style; one entry a tap.

    Attributes:
        patches: each (n, C * 9), unit length.
        grams: each (C, C), not centred.
        means: each (C,).
    """

    patches: tuple[Tensor, ...]
    grams: tuple[Tensor, ...]
    means: tuple[Tensor, ...]

    @property
    def nbytes(self) -> int:
        """Bytes that these facts take."""
        return sum(values.nbytes for values in (*self.patches, *self.grams, *self.means))


@dataclass(frozen=True)
class Evidence:
    """All that the measures of one eye are computed from.

    Attributes:
        picture_maps: feature maps of the picture by tap, each (1, C, H, W).
        content_maps: feature maps of the content by tap, each (1, C, Hc, Wc).
        self_similarity_tap: the one of these taps at which repetition is looked for.
        channel_weights: LPIPS' weights of the channels by tap, each (C,); none where the eye has no LPIPS.
        facts: of the picture.
        style_facts: of the style.
        votes: shares of the picture's patches that are nearest to each candidate's, the style among them.
        gram_scores: likeness of the picture's Gram matrices and each candidate's.
        recoloured_gram_scores: likewise, once the picture has the style's colours.
        layout_scores: likeness of the picture's layout and each candidate's, the content among them.
        scale: style scores of the pair's best fraud and of its known good pictures.
    """

    picture_maps: Mapping[str, Tensor]
    content_maps: Mapping[str, Tensor]
    self_similarity_tap: str
    channel_weights: Mapping[str, Tensor]
    facts: StyleFacts
    style_facts: StyleFacts
    votes: Scores
    gram_scores: Scores
    recoloured_gram_scores: Scores
    layout_scores: Scores
    scale: tuple[float, float]


def style_facts(
    maps: Sequence[Float[Tensor, "1 _ _ _"]], patch_maps: Sequence[Float[Tensor, "1 _ _ _"]], seed: int
) -> StyleFacts:
    """Return what the identification of a style needs of a picture.

    Args:
        maps: features for the Gram matrices, each (1, C, H, W).
        patch_maps: features for the patches, likewise.
        seed: of the places of the patches.

    Example:
        >>> maps = torch.ones(1, 2, 5, 5)
        >>> facts = style_facts([maps], [maps], seed=0)
        >>> facts.grams[0].tolist(), facts.patches[0].shape
        ([[1.0, 1.0], [1.0, 1.0]], torch.Size([9, 18]))
    """
    channels = [features[0].flatten(1).float() for features in maps]  # (C, HW)
    return StyleFacts(
        patches=tuple(sample_patches(features, PATCHES, seed) for features in patch_maps),
        grams=tuple(values @ values.T / values.shape[1] for values in channels),
        means=tuple(values.mean(1) for values in channels),
    )


def sample_patches(maps: Float[Tensor, "1 c h w"], count: int, seed: int) -> Float[Tensor, "n d"]:
    """Return 3 x 3 patches of feature maps at fixed random places, as rows of unit length.

    Args:
        maps: (1, C, H, W), sides from 3.
        count: how many at most; smaller maps have fewer.
        seed: of the places.

    Returns:
        (n, C * 9).
    """
    windows = maps[0].float().unfold(1, PATCH, 1).unfold(2, PATCH, 1)  # (c, rows, columns, 3, 3)
    rows, columns = windows.shape[1:3]
    place = torch.randperm(rows * columns, generator=torch.Generator().manual_seed(seed))[:count]
    patches = windows[:, place // columns, place % columns]  # (c, n, 3, 3)
    return F.normalize(patches.transpose(0, 1).flatten(1), dim=1)
