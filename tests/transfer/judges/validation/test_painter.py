import dataclasses

import pytest
import torch

from nstkit.backbones.spec import parse_backbone
from nstkit.config import RunSettings
from nstkit.pictures.tensors import to_picture, to_tensor
from transfer.judges.validation import painter as module
from transfer.judges.validation.painter import Commission, Painter
from transfer.painting.loop import paint
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings


@pytest.fixture
def loaded(monkeypatch, backbone):
    """The networks that were loaded with their padding, all of them the same tiny one in truth."""
    specs = []

    def load(spec, padding):
        specs.append((spec.text, padding))
        return backbone

    monkeypatch.setattr(module, "load_backbone", load)
    return specs


@pytest.fixture
def commission(content, style):
    settings = PaintSettings.of(steps=5, precision="fp32").resolved()
    return Commission("boat-waves", parse_backbone("vgg16@random"), Scene(content, style), settings)


def painter_in(folder, cpu):
    return Painter(folder / "images", folder.parent, cpu, RunSettings(precision="fp32"))


def test_a_painting_is_the_painters_own(commission, loaded, backbone, tmp_path, cpu):
    picture = painter_in(tmp_path, cpu).paint(commission)
    expected = paint(commission.scene, backbone, commission.settings).image
    assert torch.equal(picture, to_tensor(to_picture(expected)))


def test_stops_of_one_loop_are_paintings_of_so_many_evaluations(commission, loaded, tmp_path, cpu):
    stops = painter_in(tmp_path / "a" / "one", cpu).paint_stops(commission, [1, 3, 5])
    alone = painter_in(tmp_path / "b" / "two", cpu)
    for number, picture in zip((1, 3, 5), stops, strict=True):
        single = dataclasses.replace(commission, settings=commission.settings.changed(steps=number))
        assert torch.equal(alone.paint(single), picture)
    names = [sorted(path.name for path in (tmp_path / folder).glob("*/images/*")) for folder in ("a", "b")]
    assert names[0] == names[1]
    assert len(names[0]) == 3


def test_later_runs_find_what_was_painted(commission, loaded, tmp_path, cpu):
    first, second = painter_in(tmp_path / "one", cpu), painter_in(tmp_path / "two", cpu)
    pictures = first.paint_stops(commission, [2, 5])
    again = second.paint_stops(commission, [2, 5])
    assert all(torch.equal(a, b) for a, b in zip(pictures, again, strict=True))
    assert (first.painted, first.found, second.painted, second.found) == (2, 0, 0, 2)
    assert loaded == [("vgg16@random", "zero")]
    assert len(list((tmp_path / "two" / "images").iterdir())) == 2


@pytest.mark.parametrize("changed", ["settings", "style", "start", "padding", "spec"])
def test_whatever_else_differs_is_painted_anew(commission, loaded, tmp_path, cpu, changed):
    painter_in(tmp_path / "one", cpu).paint(commission)
    scene = commission.scene
    other = {
        "settings": commission.settings.changed(style_weight=3.0),
        "scene": dataclasses.replace(
            scene,
            style=scene.style.flip(3) if changed == "style" else scene.style,
            start=scene.content + 1e-4 if changed == "start" else None,
        ),
        "padding": "replicate",
        "spec": parse_backbone("vgg16@random:1"),
    }
    field = "scene" if changed in ("style", "start") else changed
    second = painter_in(tmp_path / "two", cpu)
    second.paint(dataclasses.replace(commission, **{field: other[field]}))
    assert (second.painted, second.found) == (1, 0)
