"""The settings of a transfer: what is filled in, what is refused."""

from pathlib import Path

import pytest

from nstkit.config import parse, settings_of
from nstkit.errors import UserError
from transfer.config import START_PICTURES, WEIGHTS, TransferConfig


@pytest.mark.parametrize(
    ("loss", "weights"), [("relative", (1, 10, 3)), ("gatys", (1, 1000, 0)), ("neural-style", (5, 100, 0.001))]
)
def test_each_loss_has_its_own_weights(loss, weights):
    config = TransferConfig(loss=loss).resolved()
    assert (config.content_weight, config.style_weight, config.tv_weight) == weights == WEIGHTS[loss]


def test_weights_that_are_given_stay_even_zero():
    config = TransferConfig(content_weight=0.0, style_weight=3.0, tv_weight=0.5).resolved()
    assert (config.content_weight, config.style_weight, config.tv_weight) == (0, 3, 0.5)


@pytest.mark.parametrize(("optimizer", "lr"), [("lbfgs", 1.0), ("adam", 0.02)])
def test_each_optimizer_has_its_own_step(optimizer, lr):
    assert TransferConfig(optimizer=optimizer).resolved().lr == lr
    assert TransferConfig(optimizer=optimizer, lr=0.3).resolved().lr == 0.3


def test_nothing_is_left_open_and_resolving_twice_changes_nothing():
    config = TransferConfig().resolved()
    open_ones = {name for name, value in settings_of(config).items() if value is None}
    assert open_ones <= {"arch", "out", "run_name"}
    assert config.resolved() == config


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 31}, "--size 31 (at least 32)"),
        ({"steps": 0}, "--steps 0 (at least 1)"),
        ({"style_weight": -1.0}, "--style-weight -1.0 (0 or more)"),
        ({"tv_weight": -0.1}, "--tv-weight -0.1 (0 or more)"),
        ({"lr": 0.0}, "--lr 0.0 (above 0)"),
        ({"backbone": ()}, "--backbone without a name (one or more)"),
    ],
)
def test_what_cannot_be_painted_is_refused(wrong, message):
    with pytest.raises(UserError) as error:
        TransferConfig(**wrong)
    assert str(error.value) == f"out of range: {message}."


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
    assert config.init in START_PICTURES


def test_wrong_choice_ends_with_code_2_and_names_the_choices(capsys):
    with pytest.raises(SystemExit) as end:
        parse(TransferConfig, "transfer", ["--loss", "gram"])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert all(name in message for name in WEIGHTS)
