"""Whose style, or whose layout, does a picture have? Asked of a network's features, among candidates.

A distance to the true style alone is easily fooled: much lowers it that nobody would call a painting. To come nearer to
the true style than to everything else that was made of the same two pictures is hard without painting.
"""

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


@dataclass(frozen=True)
class StyleFacts:
    """What is kept of a picture's features for identification; one entry a tap.

    Attributes:
        patches: each (n, C * 9), unit length.
        grams: each (C, C), not centred.
        means: each (C,).
    """

    patches: tuple[Tensor, ...]
    grams: tuple[Tensor, ...]
    means: tuple[Tensor, ...]


def style_facts(
    maps: Sequence[Float[Tensor, "1 _ _ _"]], patch_maps: Sequence[Float[Tensor, "1 _ _ _"]], seed: int
) -> StyleFacts:
    """Return what identification needs of a picture.

    Args:
        maps: features for the Grams, each (1, C, H, W).
        patch_maps: features for the patches, likewise.
        seed: of the places of the patches.
    """
    flat = [each[0].flatten(1).float() for each in maps]  # (C, HW)
    return StyleFacts(
        patches=tuple(sample_patches(each, PATCHES, seed) for each in patch_maps),
        grams=tuple(each @ each.T / each.shape[1] for each in flat),
        means=tuple(each.mean(1) for each in flat),
    )


def sample_patches(maps: Float[Tensor, "1 c h w"], count: int, seed: int) -> Float[Tensor, "n d"]:
    """Return 3 x 3 patches of feature maps at fixed random places, as rows of unit length; at most `count`."""
    windows = maps[0].float().unfold(1, PATCH, 1).unfold(2, PATCH, 1)  # (c, rows, columns, 3, 3)
    rows, columns = windows.shape[1:3]
    place = torch.randperm(rows * columns, generator=torch.Generator().manual_seed(seed))[:count]
    patches = windows[:, place // columns, place % columns]  # (c, n, 3, 3)
    return F.normalize(patches.transpose(0, 1).flatten(1), dim=1)


def vote_shares(picture: StyleFacts, candidates: Mapping[str, StyleFacts]) -> dict[str, float]:
    """Return for each candidate the share of the picture's patches whose nearest patch of all candidates is its.

    Args:
        picture: the facts of the picture.
        candidates: the facts of each candidate, from the same taps.

    Returns:
        Shares by name, which add up to 1; the mean over taps.

    Source: Wang et al. 2021, Evaluate and improve the quality of neural style transfer (StyleEval), local patterns.
    Differs: they report the mean cosine to the nearest patch of the one style. Here the candidates compete for each
        patch: that has a unit, and a patch that is near to everything decides nothing.
    """
    names, total = list(candidates), torch.zeros(len(candidates))
    for tap, patches in enumerate(picture.patches):
        count = min(len(candidates[name].patches[tap]) for name in names)
        nearest = torch.stack([(patches @ candidates[name].patches[tap][:count].T).amax(1) for name in names])
        total += nearest.argmax(0).bincount(minlength=len(names)).cpu() / len(patches)
    return dict(zip(names, (total / len(picture.patches)).tolist(), strict=True))


def gram_similarities(
    picture: StyleFacts, candidates: Mapping[str, StyleFacts], reference: Sequence[StyleFacts]
) -> dict[str, float]:
    """Return for each candidate the cosine of its centred Gram and the picture's, in [-1, 1], the mean over taps.

    Channels are centred on the mean, and divided by the root mean square, that they have in the `reference` pictures:
    the cosine of plain Grams is above 0.9 for any two pictures, since a few strong channels decide it.

    Args:
        picture: the facts of the picture.
        candidates: the facts of each candidate, from the same taps.
        reference: the facts of content and style, the same for all candidates.

    Source: Gatys, Ecker & Bethge 2016, equation 3 (Gram); StyleEval's GE takes their cosine.
    """
    values = dict.fromkeys(candidates, 0.0)
    for tap in range(len(picture.grams)):
        center = torch.stack([each.means[tap] for each in reference]).mean(0)
        energy = torch.stack([each.grams[tap].diagonal() for each in reference]).mean(0)
        scale = energy.clamp_min(1e-6 * energy.mean() + 1e-12).sqrt()
        own = _centred_gram(picture, tap, center, scale)
        for name, facts in candidates.items():
            other = _centred_gram(facts, tap, center, scale)
            values[name] += F.cosine_similarity(own.flatten(), other.flatten(), dim=0).item() / len(picture.grams)
    return values


def _centred_gram(facts: StyleFacts, tap: int, center: Tensor, scale: Tensor) -> Tensor:
    """Return the Gram of (F - center) / scale, which needs the plain Gram and the mean only."""
    cross = torch.outer(facts.means[tap], center)
    return (facts.grams[tap] - cross - cross.T + torch.outer(center, center)) / torch.outer(scale, scale)


def local_patterns(picture: StyleFacts, style: StyleFacts) -> float:
    """Return how well a picture's patches match the style's, and how many of these they use, in [-0.5, 1].

    Args:
        picture: the facts of the picture.
        style: the facts of the style.

    Returns:
        Half the mean cosine to the nearest style patch plus half the share of style patches that are somebody's
        nearest, the mean over taps. No unit, higher is nearer.

    Source: Wang et al. 2021 (StyleEval), LP.
    Differs: on a fixed sample of patches, and the share is of as many patches as could be used.
    """
    values = []
    for patches, others in zip(picture.patches, style.patches, strict=True):
        similarity, index = (patches @ others.T).max(1)
        used = len(index.unique()) / min(len(patches), len(others))
        values.append(0.5 * similarity.mean().item() + 0.5 * used)
    return sum(values) / len(values)


def gram_distance(picture: StyleFacts, style: StyleFacts) -> float:
    """Return the distance of two pictures' Grams relative to the style's, |G - Gs|_F / |Gs|_F, the mean over taps."""
    pairs = zip(picture.grams, style.grams, strict=True)
    return sum(((a - b).norm() / b.norm().clamp_min(1e-12)).item() for a, b in pairs) / len(style.grams)


def margin_of(scores: Mapping[str, float], name: str) -> float:
    """Return a candidate's score minus the best other one's: above 0 where it was identified.

    Raises:
        ValueError: there is no other candidate.
    """
    others = [score for other, score in scores.items() if other != name]
    if not others:
        raise ValueError(f"'{name}' is the only candidate; identification needs two.")
    return scores[name] - max(others)


def rank_of(scores: Mapping[str, float], name: str) -> float:
    """Return a candidate's rank by score, 1 = best; a tie counts against it."""
    return 1.0 + sum(score >= scores[name] for other, score in scores.items() if other != name)
