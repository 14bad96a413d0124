"""What the painter can be told: what is filled in, what is refused."""

import pytest

from nstkit.errors import UserError
from transfer.painting.settings import STEPS, UNLIMITED_STEPS, WEIGHTS, PaintSettings, split_weights


def resolved(mode="transfer", longer_px=512, patch_px=1, **given):
    """Return the two groups of resolved settings."""
    settings = PaintSettings.of(**given).resolved(mode, longer_px, patch_px)
    return settings.losses, settings.optimization


@pytest.mark.parametrize(
    ("loss", "weights"),
    [
        ("relative", (1, 30, 0)),
        ("gatys", (1, 1000, 0)),
        ("neural-style", (5, 100, 0.001)),
        ("keras", (2.5e-8, 1e-6, 1e-6)),
        ("tensorflow", (1e4, 1e-2, 30)),
    ],
)
def test_each_loss_has_its_own_weights(loss, weights):
    losses, _ = resolved(loss=loss)
    assert (losses.content_weight, losses.style_weight, losses.tv_weight) == weights == WEIGHTS[loss]


@pytest.mark.parametrize(
    ("given", "weight"),
    [
        ({}, 0),
        ({"canvas": "pixels"}, 10),
        ({"optimizer": "adam"}, 10),
        ({"patch_px": 4}, 10),  # a network of patches is painted by adam
        ({"patch_px": 4, "optimizer": "lbfgs"}, 0),
        ({"loss": "gatys", "canvas": "pixels"}, 0),
        ({"canvas": "pixels", "tv_weight": 0.0}, 0),
    ],
)
def test_total_variation_is_for_what_would_be_grainy(given, weight):
    assert resolved(**given)[0].tv_weight == weight


def test_weights_that_are_given_stay_even_zero():
    losses, _ = resolved(content_weight=0.0, style_weight=3.0, tv_weight=0.5)
    assert (losses.content_weight, losses.style_weight, losses.tv_weight) == (0, 3, 0.5)


@pytest.mark.parametrize(("optimizer", "pixels", "fourier"), [("lbfgs", 1.0, 1.0), ("adam", 0.02, 0.05)])
def test_each_optimizer_has_its_own_step(optimizer, pixels, fourier):
    assert resolved(optimizer=optimizer, canvas="pixels")[1].lr == pixels
    assert resolved(optimizer=optimizer, canvas="fourier")[1].lr == fourier
    assert resolved(optimizer=optimizer, lr=0.3)[1].lr == 0.3
    of_levels = pixels if optimizer == "lbfgs" else 255 * pixels
    assert resolved(optimizer=optimizer, canvas="pixels", pixel_range="0-255")[1].lr == pytest.approx(of_levels)
    assert resolved(optimizer=optimizer, canvas="fourier", pixel_range="0-255")[1].lr == fourier


@pytest.mark.parametrize(
    ("patch_px", "given", "jitter", "optimizer"),
    [
        (1, {}, 0, "lbfgs"),
        (4, {}, 4, "adam"),  # a network of patches, whose grid would show
        (16, {"optimizer": "nadam"}, 16, "nadam"),
        (16, {"optimizer": "lbfgs"}, 0, "lbfgs"),
        (16, {"jitter": 0}, 0, "lbfgs"),
        (1, {"jitter": 3}, 3, "adam"),
    ],
)
def test_jitter_follows_from_the_network_and_the_optimizer_from_jitter(patch_px, given, jitter, optimizer):
    _, optimization = resolved(patch_px=patch_px, **given)
    assert (optimization.jitter, optimization.optimizer) == (jitter, optimizer)


def test_step_of_sgd_is_left_to_the_first_gradient():
    assert resolved(optimizer="sgd")[1].lr is None


@pytest.mark.parametrize(
    ("mode", "weights", "init"),
    [("transfer", (1, 30), "content"), ("texture", (0, 30), "noise"), ("content", (1, 0), "noise")],
)
def test_each_mode_has_its_parts_and_its_start(mode, weights, init):
    losses, optimization = resolved(mode)
    assert (losses.content_weight, losses.style_weight) == weights
    assert optimization.init == init
    assert resolved(mode, init="grey")[1].init == "grey"


@pytest.mark.parametrize(("size", "scales"), [(32, 1), (768, 1), (769, 2), (1536, 2), (1537, 3), (4000, 4)])
def test_scales_follow_from_the_size(size, scales):
    assert resolved(longer_px=size)[1].scales == scales
    assert resolved(longer_px=size, scales=5)[1].scales == 5
    assert resolved("texture", size)[1].scales == scales + 2


def test_steps_are_100_or_what_the_seconds_allow():
    assert resolved()[1].steps == STEPS == 100
    assert resolved(seconds=3.0)[1].steps == UNLIMITED_STEPS
    assert resolved(seconds=3.0, steps=7)[1].steps == 7


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 0}, "--steps 0 (at least 1)"),
        ({"style_weight": -1.0}, "--style-weight -1.0 (at least 0)"),
        ({"tv_weight": -0.1}, "--tv-weight -0.1 (at least 0)"),
        ({"octaves": 0, "scales": 0}, "--octaves 0 (1 to 16), --scales 0 (1 to 16)"),
        ({"jitter": -1, "optimizer": "adam"}, "--jitter -1 (at least 0)"),
        ({"temperature": 0.0, "seconds": -2.0}, "--temperature 0.0 (at least 1e-06), --seconds -2.0 (above 0)"),
        ({"average": 1.0}, "--average 1.0 (at least 0, below 1)"),
        ({"lr": 0.0}, "--lr 0.0 (above 0)"),
        ({"tolerance": float("nan")}, "--tolerance nan (a finite number)"),
        ({"lr_decay": float("inf")}, "--lr-decay inf (a finite number)"),
    ],
)
def test_what_cannot_be_painted_is_refused(wrong, message):
    with pytest.raises(UserError) as error:
        PaintSettings.of(**wrong)
    assert str(error.value) == f"not allowed: {message}."


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"jitter": 2, "optimizer": "lbfgs"}, "--jitter .* lbfgs cannot use. Add --optimizer adam"),
        ({"smoothing": "scale"}, "--smoothing scale changes nothing under --loss relative"),
        ({"smoothing_taps": ("relu1_1",)}, "--smoothing-taps without --smoothing"),
        ({"style_taps": ("relu1_1=heavy",)}, "--style-taps relu1_1=heavy: the weight is no number above 0"),
        ({"content_taps": ("a", "b=0")}, "--content-taps b=0: the weight is no number above 0"),
        ({"content_taps": ("b=inf",)}, "--content-taps b=inf: the weight is no number above 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        PaintSettings.of(**wrong)


def test_weights_of_taps():
    assert split_weights(("relu1_1=2.5", "stage2", "layer1.0=1e-3"), "--style-taps") == {
        "relu1_1": 2.5,
        "stage2": 1.0,
        "layer1.0": 0.001,
    }


def test_taps_that_are_named_are_listed():
    losses, _ = resolved(style_taps=("a=2",), content_taps=("b", "a"), smoothing="softmax", smoothing_taps=("c",))
    assert losses.named_taps == ["a", "b", "c"]


def test_fewer_evaluations_than_scales_are_refused():
    with pytest.raises(UserError, match="--steps 1 over --scales 3: each of them takes one or more"):
        PaintSettings.of(steps=1, scales=3)
    assert PaintSettings.of(steps=1).resolved("texture", 4096).optimization.scales == 1


@pytest.mark.parametrize(
    ("mode", "weights"),
    [
        ("transfer", {"content_weight": 0.0, "style_weight": 0.0}),
        ("texture", {"style_weight": 0.0}),
        ("content", {"content_weight": 0.0}),
    ],
)
def test_weights_that_leave_nothing_to_paint_are_refused(mode, weights):
    with pytest.raises(UserError, match="there is nothing to paint"):
        PaintSettings.of(**weights).resolved(mode)


def test_tap_named_twice_is_refused():
    with pytest.raises(UserError, match="--style-taps relu1_1=2: relu1_1 is named twice"):
        PaintSettings.of(style_taps=("relu1_1", "relu1_1=2"))
