"""The settings of a transfer: what is filled in, what is refused."""

from pathlib import Path

import pytest

from nstkit.config import parse, settings_of
from nstkit.errors import UserError
from transfer.config import START_PICTURES, STEPS, UNLIMITED_STEPS, WEIGHTS, TransferConfig, split_weights


@pytest.mark.parametrize(
    ("loss", "weights"), [("relative", (1, 10, 3)), ("gatys", (1, 1000, 0)), ("neural-style", (5, 100, 0.001))]
)
def test_each_loss_has_its_own_weights(loss, weights):
    config = TransferConfig(loss=loss).resolved()
    assert (config.content_weight, config.style_weight, config.tv_weight) == weights == WEIGHTS[loss]


def test_weights_that_are_given_stay_even_zero():
    config = TransferConfig(content_weight=0.0, style_weight=3.0, tv_weight=0.5).resolved()
    assert (config.content_weight, config.style_weight, config.tv_weight) == (0, 3, 0.5)


@pytest.mark.parametrize(("optimizer", "pixels", "fourier"), [("lbfgs", 1.0, 1.0), ("adam", 0.02, 0.05)])
def test_each_optimizer_has_its_own_step(optimizer, pixels, fourier):
    assert TransferConfig(optimizer=optimizer, canvas="pixels").resolved().lr == pixels
    assert TransferConfig(optimizer=optimizer, canvas="fourier").resolved().lr == fourier
    assert TransferConfig(optimizer=optimizer, lr=0.3).resolved().lr == 0.3


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
    config = TransferConfig(**given).resolved(patch_px)
    assert (config.jitter, config.optimizer) == (jitter, optimizer)


def test_step_of_sgd_is_left_to_the_first_gradient():
    assert TransferConfig(optimizer="sgd").resolved().lr is None


@pytest.mark.parametrize(
    ("mode", "weights", "init"),
    [("transfer", (1, 10), "content"), ("texture", (0, 10), "noise"), ("content", (1, 0), "noise")],
)
def test_each_mode_has_its_parts_and_its_start(mode, weights, init):
    config = TransferConfig(mode=mode).resolved()
    assert (config.content_weight, config.style_weight) == weights
    assert config.init == init
    assert TransferConfig(mode=mode, init="grey").resolved().init == "grey"


@pytest.mark.parametrize(("mode", "init"), [("texture", "content"), ("content", "style")])
def test_start_that_the_mode_does_not_have_is_refused(mode, init):
    with pytest.raises(UserError, match=f"--init {init}: --mode {mode} has no {init} picture. Give noise or grey"):
        TransferConfig(mode=mode, init=init)


@pytest.mark.parametrize(("size", "scales"), [(32, 1), (768, 1), (769, 2), (1536, 2), (1537, 3), (4000, 4)])
def test_scales_follow_from_the_size(size, scales):
    assert TransferConfig(size=size).resolved().scales == scales
    assert TransferConfig(size=size, scales=5).resolved().scales == 5
    assert TransferConfig(size=size, mode="texture").resolved().scales == scales + 2


def test_steps_are_100_or_what_the_seconds_allow():
    assert TransferConfig().resolved().steps == STEPS == 100
    assert TransferConfig(seconds=3.0).resolved().steps == UNLIMITED_STEPS
    assert TransferConfig(seconds=3.0, steps=7).resolved().steps == 7


def test_nothing_is_left_open_and_resolving_twice_changes_nothing():
    config = TransferConfig().resolved()
    open_ones = {name for name, value in settings_of(config).items() if value is None}
    assert open_ones <= {"arch", "out", "run_name", "seconds"}
    assert config.resolved() == config


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 31}, "--size 31 (at least 32)"),
        ({"steps": 0}, "--steps 0 (at least 1)"),
        ({"style_weight": -1.0}, "--style-weight -1.0 (at least 0)"),
        ({"tv_weight": -0.1}, "--tv-weight -0.1 (at least 0)"),
        ({"octaves": 0, "scales": 0}, "--scales 0 (at least 1), --octaves 0 (at least 1)"),
        ({"jitter": -1, "optimizer": "adam"}, "--jitter -1 (at least 0)"),
        ({"temperature": 0.0, "seconds": -2.0}, "--seconds -2.0 (above 0), --temperature 0.0 (above 0)"),
        ({"average": 1.0}, "--average 1.0 (0 or more, below 1)"),
        ({"lr": 0.0}, "--lr 0.0 (above 0)"),
        ({"backbone": ()}, "--backbone without a name (one or more)"),
    ],
)
def test_what_cannot_be_painted_is_refused(wrong, message):
    with pytest.raises(UserError) as error:
        TransferConfig(**wrong)
    assert str(error.value) == f"out of range: {message}."


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"jitter": 2, "optimizer": "lbfgs"}, "--jitter .* lbfgs cannot use. Add --optimizer adam"),
        ({"smoothing": "scale"}, "--smoothing scale changes nothing under --loss relative"),
        ({"style_taps": ("relu1_1=heavy",)}, "--style-taps relu1_1=heavy: the weight is no number above 0"),
        ({"content_taps": ("a", "b=0")}, "--content-taps b=0: the weight is no number above 0"),
        ({"content_taps": ("b=inf",)}, "--content-taps b=inf: the weight is no number above 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        TransferConfig(**wrong)


def test_weights_of_taps():
    assert split_weights(("relu1_1=2.5", "stage2", "layer1.0=1e-3"), "--style-taps") == {
        "relu1_1": 2.5,
        "stage2": 1.0,
        "layer1.0": 0.001,
    }


def test_all_mistakes_stand_in_one_line():
    with pytest.raises(UserError, match=r"--size 3 .*--steps 0 .*--content-weight -1.*--lr -2"):
        TransferConfig(size=3, steps=0, content_weight=-1.0, lr=-2.0)


def test_command_line_takes_several_names_and_files():
    words = "--backbone a.pt vgg19@random:3 --content x.png dir --style-taps relu1_1 relu2_1 --loss neural-style"
    config = parse(TransferConfig, "transfer", words.split())
    assert config.backbone == ("a.pt", "vgg19@random:3")
    assert config.content == (Path("x.png"), Path("dir"))
    assert config.style_taps == ("relu1_1", "relu2_1")
    assert config.loss == "neural-style"
    assert config.resolved().init in START_PICTURES


def test_wrong_choice_ends_with_code_2_and_names_the_choices(capsys):
    with pytest.raises(SystemExit) as end:
        parse(TransferConfig, "transfer", ["--loss", "gram"])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert all(name in message for name in WEIGHTS)
