import dataclasses

import pytest
import torch
import torch.nn.functional as F

from transfer.judges.network_free import JUDGES, MAX_SIDE_PX, judge_picture
from transfer.judges.sliced_wasserstein import colour_distance, texture_distance
from transfer.judges.structure import content_similarity

NAMES = ("judge/colour", "judge/texture", "judge/content")


def smooth(seed: int, height: int, width: int) -> torch.Tensor:
    """Soft blobs in colour that look the same at every size."""
    blobs = torch.rand(1, 3, 12, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(blobs, (height, width), mode="bilinear")


def test_every_judge_says_how_to_read_it():
    assert tuple(judge.name for judge in JUDGES) == NAMES
    assert [judge.higher_is_better for judge in JUDGES] == [False, False, True]
    for judge in JUDGES:
        assert judge.range[0] < judge.range[1]
        assert judge.source
    with pytest.raises(dataclasses.FrozenInstanceError):
        JUDGES[0].name = "judge/other"


def test_the_reference_each_judge_looks_at():
    picture, content, style = smooth(0, 60, 80), smooth(1, 60, 80), smooth(2, 70, 64)
    assert judge_picture(picture, content, style) == {
        "judge/colour": colour_distance(picture, style),
        "judge/texture": texture_distance(picture, style),
        "judge/content": content_similarity(picture, content),
    }


def test_values_lie_in_the_stated_ranges():
    black_and_white = (torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    values = judge_picture(black_and_white, 1 - black_and_white, torch.zeros(1, 3, 64, 64))
    for judge in JUDGES:
        assert judge.range[0] <= values[judge.name] <= judge.range[1]
        assert abs(values[judge.name]) > 0.1


def test_large_pictures_are_judged_at_the_longer_side_allowed():
    picture, content, style = smooth(0, 500, 2 * MAX_SIDE_PX), smooth(1, 500, 2 * MAX_SIDE_PX), smooth(2, 600, 400)
    shrunk = [
        F.interpolate(x, size, mode="bilinear", antialias=True)
        for x, size in ((picture, (250, 512)), (content, (250, 512)), (style, (512, 341)))
    ]
    assert judge_picture(picture, content, style) == judge_picture(*shrunk)


def test_size_of_a_large_picture_matters_little():
    size = (384, MAX_SIDE_PX)
    triple = [smooth(seed, *size) for seed in range(3)]
    values = judge_picture(*triple)
    twice_as_large = judge_picture(*(F.interpolate(x, scale_factor=2, mode="bilinear") for x in triple))
    for name in NAMES:
        assert twice_as_large[name] == pytest.approx(values[name], rel=0.02, abs=2e-3), name


def test_content_of_another_size_is_resized_to_the_picture():
    picture, style = smooth(0, 60, 80), smooth(2, 60, 80)
    content = F.interpolate(picture, (120, 160), mode="bilinear")
    values = judge_picture(picture, content, style)
    assert values["judge/content"] > 0.99
    small = F.interpolate(picture, (30, 40), mode="bilinear", antialias=True)
    assert judge_picture(picture, small, style)["judge/content"] > 0.95


def test_the_givens_stay_as_they_are():
    givens = [smooth(seed, 64, 64) for seed in range(3)]
    copies = [given.clone() for given in givens]
    judge_picture(givens[0].requires_grad_(), *givens[1:])
    assert all(torch.equal(given, copy) for given, copy in zip(givens, copies, strict=True))


def test_refusals_name_the_picture():
    good = smooth(0, 64, 64)
    with pytest.raises(ValueError, match="style: 64 x 20 px"):
        judge_picture(good, good, smooth(1, 20, 64))
    # TypeError where the shapes of the signatures are checked (jaxtyping), which comes before our own check.
    with pytest.raises((ValueError, TypeError), match="content"):
        judge_picture(good, good[0], good)
