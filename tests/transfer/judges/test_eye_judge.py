import dataclasses

import pytest
import torch
import torch.nn.functional as F

from transfer.judges.candidates import BEST_FRAUD, altered_contents, judged_pair, style_frauds
from transfer.judges.content import CFSD, self_similarity_distance
from transfer.judges.eye_judge import EYE_MEASURES, EyeJudge, Rival
from transfer.judges.gabor_bank import GaborBank
from transfer.judges.identification import STYLE_OF_EYE
from transfer.judges.perceptual import LPIPS, perceptual_distance


def picture(seed: int, height: int = 48, width: int = 64) -> torch.Tensor:
    blobs = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(blobs, (height, width), mode="bilinear")


PICTURE, CONTENT, STYLE = picture(0), picture(1), picture(2, 64, 48)
PAIR = judged_pair(CONTENT, STYLE)


@pytest.fixture
def judge(backbone):
    return EyeJudge("tiny", backbone)


@pytest.fixture
def evidence(judge):
    return judge.look(PICTURE, PAIR, {}, {})


def test_taps_are_chosen_by_their_strides(judge):
    strides = {name: judge.eye.taps[name].stride for name in judge.taps}
    assert {name: strides[name] for name in judge.style_taps} == {
        "relu1_1": 1,
        "relu2_1": 2,
        "relu3_1": 4,
        "relu4_1": 8,
    }
    assert judge.patch_taps == ["relu3_1", "relu4_1"]
    assert (strides[judge.layout_tap], strides[judge.self_similarity_tap]) == (8, 4)


def test_deep_taps_are_taken_where_there_are_no_others(backbone):
    backbone.style_taps = ("relu5_1",)
    judge = EyeJudge("deep", backbone)
    assert judge.style_taps == judge.patch_taps == ["relu5_1"]
    assert judge.layout_tap == judge.self_similarity_tap == "relu5_1"


def test_values_are_those_of_the_measures_of_what_was_seen(judge, evidence):
    values = judge.judge(PICTURE, PAIR, {}, {})
    assert values == {f"{measure.name}@tiny": measure.function(evidence) for measure in EYE_MEASURES}
    assert list(values) == [measure.name for measure in judge.measures]


def test_candidates_are_the_pair_and_its_frauds(evidence):
    frauds = {f"{name} (fraud)" for name in style_frauds(CONTENT, STYLE)}
    for scores in (evidence.votes, evidence.gram_scores, evidence.recoloured_gram_scores):
        assert set(scores) == {"style", *frauds}
    altered = {f"{name} (altered)" for name in altered_contents(CONTENT)}
    assert set(evidence.layout_scores) == {"content", "style", *altered}
    assert sum(evidence.votes.values()) == pytest.approx(1)


def test_rivals_are_candidates_and_looked_at_once(judge, monkeypatch):
    rivals = {"other": Rival(picture(3), "one"), "again": Rival(picture(3), "one")}
    first = judge.look(PICTURE, PAIR, rivals, rivals)
    assert {"style other", "style again"} < set(first.votes)
    assert {"content other", "content again"} < set(first.layout_scores)
    seen = []
    features = judge.eye.features
    monkeypatch.setattr(judge.eye, "features", lambda image, taps: seen.append(image) or features(image, taps))
    second = judge.look(PICTURE, PAIR, rivals, rivals)
    assert not any(image is rivals[name].picture for image in seen for name in rivals)
    assert second.layout_scores == first.layout_scores
    assert second.gram_scores == first.gram_scores


@pytest.mark.parametrize("eye", ["network", "bank"])
def test_style_of_an_eye_is_0_for_the_best_fraud_and_1_for_good_pictures(eye, backbone):
    judge = EyeJudge("tiny", backbone if eye == "network" else GaborBank())

    def place(picture):
        return STYLE_OF_EYE.function(judge.look(picture, PAIR, {}, {}))

    assert place(PAIR.frauds[BEST_FRAUD]) == pytest.approx(0, abs=1e-6)
    assert sum(map(place, PAIR.goods.values())) / len(PAIR.goods) == pytest.approx(1)
    assert place(PAIR.content) < 0.5


def test_a_pair_is_looked_at_once_whatever_is_judged(judge, monkeypatch):
    first = judge.judge(PICTURE, PAIR, {}, {})
    seen = []
    features = judge.eye.features
    monkeypatch.setattr(judge.eye, "features", lambda image, taps: seen.append(image) or features(image, taps))
    assert judge.judge(PICTURE, judged_pair(CONTENT, STYLE), {}, {}) == first
    assert len(seen) == 2  # the picture, and the picture in the style's colours
    judge.look(PICTURE, judged_pair(STYLE, CONTENT), {}, {})
    assert len(seen) > 15


def test_distances_to_the_content_are_of_its_own_features(judge, evidence):
    ours, target = (judge.eye.features(image, judge.taps) for image in (PICTURE, CONTENT))
    tap = judge.self_similarity_tap
    assert CFSD.function(evidence) == pytest.approx(self_similarity_distance(ours[tap], target[tap]))


def test_lpips_only_where_the_network_has_weights_for_it(judge, backbone):
    assert LPIPS.name not in {measure.name.partition("@")[0] for measure in judge.measures}
    weights = {"relu2_1": torch.linspace(0, 1, backbone.taps["relu2_1"].channels)}
    learned = EyeJudge("tiny", backbone, weights)
    values = learned.judge(PICTURE, PAIR, {}, {})
    assert list(values)[-1] == "judge/lpips@tiny"
    ours, target = (backbone.features(image, weights) for image in (PICTURE, CONTENT))
    assert values["judge/lpips@tiny"] == pytest.approx(perceptual_distance(ours, target, weights))


def test_measures_keep_all_but_their_names(judge):
    for measure, named in zip(EYE_MEASURES, judge.measures, strict=True):
        assert dataclasses.replace(named, name=measure.name) == measure
