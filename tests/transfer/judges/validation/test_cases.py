from dataclasses import replace

import pytest
import torch

from transfer.judges.candidates import altered_contents, style_frauds
from transfer.judges.frauds import blur
from transfer.judges.validation.cases import BLENDED_SHARES, KINDS, Case, Subject, make_cases


def waves(seed, height, width):
    coarse = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")


@pytest.fixture(scope="module")
def subject():
    results = (waves(4, 48, 64), waves(5, 48, 64))
    return Subject("a-b", waves(0, 48, 64), waves(1, 60, 60), waves(2, 50, 50), waves(3, 64, 48), *results)


@pytest.fixture(scope="module")
def cases(subject):
    return list(make_cases(subject))


def test_every_kind_without_a_network_is_there_once(cases):
    main = [case.kind for case in cases if not case.series]
    assert sorted(main) == sorted(set(KINDS) - {"painting", "synthesis", "random_network", "other_painting"})


def test_each_aspect_has_good_pictures_and_frauds_in_every_pair(cases):
    for aspect in ("style", "content", "artefacts"):
        expected = [case.expected(aspect) for case in cases if not case.series]
        assert expected.count(True) >= 2
        assert expected.count(False) >= 5


def test_pictures_are_pictures_and_differ(cases):
    for case in cases:
        assert case.picture.shape[:2] == (1, 3)
        assert case.picture.isfinite().all()
        assert case.picture.min() >= 0
        assert case.picture.max() <= 1
    main = [case.picture for case in cases if not case.series]
    same_size = [picture for picture in main if picture.shape == main[0].shape]
    for number, picture in enumerate(same_size):
        assert all((picture - other).abs().mean() > 1e-3 for other in same_size[:number])


def test_doses_run_from_the_content_to_the_quilt(cases, subject):
    doses = [case for case in cases if case.series == "dose/quilt"]
    assert [case.amount for case in doses] == list(BLENDED_SHARES)
    quilt = next(case.picture for case in cases if case.kind == "quilt" and not case.series)
    assert doses[0].picture is subject.content
    assert doses[-1].picture is quilt
    assert torch.allclose(doses[2].picture, (subject.content + quilt) / 2)


def test_size_and_exposure_change_all_three_pictures(cases, subject):
    larger = next(case for case in cases if case.series == "size" and case.amount == 1.5)
    assert larger.picture.shape[-2:] == larger.content.shape[-2:] == (72, 96)
    assert larger.style.shape[-2:] == (90, 90)
    darker = next(case for case in cases if case.series == "exposure" and case.amount == 0.8)
    assert darker.style.mean() < subject.style.mean()
    assert {case.kind for case in cases if case.series in ("size", "exposure")} == {"content", "quilt"}


def test_published_is_left_out_where_there_is_none(subject):
    kinds = {case.kind for case in make_cases(replace(subject, published=None, other_published=None))}
    assert not {"published", "other_published"} & kinds


def test_a_wash_keeps_the_photographs_light(cases, subject):
    washed = next(case.picture for case in cases if case.kind == "washed")
    quilt = next(case.picture for case in cases if case.kind == "quilt" and not case.series)
    light, fine = blur(washed) - blur(subject.content), washed - blur(washed)
    assert light.abs().mean() < 0.1 * (blur(quilt) - blur(subject.content)).abs().mean()
    strokes = quilt - blur(quilt)
    assert torch.corrcoef(torch.stack([fine.flatten(), strokes.flatten()]))[0, 1] > 0.6


def test_judges_hold_what_they_were_told_of(subject):
    held = style_frauds(subject.content, subject.style)
    told = {kind for kind, about in KINDS.items() if about.told == "style"}
    assert told == {"content", "recoloured", "blend_25", "blend_50", "noise", "noisy_content", "scrambled"}
    wanted = {"content", "recoloured content", "blend", "noise", "noisy content", "scrambled style"}
    assert wanted <= set(held)
    assert KINDS["mirrored"].told == "content"
    assert "mirrored content" in altered_contents(subject.content)


def test_expectations_are_those_of_the_kind(subject):
    case = Case("a-b", "blend_50", subject.content, subject.content, subject.style)
    assert [case.expected(aspect) for aspect in ("style", "content", "artefacts")] == [False, None, False]
