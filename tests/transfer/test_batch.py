"""Pairs painted into one run: who judges, and what is said of each picture."""

import pytest
import torch

from nstkit.backbones.spec import parse_backbone
from transfer.batch import gather_candidates, judge, load_judges, summary
from transfer.config import TransferConfig
from transfer.painting.loop import Painting
from transfer.painting.scene import Scene
from transfer.pairs import Pair


@pytest.fixture
def pairs(draw_picture):
    return [
        Pair(name, style, draw_picture((80, 60), 1), draw_picture((64, 64), 2))
        for name, style in (("a", "x"), ("b", "y"))
    ]


def config_of(**given):
    return TransferConfig.of(**{"size": 72, **given}).resolved()


def judges_of(config, pairs, device):
    return load_judges(config, parse_backbone("carried"), gather_candidates(config, pairs), device)


def test_painter_is_not_among_the_judges_and_all_pictures_are_candidates(pairs, cpu, checkpoint, pictures, capsys):
    config = config_of(judge=(str(checkpoint), "carried"), judge_style=(pictures / "style",))
    panel = load_judges(config, parse_backbone(str(checkpoint)), gather_candidates(config, pairs), cpu)
    assert [eye.label for eye in panel.eyes] == ["gabor", "carried-judge", "carried"]
    assert panel.absent == ("tiny",)
    assert set(panel.styles) == {"x", "y", "dots", "waves"}
    assert set(panel.contents) == {"a", "b"}
    assert {max(picture.shape[2:]) for picture in (*panel.styles.values(), *panel.contents.values())} == {72}
    said = capsys.readouterr().out
    assert "judges:  gabor, carried-judge, carried\n" in said
    assert "tiny painted, so it does not judge" in said


@pytest.mark.parametrize("given", [{"judge": ("none",)}, {"mode": "texture"}, {"mode": "content"}])
def test_nobody_judges_where_nobody_shall_or_there_is_no_pair(given, pairs, cpu):
    config = config_of(**given)
    assert load_judges(config, parse_backbone("carried"), gather_candidates(config, pairs), cpu) is None


def test_picture_too_narrow_for_the_judges_is_a_warning(pairs, cpu, checkpoint, content, style):
    panel = judges_of(config_of(judge=(str(checkpoint),)), pairs, cpu)
    with pytest.warns(UserWarning, match="not judged: "):
        assert judge(panel, content[:, :, :20], Scene(content[:, :, :20], style)) == {}
    assert judge(panel, content, Scene(None, style)) == {}
    values = judge(panel, torch.rand(1, 3, 60, 80), pairs[0].scene(80, torch.device("cpu")))
    assert "judge/style" in values


def test_interrupted_judges_have_no_values(pairs, cpu, checkpoint, content, style, monkeypatch):
    panel = judges_of(config_of(judge=(str(checkpoint),)), pairs, cpu)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(panel), "judge", interrupted)
    assert judge(panel, content, Scene(content, style)) == {}


@pytest.mark.parametrize(
    ("mode", "interrupted", "expected"),
    [
        ("transfer", False, "a.png  style loss 0.25  1.5 s"),
        ("transfer", True, "a.png  style loss 0.25  1.5 s  interrupted at 7 of 100"),
        ("content", False, "a.png  content loss 0.5  1.5 s"),
    ],
)
def test_line_about_a_picture(mode, interrupted, expected, content, tmp_path):
    painting = Painting(content, {"loss/style": 0.25, "loss/content": 0.5}, 7, 1.5, interrupted)
    assert summary(tmp_path / "a.png", painting, config_of(mode=mode)).endswith(expected)
