import math

import numpy as np
import pytest
import torch

from transfer.judges.evidence import Evidence, StyleFacts, style_facts
from transfer.judges.identification import (
    CONTENT_MARGIN_LAYOUT,
    CONTENT_RANK_LAYOUT,
    GRAM,
    LIKENESS_SHARE,
    LP,
    SPREADS,
    STYLE,
    STYLE_MARGIN_GRAM,
    STYLE_MARGIN_LP,
    STYLE_MARGIN_RECOLOURED,
    STYLE_RANK_GRAM,
    STYLE_RANK_LP,
    gram_distance,
    gram_similarities,
    local_patterns,
    margin_of,
    place_on_scale,
    rank_of,
    style_score,
    style_verdict,
    vote_shares,
)


def maps(seed: int, channels: int = 6, size: int = 12, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(seed))


def facts_of(*features: torch.Tensor, seed: int = 0) -> StyleFacts:
    return style_facts(features, features, seed)


def test_votes_against_a_loop():
    picture, candidates = facts_of(maps(0)), {name: facts_of(maps(seed)) for seed, name in enumerate("abc", start=1)}
    nearest = [
        max("abc", key=lambda name: float((candidates[name].patches[0] @ patch).max())) for patch in picture.patches[0]
    ]
    shares = vote_shares(picture, candidates)
    assert shares == pytest.approx({name: nearest.count(name) / len(nearest) for name in "abc"})
    assert sum(shares.values()) == pytest.approx(1)


def test_candidate_with_more_patches_has_no_advantage():
    small, large = facts_of(maps(1, size=6)), facts_of(maps(2, size=40))
    shares = vote_shares(facts_of(maps(0, size=30)), {"small": small, "large": large})
    assert 0.3 < shares["small"] < 0.7


def test_gram_cosine_against_numpy():
    picture, content, style = maps(0), maps(1), maps(2)
    flat = {name: x[0].flatten(1).double().numpy() for name, x in zip("pcs", (picture, content, style), strict=True)}
    center = (flat["c"].mean(1) + flat["s"].mean(1))[:, None] / 2
    scale = np.sqrt(((flat["c"] ** 2).mean(1) + (flat["s"] ** 2).mean(1)) / 2)[:, None]
    grams = {name: ((x - center) / scale) @ ((x - center) / scale).T for name, x in flat.items()}
    expected = (grams["p"] * grams["s"]).sum() / np.linalg.norm(grams["p"]) / np.linalg.norm(grams["s"])
    facts = [facts_of(x) for x in (content, style)]
    values = gram_similarities(facts_of(picture), {"style": facts[1]}, facts)
    assert values["style"] == pytest.approx(expected, abs=1e-4)


def test_gram_cosine_does_not_see_places_or_channel_scales():
    features = [maps(seed) for seed in range(3)]
    order = torch.randperm(144, generator=torch.Generator().manual_seed(9))
    moved = features[0].flatten(2)[..., order].view_as(features[0])
    factors = torch.logspace(-0.5, 0.5, 6).view(1, 6, 1, 1)

    def value(picture, content, style):
        facts = facts_of(style)
        return gram_similarities(facts_of(picture), {"s": facts}, (facts_of(content), facts))["s"]

    assert value(moved, *features[1:]) == pytest.approx(value(*features), abs=1e-4)
    assert value(*(factors * each for each in features)) == pytest.approx(value(*features), abs=1e-3)


def test_dead_channels_and_flat_maps_give_numbers():
    flat, dead = torch.zeros(1, 6, 12, 12), maps(0) * (torch.arange(6) > 2).view(1, 6, 1, 1)
    for picture in (flat, dead):
        for other in (flat, dead, maps(1)):
            a, b = facts_of(picture), facts_of(other)
            values = [*gram_similarities(a, {"b": b}, (a, b)).values(), *vote_shares(a, {"b": b}).values()]
            values += [local_patterns(a, b), gram_distance(a, b)]
            assert np.isfinite(values).all()


def test_a_channel_that_only_the_picture_fires_does_not_decide():
    silent = torch.ones(1, 6, 1, 1)
    silent[:, 0] = 1e-6
    content, style, other = (facts_of(maps(seed) * silent) for seed in (1, 2, 3))
    loud = maps(2) * silent
    loud[:, 0] = 0.02 * maps(9)[:, 0]  # 2 % of the others
    quiet, loud = facts_of(maps(2) * silent), facts_of(loud)
    candidates = {"style": style, "other": other}
    without, with_it = (gram_similarities(facts, candidates, (content, style)) for facts in (quiet, loud))
    assert with_it["style"] == pytest.approx(without["style"], abs=0.05)


def test_a_picture_is_identified_as_itself():
    candidates = {name: facts_of(maps(seed), maps(seed, 4, 9)) for seed, name in enumerate("abcd")}
    for name in "abcd":
        own = candidates[name]
        for scores in (vote_shares(own, candidates), gram_similarities(own, candidates, (own, candidates["a"]))):
            assert rank_of(scores, name) == 1
            assert margin_of(scores, name) > 0


def test_local_patterns_fall_when_one_patch_is_repeated():
    style = facts_of(maps(0))
    repeated = maps(0)[..., :3, :3].repeat(1, 1, 4, 4)
    assert local_patterns(style, style) == pytest.approx(1, abs=1e-5)
    assert local_patterns(facts_of(repeated), style) < 0.75


def test_gram_distance_by_hand():
    assert gram_distance(facts_of(maps(0, scale=2.0)), facts_of(maps(0))) == pytest.approx(3, abs=1e-4)


def test_margin_and_rank():
    scores = {"a": 0.5, "b": 0.75, "c": 0.5}
    assert [rank_of(scores, name) for name in "abc"] == [3, 1, 3]  # a tie counts against both
    assert margin_of(scores, "b") == 0.25
    assert margin_of(scores, "a") == -0.25
    with pytest.raises(ValueError, match="only candidate"):
        margin_of({"a": 1.0}, "a")


def test_each_measure_looks_at_its_own_scores():
    facts, style = facts_of(maps(0)), facts_of(maps(1))
    evidence = Evidence(
        picture_maps={},
        content_maps={},
        self_similarity_tap="",
        channel_weights={},
        facts=facts,
        style_facts=style,
        votes={"style": 0.75, "noise": 0.25},
        gram_scores={"style": 0.5, "noise": 0.625, "blend": 0.25},
        recoloured_gram_scores={"style": 0.5, "noise": 0.375},
        layout_scores={"content": 0.25, "mirrored": 0.5, "shuffled": 0.75},
        scale=(-2.0, 1.0),
    )
    expected = {
        STYLE_MARGIN_LP: 0.5,
        STYLE_RANK_LP: 1,
        STYLE_MARGIN_GRAM: -0.125,
        STYLE_RANK_GRAM: 2,
        STYLE_MARGIN_RECOLOURED: 0.125,
        CONTENT_MARGIN_LAYOUT: -0.5,
        CONTENT_RANK_LAYOUT: 3,
        LP: local_patterns(facts, style),
        GRAM: gram_distance(facts, style),
    }
    assert {measure.name: measure.function(evidence) for measure in expected} == {
        measure.name: value for measure, value in expected.items()
    }


def test_patches_and_grams_weigh_by_their_spread():
    votes, grams = {"style": 0.25, "noise": 0.75}, {"style": 0.5, "noise": 0.25}
    lp, gram = (SPREADS[measure.name] for measure in (STYLE_MARGIN_LP, STYLE_MARGIN_GRAM))
    parts = (-0.5 + LIKENESS_SHARE * 0.25, 0.25 + LIKENESS_SHARE * 0.5)
    assert style_score(votes, grams) == pytest.approx((parts[0] / lp + parts[1] / gram) / 2)


def test_a_picture_that_is_like_nothing_is_below_one_that_is_like_style_and_fraud():
    nothing, torn = ({"style": score, "noise": score} for score in (0.05, 0.5))
    assert style_score(nothing, nothing) < style_score(torn, torn)


def test_place_is_0_for_the_best_fraud_and_1_for_good_pictures_of_whatever_pair():
    for scale in ((-3.0, 1.0), (-0.5, 0.5)):
        assert [place_on_scale(value, scale) for value in (*scale, sum(scale) / 2)] == [0, 1, 0.5]
    assert math.isfinite(place_on_scale(-1.0, (0.0, 0.0)))  # a flat style is as good as its frauds
    assert place_on_scale(-1.0, (0.5, 0.0)) < place_on_scale(0.5, (0.5, 0.0))  # and where it is below, the order stays


def test_the_verdict_is_the_mean_of_the_panel_whatever_the_table_says_of_each():
    values = {"judge/style@a": 0.5, "judge/style@b": 0.125, "judge/style@c": 0.25}
    assert STYLE.function(values) == style_verdict(values) == pytest.approx((0.5 + 0.125 + 0.25) / 3)
