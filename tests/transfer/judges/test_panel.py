import dataclasses
import math
from typing import get_args

import pytest
import torch
import torch.nn.functional as F

from nstkit.backbones.spec import parse_backbone
from nstkit.measure import Aspect
from nstkit.pictures.tensors import to_tensor
from nstkit.runs import MEASURE_KEYS
from nstkit.sample import sample_content, sample_style
from transfer.judges.artefacts import GUARDS
from transfer.judges.colour import COLOUR
from transfer.judges.content import CONTENT
from transfer.judges.eye_judge import EyeJudge
from transfer.judges.gabor_bank import GaborBank
from transfer.judges.panel import DESCRIPTIONS, Panel, judging_size, load_panel
from transfer.judges.texture import TEXTURE

CPU = torch.device("cpu")
SIZE_PX = 128


@pytest.fixture(scope="module")
def content():
    return to_tensor(sample_content(), SIZE_PX)


@pytest.fixture(scope="module")
def style():
    return to_tensor(sample_style(192))[..., :SIZE_PX, :SIZE_PX]


@pytest.fixture(scope="module")
def judges():
    return load_panel(["carried"], device=CPU)


@pytest.fixture(scope="module")
def alone():
    """Judges without a network."""
    return Panel(CPU)


@pytest.fixture(scope="module")
def of_style(judges, content, style):
    """What the judges say of another part of the style."""
    return judges.judge(to_tensor(sample_style(192))[..., 64:, 64:], content, style)


@pytest.fixture(scope="module")
def of_noise(judges, content, style):
    noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(3))
    return judges.judge((content + 0.1 * noise).clamp(0, 1), content, style)


def test_values_are_those_of_the_measures(judges, of_style):
    assert list(of_style) == [measure.name for measure in judges.measures]
    for measure in judges.measures:
        assert measure.range[0] - 1e-5 <= of_style[measure.name] <= measure.range[1] + 1e-5, measure.name
        assert measure.source
    assert {key for key in MEASURE_KEYS if key.startswith("judge/")} <= set(of_style)
    assert {name.partition("@")[2] for name in of_style if "@" in name} == {"gabor", "carried-judge", "carried"}


def test_values_without_a_network_are_those_of_the_measures_alone(of_noise, content, style):
    noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(3))
    triple = ((content + 0.1 * noise).clamp(0, 1), content, style)
    for measure in (*DESCRIPTIONS, *GUARDS):
        assert of_noise[measure.name] == measure.function(*triple)


def test_every_judge_says_how_to_read_it(judges):
    names = [measure.name for measure in judges.measures]
    assert len(set(names)) == len(names)
    for measure in judges.measures:
        assert measure.range[0] < measure.range[1]
        assert measure.source
        assert measure.aspect in get_args(Aspect)
        assert measure.aspect != "extractor"
    with pytest.raises(dataclasses.FrozenInstanceError):
        judges.measures[0].name = "judge/other"


def test_values_lie_in_the_stated_ranges(alone):
    black_and_white = (torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    values = alone.judge(black_and_white, 1 - black_and_white, torch.zeros(1, 3, 64, 64))
    for measure in alone.measures:
        assert measure.range[0] <= values[measure.name] <= measure.range[1]
    for measure in (COLOUR, TEXTURE, CONTENT):
        assert abs(values[measure.name]) > 0.1


def test_the_givens_stay_as_they_are(alone, content, style):
    givens = [content.clone(), content, style]
    copies = [image.clone() for image in givens]
    alone.judge(givens[0].requires_grad_(), *givens[1:])
    assert all(torch.equal(image, copy) for image, copy in zip(givens, copies, strict=True))


def test_content_of_another_size_is_resized_to_the_picture(alone, content, style):
    larger = F.interpolate(content, scale_factor=2, mode="bilinear")
    values = alone.judge(content, larger, style)
    assert values["judge/content"] > 0.99
    assert values["judge/artefacts"] < 0.01


def test_style_is_told_from_noise(of_style, of_noise):
    assert of_style["judge/style"] > of_noise["judge/style"] + 0.3
    assert of_style["judge/style_rank/gram@carried"] < of_noise["judge/style_rank/gram@carried"]
    assert of_noise["judge/artefacts"] > 0.5
    assert of_noise["judge/content_rank/layout@carried"] == 1
    assert of_style["judge/cfsd@carried"] > of_noise["judge/cfsd@carried"]


def test_blend_is_given_away(judges, of_style, content, style):
    stretched = F.interpolate(style, content.shape[-2:], mode="bilinear", antialias=True)
    values = judges.judge((content + stretched) / 2, content, style)
    assert values["judge/artefacts"] == 1
    assert values["judge/style"] < of_style["judge/style"] - 0.2


def test_flat_picture_gets_numbers(judges, content, style):
    values = judges.judge(torch.full_like(content, 0.5), content, style)
    assert all(math.isfinite(value) for value in values.values())


def test_other_styles_are_candidates_and_the_own_one_is_not(judges, content, style):
    other = F.interpolate(torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0)), (SIZE_PX, SIZE_PX))
    ranks = [
        dataclasses.replace(judges, styles=styles).judge(other, content, style)["judge/style_rank/gram@carried"]
        for styles in ({"own": style}, {"own": style, "other": other})
    ]
    assert ranks[1] == ranks[0] + 1


def test_painter_does_not_judge():
    own = load_panel(["vgg11@random", "vgg11@random:1"], painter=parse_backbone("vgg11@random"), device=CPU)
    assert [eye.label for eye in own.beside] == ["vgg11-random1"]
    assert own.absent == ("vgg11-random0",)
    assert own.notes == ("vgg11-random0 painted, so it does not judge",)


def test_default_judges_need_no_network_access(monkeypatch):
    monkeypatch.setattr("transfer.judges.networks.local_specs", lambda: {"mine": parse_backbone("vgg11@random")})
    assert [eye.label for eye in load_panel(device=CPU).beside] == ["mine"]


def test_verdict_is_the_fixed_judges_whatever_painted_and_whoever_judges_beside_them(judges, of_style, content, style):
    fixed = load_panel(["fixed"], painter=parse_backbone("carried"), device=CPU)
    values = fixed.judge(to_tensor(sample_style(192))[..., 64:, 64:], content, style)
    assert values["judge/style"] == of_style["judge/style"]
    of_fixed = [of_style[f"judge/style@{eye.label}"] for eye in judges.fixed]
    assert values["judge/style"] == pytest.approx(sum(of_fixed) / 2)
    assert "judge/style@carried" in of_style
    assert "judge/style@carried" not in values


def test_good_pictures_stand_near_1_and_frauds_below_0(of_style, of_noise, judges, content, style):
    assert of_style["judge/style"] > 0.5
    assert of_noise["judge/style"] < 0
    assert judges.judge(content, content, style)["judge/style"] < 0


def test_panoramas_are_judged(style):
    judges = Panel(CPU, fixed=(EyeJudge("gabor", GaborBank()),))
    panorama = torch.rand(1, 3, 48, 300, generator=torch.Generator().manual_seed(0))
    assert judging_size(panorama, style) == 300
    values = judges.judge(panorama, panorama, style)
    assert all(math.isfinite(value) for value in values.values())


def test_too_small_a_picture(judges, content, style):
    with pytest.raises(ValueError, match="style: 128 x 40 px"):
        judges.judge(content, content, style[..., :40, :])
    # TypeError where the shapes of the signatures are checked (jaxtyping), which comes before our own check.
    with pytest.raises((ValueError, TypeError), match="content"):
        judges.judge(content, content[0], style)
