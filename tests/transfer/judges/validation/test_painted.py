import dataclasses

import pytest
import torch

from nstkit.config import RunSettings
from nstkit.pictures.tensors import to_picture, to_tensor
from transfer.judges.validation import painted
from transfer.judges.validation.cases import Subject
from transfer.judges.validation.painted import RANDOM, RANDOM_STEPS, STYLE_WEIGHTS, Painter, paint_cases
from transfer.painting.loop import Painting, paint
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings


@pytest.fixture
def subject(content, style):
    return Subject("boat-waves", content, style, content, style)


@pytest.fixture
def loaded(monkeypatch, backbone):
    """The specs of the networks that were loaded, all of them tiny in truth."""
    specs = []

    def load(spec):
        specs.append(spec.text)
        return backbone

    monkeypatch.setattr(painted, "load_backbone", load)
    return specs


def painter_in(folder, cpu):
    return Painter(folder / "images", folder.parent, cpu, RunSettings(precision="fp32"))


def paint_all(painter, subject, **changes):
    arguments = {"specs": ("vgg16@random",), "steps": 2, "seed": 0} | changes
    return list(paint_cases(painter, subject, **arguments))


def test_each_network_paints_once_and_later_runs_find_it(subject, loaded, tmp_path, cpu):
    first = painter_in(tmp_path / "one", cpu)
    cases = paint_all(first, subject)
    kinds = [(case.kind, case.series, case.amount) for case in cases]
    assert kinds == [
        ("random_network", "", 1.0),
        ("painting", "", 1.0),
        ("synthesis", "", 1.0),
        *(("painting", "dose/weight", weight) for weight in STYLE_WEIGHTS),
    ]
    assert [case.painter for case in cases] == ["", *["vgg16-random0"] * 6]
    # The default weight is one of the series, and is painted once.
    assert (first.painted, first.found) == (6, 1)
    assert loaded == [RANDOM, "vgg16@random"]
    assert all(not torch.equal(case.picture, subject.content) for case in cases)

    loaded.clear()
    second = painter_in(tmp_path / "two", cpu)
    again = paint_all(second, subject)
    assert (second.painted, second.found) == (0, 7)
    assert loaded == []
    assert all(torch.equal(a.picture, b.picture) for a, b in zip(cases, again, strict=True))
    assert len(list((tmp_path / "two" / "images").iterdir())) == len(list((tmp_path / "one" / "images").iterdir()))


@pytest.mark.parametrize("changed", ["steps", "picture"])
def test_other_settings_or_pictures_are_painted_anew(subject, loaded, tmp_path, cpu, changed):
    paint_all(painter_in(tmp_path / "one", cpu), subject, specs=())
    second = painter_in(tmp_path / "two", cpu)
    if changed == "steps":
        paint_all(second, subject, specs=(), steps=3)
    else:
        paint_all(second, dataclasses.replace(subject, style=subject.style.flip(3)), specs=())
    assert (second.painted, second.found) == (1, 0)


def test_settings_reach_the_painter(subject, loaded, tmp_path, cpu, monkeypatch):
    calls = []

    def note(scene, backbone, settings):
        calls.append(settings)
        return Painting(scene.content, {}, 1, 0.0)

    monkeypatch.setattr(painted, "paint", note)
    cases = paint_all(painter_in(tmp_path / "one", cpu), subject, steps=50, seed=7)
    random, painting, synthesis, *weights = calls
    assert (random.optimization.steps, painting.optimization.steps) == (RANDOM_STEPS, 50)
    assert random.changed(steps=50) == painting
    assert (painting.seed, painting.precision, painting.losses.style_weight) == (7, "fp32", 10.0)
    assert synthesis == painting.changed(init="noise", content_weight=0.0)
    assert [settings.losses.style_weight for settings in weights] == [1.0, 3.0, 30.0]
    assert len(cases) == 7


def test_a_painting_is_the_painters_own(subject, loaded, backbone, tmp_path, cpu):
    _, painting, *_ = paint_all(painter_in(tmp_path, cpu), subject, seed=3)
    settings = PaintSettings.of(steps=2, seed=3, precision="fp32").resolved()
    expected = paint(Scene(subject.content, subject.style), backbone, settings).image
    assert torch.equal(painting.picture, to_tensor(to_picture(expected)))
