import itertools

import pytest
import torch

from nstkit.backbones.spec import parse_backbone
from nstkit.config import RunSettings
from transfer.judges.validation import painter as painter_module
from transfer.judges.validation.cases import Subject
from transfer.judges.validation.painted import PLAIN_LOSSES, RANDOM_STEPS, STYLE_WEIGHTS, paint_cases
from transfer.judges.validation.painter import Painter
from transfer.painting.loop import Painting

CAUSES = ["noise", "seed", "shift", "padding", "start"]


@pytest.fixture
def subject(content, style):
    return Subject("boat-waves", content, style, content.flip(3), style.flip(3))


@pytest.fixture
def painter(monkeypatch, backbone, tmp_path, cpu):
    monkeypatch.setattr(painter_module, "load_backbone", lambda spec, padding: backbone)
    return Painter(tmp_path / "one" / "images", tmp_path, cpu, RunSettings(precision="fp32"))


@pytest.fixture
def paintings(monkeypatch):
    """Scene and settings of everything that is painted, which takes no time."""
    calls = []

    def note(scene, backbone, settings, report):
        calls.append((scene, settings))
        return Painting(scene.content, {}, 1, 0.0)

    monkeypatch.setattr(painter_module, "paint", note)
    monkeypatch.setattr(Painter, "paint_stops", paint_stops)
    return calls


def paint_stops(self, commission, stops):
    """Paint without a loop that could be stopped."""
    return [self._paint(commission, [stop])[0] for stop in stops]


def test_each_network_paints_all_series(painter, subject):
    cases = list(paint_cases(painter, subject, ("vgg16@random",), steps=3, seed=0))
    assert [(case.kind, case.series, case.amount) for case in cases] == [
        ("random_network", "", 1.0),
        ("painting", "", 1.0),
        *(("painting", "dose/evaluations", stop) for stop in (1, 2, 3)),
        *(("painting", "dose/weight", weight) for weight in STYLE_WEIGHTS),
        ("synthesis", "", 1.0),
        ("other_painting", "", 1.0),
        *(("painting", f"repainting/{cause}", 1.0) for cause in CAUSES),
    ]
    assert [case.painter for case in cases] == ["", *["vgg16-random0"] * 14]
    # The default weight is one of the series, and is painted once.
    assert (painter.painted, painter.found) == (13, 1)
    assert all(not torch.equal(case.picture, subject.content) for case in cases)
    main = next(case for case in cases if case.kind == "painting" and not case.series)
    assert (
        main.picture is next(case for case in cases if case.amount == 3 and case.series == "dose/evaluations").picture
    )


def test_what_is_painted(painter, subject, paintings):
    list(paint_cases(painter, subject, ("vgg16@random",), steps=75, seed=7))
    settings = [each for _, each in paintings]
    assert [each.optimization.steps for each in settings[:4]] == [RANDOM_STEPS, 10, 25, 75]
    painting, weights, synthesis = settings[3], settings[4:7], settings[7]
    assert (painting.seed, painting.precision, painting.losses.style_weight) == (7, "fp32", 30.0)
    assert [each.losses.style_weight for each in weights] == list(STYLE_WEIGHTS)
    assert synthesis == painting.changed(init="noise", content_weight=0.0)
    other, *again = paintings[8:]
    assert torch.equal(other[0].style, subject.other_style)
    assert all(each == painting for _, each in (other, *again))
    starts = [scene.start for scene, _ in again]
    noise = [(start - subject.content).std().item() for start in starts[:2]]
    assert noise == [pytest.approx(1 / 255, rel=0.1)] * 2
    assert not torch.equal(starts[0], starts[1])
    shifted = again[2][0]
    assert torch.equal(shifted.content[..., 1:, 1:], subject.content[..., :-1, :-1])
    assert torch.equal(shifted.style[..., 1:, 1:], subject.style[..., :-1, :-1])
    assert starts[2] is starts[3] is None
    assert 0.01 < (starts[4] - subject.content).mean() < 0.03


def test_repaintings_are_judged_against_what_they_were_painted_from(painter, subject, paintings):
    cases = list(paint_cases(painter, subject, ("vgg16@random",), steps=75, seed=0))
    by_cause = {case.series.removeprefix("repainting/"): case for case in cases if case.series.startswith("repainting")}
    assert list(by_cause) == CAUSES
    same = [cause for cause, case in by_cause.items() if case.content is subject.content]
    assert same == ["noise", "seed", "padding", "start"]
    assert torch.equal(by_cause["shift"].content[..., 1:, 1:], subject.content[..., :-1, :-1])


def test_plain_losses_are_painted_by_the_network_they_were_made_for(painter, subject, paintings, tmp_path):
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"")
    specs = (f"vgg19@{weights}", "vgg19@random", "vgg16@random")
    cases = list(paint_cases(painter, subject, specs, steps=75, seed=0))
    plain = [case for case in cases if case.series.removeprefix("dose/") in PLAIN_LOSSES]
    assert [(case.series, case.amount) for case in plain] == [
        (f"dose/{loss}", amount) for loss, amount in itertools.product(PLAIN_LOSSES, (0, 10, 25, 50, 100))
    ]
    assert {case.painter for case in plain} == {parse_backbone(specs[0]).label}
    assert plain[0].picture is subject.content
    losses = [each for _, each in paintings if each.losses.loss != "relative"]
    assert {each.optimization.canvas for each in losses} == {"pixels"}
    # The first two of the painters paint everything.
    painters = [parse_backbone(text).label for text in specs]
    for kind, series in (("painting", "repainting/shift"), ("painting", "dose/weight"), ("other_painting", "")):
        of_kind = [case for case in cases if (case.kind, case.series) == (kind, series)]
        assert list(dict.fromkeys(case.painter for case in of_kind)) == painters[:2]
    assert [case.painter for case in cases if case.kind == "painting" and not case.series] == painters
