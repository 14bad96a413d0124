import math

import pytest
import torch
import torch.nn.functional as F

from nstkit.backbones.spec import parse_backbone
from nstkit.pictures import to_tensor
from nstkit.runs import MEASURE_KEYS
from transfer.judges import panel
from transfer.judges.network_free import judge_picture
from transfer.judges.panel import is_same_network, load_panel
from transfer.sample import sample_content, sample_style

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
    assert {name.partition("@")[2] for name in of_style if "@" in name} == {"carried"}


def test_values_without_a_network_are_as_before(judges, of_noise, content, style):
    noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(3))
    for name, value in judge_picture((content + 0.1 * noise).clamp(0, 1), content, style).items():
        assert of_noise[name] == value


def test_style_is_told_from_noise(of_style, of_noise):
    assert of_style["judge/style"] > of_noise["judge/style"] + 0.3
    assert of_style["judge/style_rank/gram@carried"] < of_noise["judge/style_rank/gram@carried"]
    assert of_noise["judge/artefacts"] > 0.5
    assert of_noise["judge/content_rank/layout@carried"] == 1
    assert of_style["judge/cfsd@carried"] > of_noise["judge/cfsd@carried"]


def test_blend_is_given_away(judges, content, style):
    stretched = F.interpolate(style, content.shape[-2:], mode="bilinear", antialias=True)
    values = judges.judge((content + stretched) / 2, content, style)
    assert values["judge/artefacts"] == 1
    assert values["judge/style"] < 0


def test_flat_picture_gets_numbers(judges, content, style):
    values = judges.judge(torch.full_like(content, 0.5), content, style)
    assert all(math.isfinite(value) for value in values.values())


def test_other_styles_are_candidates_and_the_own_one_is_not(content, style):
    other = F.interpolate(torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0)), (SIZE_PX, SIZE_PX))
    alone, among = (
        load_panel(["carried"], device=CPU, styles=styles).judge(other, content, style)["judge/style_rank/gram@carried"]
        for styles in ({"own": style}, {"own": style, "other": other})
    )
    assert among == alone + 1


def test_painter_does_not_judge():
    own = load_panel(["vgg11@random", "vgg11@random:1"], painter=parse_backbone("vgg11@random"), device=CPU)
    assert [network.label for network in own.networks] == ["vgg11-random1"]
    assert own.notes == ("vgg11-random0 painted, so it does not judge",)
    none = load_panel(["carried"], painter=parse_backbone("carried"), device=CPU)
    assert none.networks == ()
    assert "no network is left that did not paint" in none.notes[-1]
    assert "judge/style" not in [measure.name for measure in none.measures]


def test_same_network_by_name_and_file(tmp_path, checkpoint):
    copy = tmp_path / "copy.pt"
    copy.write_bytes(checkpoint.read_bytes())
    specs = [parse_backbone(str(text)) for text in (checkpoint, checkpoint.parent, copy)]
    assert all(is_same_network(a, b) for a in specs for b in specs)
    vgg, file = parse_backbone("vgg19"), parse_backbone(f"vgg19@{copy}")
    assert is_same_network(vgg, file)
    assert not is_same_network(vgg, parse_backbone("vgg19@random"))
    assert not is_same_network(vgg, parse_backbone("vgg16"))
    assert not is_same_network(parse_backbone("carried"), specs[0])
    assert not is_same_network(parse_backbone("carried"), vgg)


def test_untrusted_margins_are_left_out(monkeypatch):
    margins = {"a": 0.5, "b": 0.1, "c": 0.2}
    monkeypatch.setattr(panel, "is_trusted", {"a": True, "b": False, "c": None}.get)
    assert panel.trusted(margins) == {"a": 0.5, "c": 0.2}
    monkeypatch.setattr(panel, "is_trusted", lambda name: False)
    assert panel.trusted(margins) == margins


def test_default_judges_need_no_network_access(monkeypatch):
    monkeypatch.setattr("transfer.judges.panel.local_specs", lambda: {"mine": parse_backbone("vgg11@random")})
    assert [network.label for network in load_panel(device=CPU).networks] == ["mine"]


def test_too_small_a_picture(judges, content, style):
    with pytest.raises(ValueError, match="style: 128 x 40 px"):
        judges.judge(content, content, style[..., :40, :])
