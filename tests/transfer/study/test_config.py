"""The settings of a study: the grid, and its variants."""

import pytest

from nstkit.config import RunSettings
from nstkit.errors import UserError
from transfer.study.config import GridSettings, StudyConfig

RUN = RunSettings(device="cpu", precision="fp32")


def test_variants_are_flags_of_the_painter_read_by_its_own_parser():
    grid = GridSettings(
        variant=("default:", "adam: --optimizer adam --lr 0.1 --style-taps relu1_1 relu2_1=0.5"), steps=7
    )
    default, adam = grid.variants(RUN).values()
    assert list(grid.variants(RUN)) == ["default", "adam"]
    assert (default.optimization.steps, default.run.device, default.run.precision) == (7, "cpu", "fp32")
    assert default.optimization.optimizer is None
    assert (adam.optimization.optimizer, adam.optimization.lr, adam.optimization.steps) == ("adam", 0.1, 7)
    assert adam.losses.style_taps == ("relu1_1", "relu2_1=0.5")


def test_variant_beats_the_steps_of_the_grid_and_may_change_the_network():
    grid = GridSettings(variant=("long: --steps 30 --pooling avg --swap relu1_1@random",), steps=7)
    (variant,) = grid.variants(RUN).values()
    assert variant.optimization.steps == 30
    assert variant.network.loading["pooling"] == "avg"
    assert variant.network.loading["swap"] == ("relu1_1@random",)


def test_variant_may_be_a_preset_at_the_size_and_with_the_networks_of_the_grid():
    grid = GridSettings(variant=("balaji: --preset balaji2021-sgd --lr 50", "gupta: --preset gupta2019"), size=(64,))
    balaji, gupta = (variant.flat() for variant in grid.variants(RUN).values())
    assert (balaji["loss"], balaji["lr"], balaji["steps"], balaji["rows"]) == ("keras", 50.0, 40, None)
    assert gupta["style_taps"] == tuple(f"pool{block}" for block in range(1, 6))
    (gupta,) = GridSettings(variant=("x: --preset gupta2019",), backbone=("resnet50",)).variants(RUN).values()
    assert gupta.losses.content_taps == ("stage3",)
    with pytest.raises(UserError, match=r"--variant x: --preset nobody: not allowed: --preset nobody \("):
        GridSettings(variant=("x: --preset nobody",)).variants(RUN)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("a: --size 64", "--size cannot differ by variant"),
        ("a: --size=512", "--variant a: --size=512: --size cannot differ by variant"),
        ("a: --config x.json --quiet", "--config, --quiet cannot differ by variant"),
        ("a: --init 'x", "no closing quotation"),
        ("a: --seed 3 --backbone vgg19", "--seed, --backbone cannot differ by variant"),
        ("a: --steps 0", r"not allowed: --steps 0 \(at least 1\)"),
        ("a: --optimizer lbfgs --jitter 3", "lbfgs cannot use"),
    ],
)
def test_variant_that_cannot_be_is_refused(variant, message):
    with pytest.raises(UserError, match=message):
        GridSettings(variant=(variant,)).variants(RUN)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--optimiser adam", "unknown flag: --optimiser. Did you mean '--optimizer'?"),
        ("--lr fast", "not allowed: --lr fast (a number)."),
        ("--lr", "not allowed: --lr without a value (a number)."),
        ("--style_taps=relu1_1=nan", "--style-taps relu1_1=nan: the weight is no number above 0"),
        ("--no-quiet", "--quiet cannot differ by variant"),
        ("--arch os:getcwd", "--arch cannot differ by variant"),
        ("--help", "unknown flag: --help"),
    ],
)
def test_mistake_in_a_variant_is_one_line_that_names_it(flags, said):
    with pytest.raises(UserError) as error:
        GridSettings(variant=(f"a: {flags}",)).variants(RUN)
    assert str(error.value).startswith(f"--variant a: {flags}: {said}")
    assert "\n" not in str(error.value)


def test_setting_of_a_variant_without_effect_is_said():
    with pytest.warns(UserWarning, match="--history 5 is not used: it has an effect only with --optimizer lbfgs"):
        GridSettings(variant=("a: --optimizer adam --history 5",)).variants(RUN)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"variant": ("a:", "b:", "a: --lr 1")}, "two are named a"),
        ({"variant": ("pixels",)}, "--variant pixels: it has no name"),
        ({"variant": ("a:", " a: --lr 1")}, "two are named a"),
        ({"backbone": ()}, "--backbone without a value"),
        ({"size": (8,)}, r"--size 8 \(at least 32\)"),
        ({"style_weight": (-1.0,)}, r"--style-weight -1.0 \(at least 0\)"),
    ],
)
def test_grid_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        StudyConfig.of(**wrong)
