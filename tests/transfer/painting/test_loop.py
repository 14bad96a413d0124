"""The loop that paints: what it reports is what it measured, and the best is kept."""

import math

import pytest
import torch

from nstkit.errors import UserError
from transfer.painting import loop
from transfer.painting.loop import paint
from transfer.painting.losses.objective import Objective
from transfer.painting.scene import Scene
from transfer.painting.settings import WEIGHTS


class Recorder:
    """Keeps a copy of every step."""

    def __init__(self):
        self.steps = []

    def __call__(self, step):
        self.steps.append((step.number, step.scalars, step.canvas.clone(), step.time_s))


@pytest.fixture
def recorder():
    return Recorder()


@pytest.mark.numerics
@pytest.mark.parametrize(
    "given",
    [
        *({"optimizer": optimizer, "loss": loss} for optimizer in ("lbfgs", "adam") for loss in WEIGHTS),
        *({"canvas": "fourier", "optimizer": optimizer} for optimizer in ("lbfgs", "adam", "nadam", "sgd")),
        {"line_search": "wolfe"},
        {"optimizer": "nadam"},
        {"optimizer": "sgd"},
        {"optimizer": "adam", "normalize_gradients": True, "loss": "neural-style", "tv_weight": 0.0},
        {"smoothing": "softmax"},
        {"equalize": "gradient"},
    ],
    ids=lambda given: " ".join(map(str, given.values())),
)
def test_the_loss_falls_and_the_picture_stays_in_range(given, backbone, content, style, settings):
    config = settings(steps=10, style_taps=("relu1_1", "relu2_1", "relu3_1"), content_taps=("relu3_2",), **given)
    objective = Objective(backbone, Scene(content, style, content), config.losses, "fp32")
    result = paint(Scene(content, style), backbone, config)
    assert result.scalars["loss/total"] < 0.9 * objective(content)["loss/total"].item()
    assert result.image.shape == content.shape
    assert 0 <= result.image.min() <= result.image.max() <= 1
    assert not result.is_interrupted


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_one_step_is_one_evaluation_and_is_reported(
    optimizer, backbone, content, style, settings, recorder, monkeypatch
):
    calls = []
    evaluate = Objective.__call__
    monkeypatch.setattr(Objective, "__call__", lambda *given: calls.append(1) or evaluate(*given))
    result = paint(Scene(content, style), backbone, settings(steps=7, optimizer=optimizer), recorder)
    assert len(calls) == 7
    assert [number for number, *_ in recorder.steps] == [1, 2, 3, 4, 5, 6, 7]
    times = [time_s for *_, time_s in recorder.steps]
    assert 0 < times[0] <= sorted(times)[-1] == times[-1] <= result.time_s


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_losses_are_those_of_the_canvas_they_come_with(optimizer, backbone, content, style, settings, recorder):
    config = settings(steps=6, optimizer=optimizer, tv_weight=1.0)
    result = paint(Scene(content, style), backbone, config, recorder)
    objective = Objective(backbone, Scene(content, style), config.losses, "fp32")
    for scalars, canvas in [(scalars, canvas) for _, scalars, canvas, _ in recorder.steps] + [
        (result.scalars, result.image)
    ]:
        again = {tag: value.item() for tag, value in objective(canvas).items()}
        assert scalars == pytest.approx(again, rel=1e-6, abs=1e-9)
    assert torch.equal(recorder.steps[0][2], content)
    assert not torch.equal(recorder.steps[1][2], recorder.steps[0][2])


def test_best_of_all_steps_is_returned_not_the_last(backbone, content, style, settings, recorder):
    # A rate at which the loss goes up and down.
    config = settings(steps=12, optimizer="adam", lr=0.5)
    with pytest.warns(UserWarning, match="no canvas was better than the first"):
        result = paint(Scene(content, style), backbone, config, recorder)
    totals = [scalars["loss/total"] for _, scalars, *_ in recorder.steps]
    best = min(range(12), key=totals.__getitem__)
    assert totals[best] < totals[-1]
    assert result.number == best + 1
    assert result.scalars == recorder.steps[best][1]
    assert torch.equal(result.image, recorder.steps[best][2])


def test_painting_that_never_got_better_says_so(backbone, content, style, settings):
    with pytest.warns(UserWarning, match="no canvas was better than the first"):
        result = paint(Scene(content, style), backbone, settings(steps=3, optimizer="adam", lr=1e9))
    assert result.number == 1
    paint(Scene(content, style), backbone, settings(steps=1))  # which nobody expects to get better


@pytest.mark.parametrize("init", ["noise", "grey", "style"])
def test_other_starts_lead_towards_the_content(init, backbone, content, style, settings, recorder):
    paint(
        Scene(content, style),
        backbone,
        settings(steps=30, init=init, style_weight=0.0, content_taps=("relu2_1",)),
        recorder,
    )
    first, last = recorder.steps[0][1], recorder.steps[-1][1]
    assert last["loss/content"] < 0.5 * first["loss/content"]


def test_same_seed_same_picture(backbone, content, style, settings):
    results = [
        paint(Scene(content, style), backbone, settings(steps=5, init="noise", seed=seed)).image for seed in (1, 1, 2)
    ]
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_pictures_given_are_not_changed(backbone, content, style, settings):
    before = content.clone(), style.clone()
    paint(Scene(content, style), backbone, settings(steps=3))
    assert torch.equal(content, before[0])
    assert torch.equal(style, before[1])


def interrupt_at(number, recorder):
    def report(step):
        recorder(step)
        if step.number == number:
            raise KeyboardInterrupt

    return report


def test_interrupt_returns_the_best_so_far(backbone, content, style, settings, recorder):
    told = interrupt_at(4, recorder)
    result = paint(Scene(content, style), backbone, settings(steps=50), told, keeps_unfinished=True)
    assert result.is_interrupted
    assert len(recorder.steps) == 4
    best = min(recorder.steps, key=lambda step: step[1]["loss/total"])
    assert result.number == best[0]
    assert torch.equal(result.image, best[2])


def test_interrupt_is_passed_on_to_who_wants_no_part_of_a_picture(backbone, content, style, settings, recorder):
    with pytest.raises(KeyboardInterrupt):
        paint(Scene(content, style), backbone, settings(steps=50), interrupt_at(4, recorder))
    assert len(recorder.steps) == 4


def test_interrupt_before_the_first_loss_is_passed_on(backbone, content, style, settings, monkeypatch):
    class Slow(Objective):
        def __call__(self, *given):
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "Objective", Slow)
    with pytest.raises(KeyboardInterrupt):
        paint(Scene(content, style), backbone, settings(steps=3), keeps_unfinished=True)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_loss_that_is_not_finite_is_the_users_to_mend(optimizer, backbone, content, style, settings, monkeypatch):
    class Broken(Objective):
        def __call__(self, *given):
            losses = super().__call__(*given)
            return {**losses, "loss/total": losses["loss/total"] * math.nan}

    monkeypatch.setattr(loop, "Objective", Broken)
    with pytest.raises(UserError, match=r"the loss is nan at step 1. Try --precision fp32 or a lower --lr"):
        paint(Scene(content, style), backbone, settings(steps=3, optimizer=optimizer))


def test_network_without_any_varying_tap_is_refused(backbone, content, style, settings):
    for parameter in backbone.network.parameters():
        parameter.zero_()
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(UserError, match=r"no tap has features that vary. Choose others, see --list-taps"),
    ):
        paint(Scene(content, style), backbone, settings(steps=3))


def test_picture_too_small_for_the_taps_is_refused(backbone, content, style, settings):
    with pytest.raises(UserError, match=r"shorter side of 12 px is too small .* Use a larger --size, or shallower"):
        paint(Scene(content[:, :, :12], style), backbone, settings(style_taps=("pool5",)))


def test_bfloat16_paints_too(backbone, content, style, settings):
    full, half = (
        paint(Scene(content, style), backbone, settings(steps=8, precision=precision)) for precision in ("fp32", "bf16")
    )
    assert half.image.dtype == torch.float32
    assert half.scalars["loss/total"] < 1.2 * full.scalars["loss/total"] < 9
