"""The sizes that are painted one after the other, and what is kept of each."""

import math

import pytest
import torch

from transfer.painting import loop, pyramid
from transfer.painting.loop import paint, with_start
from transfer.painting.losses.objective import Objective
from transfer.painting.optimizers.descent import Descent
from transfer.painting.pyramid import CONVERGED_OVER, Kept, plan_scales
from transfer.painting.scene import Scene, resize


class Recorder:
    """Keeps a copy of every step; raises Ctrl-C at one of them."""

    def __init__(self, interrupt_at=None):
        self.steps, self._interrupt_at = [], interrupt_at

    def __call__(self, step):
        self.steps.append((step.number, step.scalars, step.canvas.clone()))
        if step.number == self._interrupt_at:
            raise KeyboardInterrupt


@pytest.fixture
def tiny_scales(monkeypatch):
    """A pyramid for the pictures of the tests."""
    monkeypatch.setattr(pyramid, "SMALLEST_SCALE_PX", 16)


SHALLOW = {"style_taps": ("relu1_1", "relu2_1"), "content_taps": ("relu3_1",)}  # which vary at half the size too


def whole_losses(backbone, content, style, config, image):
    """Return the losses of a picture, measured anew at full size."""
    objective = Objective(backbone, with_start(Scene(content, style), config)[0], config.losses, "fp32")
    with torch.no_grad():
        return {tag: value.item() for tag, value in objective(image).items()}


# The plan


def test_scales_halve_and_share_the_evaluations_evenly_and_the_seconds_by_area(settings):
    plan = plan_scales((400, 600), settings(scales=3, steps=90, seconds=42.0).optimization)
    assert [scale.size for scale in plan] == [(100, 150), (200, 300), (400, 600)]
    assert [scale.last_step for scale in plan] == [30, 60, 90]
    assert [scale.seconds for scale in plan] == pytest.approx([2, 10, 42])  # 1 : 4 : 16


def test_one_scale_has_everything(settings):
    (scale,) = plan_scales((37, 61), settings(scales=1, steps=7).optimization)
    assert (scale.size, scale.last_step, scale.seconds) == ((37, 61), 7, math.inf)


def test_tiny_and_narrow_pictures_have_fewer_scales(settings):
    assert [scale.size for scale in plan_scales((130, 600), settings(scales=4, steps=90).optimization)] == [
        (65, 300),
        (130, 600),
    ]
    assert [scale.size for scale in plan_scales((40, 48), settings(scales=4, steps=9).optimization)] == [(40, 48)]
    assert [scale.last_step for scale in plan_scales((130, 600), settings(scales=4, steps=90).optimization)] == [45, 90]


def test_every_scale_has_an_evaluation_even_of_very_few(settings):
    assert [scale.last_step for scale in plan_scales((400, 400), settings(scales=3, steps=3).optimization)] == [1, 2, 3]
    assert [scale.last_step for scale in plan_scales((400, 400), settings(scales=3, steps=4).optimization)] == [1, 3, 4]


def test_odd_sizes_are_rounded_and_the_last_is_the_pictures(settings):
    assert [scale.size for scale in plan_scales((333, 257), settings(scales=2).optimization)] == [
        (166, 128),
        (333, 257),
    ]


# Painting at several sizes


@pytest.mark.parametrize("given", [{"optimizer": "lbfgs"}, {"optimizer": "adam"}, {"canvas": "fourier"}])
def test_sizes_follow_each_other_and_the_result_is_whole(given, backbone, content, style, settings, tiny_scales):
    config, recorder = settings(scales=2, steps=8, **SHALLOW, **given), Recorder()
    result = paint(Scene(content, style), backbone, config, recorder)
    assert [tuple(canvas.shape[2:]) for *_, canvas in recorder.steps] == 4 * [(20, 24)] + 4 * [(40, 48)]
    assert [number for number, *_ in recorder.steps] == list(range(1, 9))
    best = min(recorder.steps[4:], key=lambda step: step[1]["loss/total"])
    assert (result.number, result.scalars) == best[:2]
    assert torch.equal(result.image, best[2])
    assert result.scalars == pytest.approx(whole_losses(backbone, content, style, config, result.image), rel=1e-4)
    # The second size begins with what the first came to, enlarged.
    small = min(recorder.steps[:4], key=lambda step: step[1]["loss/total"])[2]
    assert (recorder.steps[4][2] - resize(small, (40, 48))).abs().max() < 0.005


@pytest.mark.parametrize("mode", ["transfer", "texture", "content"])
@pytest.mark.parametrize("given", [{}, {"average": 0.5}, {"jitter": 2}, {"canvas": "fourier"}])
@pytest.mark.parametrize("interrupt_at", [2, 3, 5])
def test_interrupt_at_any_size_gives_the_losses_of_the_whole_picture(
    interrupt_at, given, mode, backbone, content, style, settings, tiny_scales
):
    config = settings(mode=mode, scales=2, steps=6, optimizer="adam", **SHALLOW, **given)
    pair = (None if mode == "texture" else content, None if mode == "content" else style)
    result = paint(Scene(*pair), backbone, config, Recorder(interrupt_at), keeps_unfinished=True)
    assert result.is_interrupted
    assert result.image.shape == (style if mode == "texture" else content).shape
    assert 0 <= result.image.min() <= result.image.max() <= 1
    assert result.number <= interrupt_at
    assert result.scalars == pytest.approx(whole_losses(backbone, *pair, config, result.image), rel=1e-4)


def test_interrupt_while_the_next_size_is_prepared_keeps_the_last(
    backbone, content, style, settings, tiny_scales, monkeypatch
):
    counts = []

    class Interrupted(Objective):
        def __init__(self, *given):
            counts.append(1)
            if len(counts) == 2:
                raise KeyboardInterrupt
            super().__init__(*given)

    monkeypatch.setattr(loop, "Objective", Interrupted)
    config = settings(scales=2, steps=6, **SHALLOW)
    result = paint(Scene(content, style), backbone, config, keeps_unfinished=True)
    assert result.is_interrupted
    assert result.number == 3
    assert result.image.shape == content.shape
    assert result.scalars == pytest.approx(whole_losses(backbone, content, style, config, result.image), rel=1e-4)


def test_moments_go_from_size_to_size(backbone, content, style, settings, tiny_scales, monkeypatch):
    carried, carry = [], Descent.carry_over
    monkeypatch.setattr(Descent, "carry_over", lambda *given: carried.append(given) or carry(*given))
    paint(Scene(content, style), backbone, settings(scales=2, steps=4, optimizer="adam", **SHALLOW))
    assert len(carried) == 1


# Limits


class Clock:
    """Goes on by a hundredth of a second whenever it is looked at, however fast the machine is."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def perf_counter(self) -> float:
        self.now_s += 0.01
        return self.now_s


def test_seconds_end_the_painting(backbone, content, style, settings, monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(loop, "time", Clock())
    result = paint(Scene(content, style), backbone, settings(seconds=0.3), recorder)
    assert 0.3 <= result.time_s < 0.5
    assert 5 <= len(recorder.steps) <= 30
    assert not result.is_interrupted
    few = Recorder()
    paint(Scene(content, style), backbone, settings(seconds=1000.0, steps=3), few)
    assert len(few.steps) == 3


def test_no_time_at_all_gives_the_start(backbone, content, style, settings):
    config = settings(seconds=1e-9)
    result = paint(Scene(content, style), backbone, config)
    assert torch.equal(result.image, content)
    assert result.number == 0
    assert result.scalars == pytest.approx(whole_losses(backbone, content, style, config, content), rel=1e-5)


def test_tolerance_stops_where_the_loss_no_longer_falls(backbone, content, style, settings):
    recorder = Recorder()
    paint(Scene(content, style), backbone, settings(steps=60, tolerance=0.5, **SHALLOW), recorder)
    totals = [scalars["loss/total"] for _, scalars, _ in recorder.steps]
    assert CONVERGED_OVER < len(totals) < 60
    assert min(totals) > 0.5 * min(totals[:-CONVERGED_OVER])


def test_evaluations_that_a_size_did_not_need_go_to_the_next(settings):
    kept = Kept(settings().optimization, 40)
    for number in range(CONVERGED_OVER + 1):
        assert not kept.is_converged(0.01)
        kept.take(torch.zeros(1, 3, 2, 2), {"loss/total": 1.0})
        assert kept.seen == 41 + number
    assert kept.is_converged(0.01)
    assert not kept.is_converged(0.0)


# What is kept


def pictures_and_losses(losses):
    return [(torch.full((1, 3, 1, 1), k / 10), {"loss/total": loss}) for k, loss in enumerate(losses)]


def test_best_is_kept_with_its_losses(settings):
    kept = Kept(settings().optimization, 100)
    for image, scalars in pictures_and_losses((3.0, 1.0, 2.0, math.nan)):
        kept.take(image, scalars)
    assert (kept.image.mean().item(), kept.scalars, kept.number) == (pytest.approx(0.1), {"loss/total": 1.0}, 102)
    assert kept.seen == 104


def test_average_is_a_running_mean_that_does_not_lean_on_the_first(settings):
    kept = Kept(settings(average=0.75).optimization, 0)
    expected = 0.0
    for number, (image, scalars) in enumerate(pictures_and_losses((3.0, 1.0, 2.0, 5.0, 4.0, 6.0)), start=1):
        kept.take(image, scalars)
        expected += (image.mean().item() - expected) * max(0.25, 1 / number)
        assert kept.image.mean().item() == pytest.approx(expected)
    assert kept.scalars is None
    assert kept.number == 6


def test_losses_of_shifted_canvases_do_not_compare_so_the_last_is_kept(settings):
    kept = Kept(settings(jitter=2, optimizer="adam").optimization, 0)
    for image, scalars in pictures_and_losses((3.0, 1.0, 2.0)):
        kept.take(image, scalars)
    assert kept.image.mean().item() == pytest.approx(0.2)
    assert kept.scalars is None


@pytest.mark.parametrize("given", [{"average": 0.9}, {"jitter": 3}])
def test_losses_returned_are_those_of_the_picture_returned(given, backbone, content, style, settings):
    config, recorder = settings(steps=8, optimizer="adam", **given), Recorder()
    result = paint(Scene(content, style), backbone, config, recorder)
    assert result.scalars == pytest.approx(whole_losses(backbone, content, style, config, result.image), rel=1e-4)
    assert result.number == 8
    if "jitter" in given:
        assert torch.equal(result.image, recorder.steps[-1][2])
        unshifted = whole_losses(backbone, content, style, config, recorder.steps[4][2])
        assert recorder.steps[4][1] != pytest.approx(unshifted, rel=1e-4)
    else:
        assert not any(torch.equal(result.image, canvas) for *_, canvas in recorder.steps)


# Without content or without style


def test_texture_has_the_styles_size_and_comes_near_it(backbone, style, settings):
    recorder = Recorder()
    result = paint(Scene(None, style), backbone, settings(mode="texture", steps=12, **SHALLOW), recorder)
    assert result.image.shape == style.shape
    assert recorder.steps[0][1]["loss/style"] == pytest.approx(1, rel=1e-4)
    assert result.scalars["loss/style"] < 0.5
    assert result.scalars["loss/content"] == 0


def test_content_alone_comes_back_from_noise(backbone, content, settings):
    recorder = Recorder()
    result = paint(Scene(content, None), backbone, settings(mode="content", steps=12, **SHALLOW), recorder)
    assert result.scalars["loss/content"] < 0.7 * recorder.steps[0][1]["loss/content"]
    assert result.scalars["loss/style"] == 0
