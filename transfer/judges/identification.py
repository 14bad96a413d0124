"""Whose style, or whose layout, does a picture have? Asked of a network's features, among candidates.

A distance to the true style alone is easily fooled: much lowers it that nobody would call a painting. To come nearer to
the true style than to everything else that was made of the same two pictures is hard without painting. `STYLE` is the
verdict of the fixed panel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nstkit.measure import Measure
from transfer.judges.evidence import TRUE_CONTENT, TRUE_STYLE, Scores, StyleFacts

LP_SOURCE = "Wang et al. 2021 (StyleEval), local patterns, as a vote among candidates"
GRAM_SOURCE = "Gatys et al. 2016, equation 3, as a cosine of centred Grams among candidates"
LAYOUT_SOURCE = "Wang et al. 2021 (StyleEval), content fidelity, among candidates"
INFINITY = float("inf")
LEAST_ENERGY = 1e-2
"""Least energy of a channel that is divided by it, in units of the channels' mean: a channel that is silent on content
and style would decide the cosine alone wherever a picture makes it answer."""


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

    Example:
        >>> a, b = (StyleFacts((patches,), (), ()) for patches in torch.eye(2)[:, None])
        >>> picture = StyleFacts((torch.tensor([[0.8, 0.6], [0.6, 0.8], [1.0, 0.0], [0.8, 0.6]]),), (), ())
        >>> vote_shares(picture, {"a": a, "b": b})
        {'a': 0.75, 'b': 0.25}
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

    Example:
        >>> a, b = (StyleFacts((), (gram,), (torch.zeros(2),)) for gram in (torch.eye(2), torch.ones(2, 2)))
        >>> {name: round(cosine, 2) for name, cosine in gram_similarities(a, {"a": a, "b": b}, (a, b)).items()}
        {'a': 1.0, 'b': 0.71}
    """
    values = dict.fromkeys(candidates, 0.0)
    for tap in range(len(picture.grams)):
        center = torch.stack([facts.means[tap] for facts in reference]).mean(0)
        energy = torch.stack([facts.grams[tap].diagonal() for facts in reference]).mean(0)
        scale = energy.clamp_min(LEAST_ENERGY * energy.mean() + 1e-12).sqrt()
        gram = _centred_gram(picture, tap, center, scale).flatten()
        for name, facts in candidates.items():
            other = _centred_gram(facts, tap, center, scale).flatten()
            values[name] += F.cosine_similarity(gram, other, dim=0).item() / len(picture.grams)
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

    Example:
        >>> both, first = (StyleFacts((patches,), (), ()) for patches in (torch.eye(2), torch.eye(2)[[0, 0]]))
        >>> local_patterns(both, both), local_patterns(first, both)
        (1.0, 0.75)
    """
    values = []
    for patches, others in zip(picture.patches, style.patches, strict=True):
        similarity, index = (patches @ others.T).max(1)
        used = len(index.unique()) / min(len(patches), len(others))
        values.append(0.5 * similarity.mean().item() + 0.5 * used)
    return sum(values) / len(values)


def gram_distance(picture: StyleFacts, style: StyleFacts) -> float:
    """Return the distance of two pictures' Grams relative to the style's, |G - Gs|_F / |Gs|_F, the mean over taps.

    Args:
        picture: the facts of the picture.
        style: the facts of the style.

    Example:
        >>> once, twice = (StyleFacts((), (factor * torch.eye(2),), ()) for factor in (1, 2))
        >>> gram_distance(twice, once), gram_distance(once, twice)
        (1.0, 0.5)
    """
    pairs = zip(picture.grams, style.grams, strict=True)
    return sum(((a - b).norm() / b.norm().clamp_min(1e-12)).item() for a, b in pairs) / len(style.grams)


LP = Measure(
    name="judge/lp",
    function=lambda evidence: local_patterns(evidence.facts, evidence.style_facts),
    unit="",
    range=(-0.5, 1.0),
    higher_is_better=True,
    source="Wang et al. 2021 (StyleEval), LP: a description",
    aspect="style",
)
GRAM = Measure(
    name="judge/gram",
    function=lambda evidence: gram_distance(evidence.facts, evidence.style_facts),
    unit="",
    range=(0.0, INFINITY),
    higher_is_better=False,
    source="Gatys et al. 2016, relative: a description",
    aspect="style",
)


def margin_of(scores: Scores, name: str) -> float:
    """Return a candidate's score minus the best other one's: above 0 where it was identified.

    Raises:
        ValueError: there is no other candidate.

    Example:
        >>> margin_of({"style": 0.75, "noise": 0.25, "blend": 0.5}, "style")
        0.25
    """
    others = [score for other, score in scores.items() if other != name]
    if not others:
        raise ValueError(f"'{name}' is the only candidate; identification needs two.")
    return scores[name] - max(others)


def rank_of(scores: Scores, name: str) -> float:
    """Return a candidate's rank by score, 1 = best; a tie counts against it.

    Example:
        >>> rank_of({"style": 0.5, "noise": 0.25, "blend": 0.5}, "style")
        2.0
    """
    return 1.0 + sum(score >= scores[name] for other, score in scores.items() if other != name)


STYLE_MARGIN_LP = Measure(
    name="judge/style_margin/lp",
    function=lambda evidence: margin_of(evidence.votes, TRUE_STYLE),
    unit="share of patches",
    range=(-1.0, 1.0),
    higher_is_better=True,
    source=LP_SOURCE,
    aspect="style",
)
STYLE_RANK_LP = Measure(
    name="judge/style_rank/lp",
    function=lambda evidence: rank_of(evidence.votes, TRUE_STYLE),
    unit="rank",
    range=(1.0, INFINITY),
    higher_is_better=False,
    source=LP_SOURCE,
    aspect="style",
)
STYLE_MARGIN_GRAM = Measure(
    name="judge/style_margin/gram",
    function=lambda evidence: margin_of(evidence.gram_scores, TRUE_STYLE),
    unit="cosine",
    range=(-2.0, 2.0),
    higher_is_better=True,
    source=GRAM_SOURCE,
    aspect="style",
)
STYLE_RANK_GRAM = Measure(
    name="judge/style_rank/gram",
    function=lambda evidence: rank_of(evidence.gram_scores, TRUE_STYLE),
    unit="rank",
    range=(1.0, INFINITY),
    higher_is_better=False,
    source=GRAM_SOURCE,
    aspect="style",
)
STYLE_MARGIN_RECOLOURED = Measure(
    name="judge/style_margin/recoloured",
    function=lambda evidence: margin_of(evidence.recoloured_gram_scores, TRUE_STYLE),
    unit="cosine",
    range=(-2.0, 2.0),
    higher_is_better=True,
    source=f"{GRAM_SOURCE}; the picture is first given the style's colours",
    aspect="style",
)
CONTENT_MARGIN_LAYOUT = Measure(
    name="judge/content_margin/layout",
    function=lambda evidence: margin_of(evidence.layout_scores, TRUE_CONTENT),
    unit="cosine",
    range=(-2.0, 2.0),
    higher_is_better=True,
    source=LAYOUT_SOURCE,
    aspect="content",
)
CONTENT_RANK_LAYOUT = Measure(
    name="judge/content_rank/layout",
    function=lambda evidence: rank_of(evidence.layout_scores, TRUE_CONTENT),
    unit="rank",
    range=(1.0, INFINITY),
    higher_is_better=False,
    source=LAYOUT_SOURCE,
    aspect="content",
)


LIKENESS_SHARE = 0.5
"""Weight of the score itself against the margin. By margins alone a picture that is like nothing, such as another
photograph, stands beside the good ones, which are as like their best fraud as their style: with it the AUC of the fixed
panel over 7 published pairs at 192 px rose from .977 to .992, that of each eye likewise, and 0.5 to 1 were alike."""
SPREADS = {STYLE_MARGIN_LP.name: 0.57, STYLE_MARGIN_GRAM.name: 0.28}
"""Standard deviations, over pictures good and bad, of margin plus share of the score, by patches and by Grams: each is
divided by its own before the mean is taken, or patches would weigh three to five times what Grams do.

Measured over 126 pictures, 18 kinds of `transfer.judges.validation` of each of 7 published pairs at 192 px: Gabor bank
.584 / .222, carried judge .587 / .299, ImageNet SqueezeNet .532 / .304. So one pair of numbers serves every eye.
"""
LEAST_RANGE = 0.25
"""Least distance of good pictures from the best fraud: seven pairs had .7 or more, a flat style has none."""


def style_score(votes: Scores, gram_scores: Scores) -> float:
    """Return how surely a picture is identified as the style's, by patches and by Grams, in units of their spread.

    Args:
        votes: shares of patches by candidate.
        gram_scores: cosines of Grams by candidate.
    """
    parts = {STYLE_MARGIN_LP: votes, STYLE_MARGIN_GRAM: gram_scores}
    values = [
        (margin_of(scores, TRUE_STYLE) + LIKENESS_SHARE * scores[TRUE_STYLE]) / SPREADS[measure.name]
        for measure, scores in parts.items()
    ]
    return sum(values) / len(values)


def place_on_scale(value: float, scale: tuple[float, float]) -> float:
    """Return where a value stands between the pair's best fraud, 0, and the mean of its known good pictures, 1.

    Pairs differ in how far apart these two lie, and margins with them. Compare pictures within a pair, and across pairs
    their differences: at 192 px (4 pairs, 5 painters) the standard deviation between pairs is still .29 of that between
    painters, .32 by the two margins alone. 0 is no ceiling of frauds: random networks' pictures stand at -0.1 to 0.4.

    Args:
        value: of the picture, as `style_score` has it.
        scale: those of the best fraud and of the good pictures.

    Source: Cheng et al. 2021, Style-aware normalized loss for improving arbitrary style transfer, section 4 (a loss is
        divided by its bounds for the style at hand).

    Example:
        >>> place_on_scale(-0.5, (-2.0, 1.0))
        0.5
    """
    fraud, good = scale
    return (value - fraud) / max(good - fraud, LEAST_RANGE)


STYLE_OF_EYE = Measure(
    name="judge/style",
    function=lambda evidence: place_on_scale(style_score(evidence.votes, evidence.gram_scores), evidence.scale),
    unit="fraud 0, good 1",
    range=(-INFINITY, INFINITY),
    higher_is_better=True,
    source="style identification by patches and Grams, placed between the best fraud and good pictures of the pair",
    aspect="style",
)


def style_verdict(values: Mapping[str, float]) -> float:
    """Return the mean of what the fixed judges say of the style.

    All of them count, also one that failed a part of its test: they make up for each other's weaknesses (the Gabor bank
    tells under-stylized pictures best, the carried judge repeats itself best), the mean is tested as they are, and a
    number whose meaning changed with each table of tests could not be compared with itself.

    Args:
        values: of `judge/style@LABEL` by this name, for each of them.

    Example:
        >>> style_verdict({"judge/style@a": 0.5, "judge/style@b": 0.25})
        0.375
    """
    return sum(values.values()) / len(values)


STYLE = replace(
    STYLE_OF_EYE, function=style_verdict, source=f"{STYLE_OF_EYE.source}; the mean over the judges of the fixed panel"
)
