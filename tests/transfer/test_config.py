"""The settings of a transfer: what is filled in, what is refused."""

import re
from pathlib import Path

import pytest

from nstkit.config import parse, settings_of
from nstkit.errors import UserError
from transfer.config import TransferConfig, split_blend
from transfer.painting.settings import START_PICTURES, WEIGHTS, PaintSettings


@pytest.mark.parametrize(("mode", "init"), [("texture", "content"), ("content", "style")])
def test_start_that_the_mode_does_not_have_is_refused(mode, init):
    with pytest.raises(UserError, match=f"--init {init}: --mode {mode} has no {init} picture. Give noise or grey"):
        TransferConfig.of(mode=mode, init=init)


@pytest.mark.parametrize(("mode", "absent"), [("texture", "content"), ("content", "style")])
def test_picture_that_the_mode_does_not_have_is_refused(mode, absent):
    with pytest.raises(UserError, match=f"--{absent} with --mode {mode}, which has no {absent} picture"):
        TransferConfig.of(mode=mode, **{absent: (Path("a.png"),)})


def test_nothing_is_left_open_and_resolving_twice_changes_nothing():
    config = TransferConfig().resolved()
    open_ones = {name for name, value in settings_of(config).items() if value is None}
    never_set = {"animation", "arch", "out", "preset", "preview_every", "resume", "rows", "run_name", "seconds", "tile"}
    assert open_ones <= never_set
    assert config.resolved() == config


def test_painter_is_told_what_the_command_was():
    config = TransferConfig.of(style_weight=30.0, steps=7, seed=3, precision="fp32", size=1000, mode="texture")
    assert config.painting == PaintSettings.of(style_weight=30.0, steps=7, seed=3, precision="fp32")
    assert config.resolved(4).painting == config.painting.resolved("texture", 1000, 4)
    assert config.resolved().optimization.scales == 4


def test_network_is_loaded_with_what_the_command_was_told():
    network = TransferConfig.of(pooling="avg", swap=("relu1_1@random",), arch="a.b:c", value_range="0-255").network
    assert network.loading == {
        "pooling": "avg",
        "padding": "zero",
        "preprocess": "own",
        "swap": ("relu1_1@random",),
        "mean": (),
        "std": (),
        "channel_order": "own",
        "value_range": "0-255",
        "factory": "a.b:c",
    }


def test_all_mistakes_of_all_groups_stand_in_one_line():
    with pytest.raises(UserError) as error:
        TransferConfig.of(size=3, steps=0, content_weight=-1.0, lr=-2.0, seed=-1)
    assert str(error.value) == (
        "not allowed: --size 3 (at least 32), --content-weight -1.0 (at least 0), --steps 0 (at least 1), "
        "--lr -2.0 (above 0), --seed -1 (at least 0)."
    )
    with pytest.raises(UserError, match="--backbone without a name"):
        TransferConfig.of(backbone=())


def test_command_line_takes_several_names_and_files():
    words = "--backbone a.pt vgg19@random:3 --content x.png dir --style-taps relu1_1 relu2_1 --loss neural-style"
    config = parse(TransferConfig, "transfer", words.split())
    assert config.network.backbone == ("a.pt", "vgg19@random:3")
    assert config.pictures.content == (Path("x.png"), Path("dir"))
    assert config.losses.style_taps == ("relu1_1", "relu2_1")
    assert config.losses.loss == "neural-style"
    assert config.resolved().optimization.init in START_PICTURES


def test_wrong_choice_names_the_choices():
    with pytest.raises(UserError) as error:
        parse(TransferConfig, "transfer", ["--loss", "gram"])
    assert str(error.value) == f"not allowed: --loss gram ({', '.join(WEIGHTS)})."


def test_help_shows_the_groups_and_examples(capsys):
    from transfer.config import EXAMPLES

    with pytest.raises(SystemExit) as end:
        parse(TransferConfig, "transfer", ["--help"], examples=EXAMPLES)
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for group in ("pictures", "network", "losses", "optimization", "judging", "run"):
        assert f"{group} options" in shown
    assert shown.rstrip().endswith(EXAMPLES.rstrip())


@pytest.mark.parametrize(
    ("words", "content", "style"),
    [
        ("a.jpg b.jpg", ["a.jpg"], ["b.jpg"]),
        ("a.jpg", ["a.jpg"], []),
        ("--size 64 a.jpg --quiet b.jpg", ["a.jpg"], ["b.jpg"]),
        ("--style b.jpg c.jpg --quiet a.jpg", ["a.jpg"], ["b.jpg", "c.jpg"]),
        ("--content a.jpg --quiet b.jpg", ["a.jpg"], ["b.jpg"]),
    ],
)
def test_pictures_need_no_flags(words, content, style):
    pictures = parse(TransferConfig, "transfer", words.split()).pictures
    assert [[str(path) for path in paths] for paths in (pictures.content, pictures.style)] == [content, style]


def test_a_third_picture_is_told_where_it_belongs():
    with pytest.raises(
        UserError, match=r"^c\.jpg: no flag before it takes it\. Several go behind --content or --style"
    ):
        parse(TransferConfig, "transfer", ["a.jpg", "b.jpg", "c.jpg"])


def test_shares_of_a_blend(tmp_path, monkeypatch):
    assert split_blend(()) == {}
    assert split_blend(("a.jpg", "b.jpg=0", "c.jpg=3")) == {"c.jpg": 0.75, "a.jpg": 0.25, "b.jpg": 0}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x=1.jpg").touch()  # a name that is there is no weight
    assert list(split_blend(("x=1.jpg", "b.jpg"))) == ["x=1.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.jpg=x", "b.jpg"), "--blend a.jpg=x: the weight is no number from 0"),
        (("a.jpg=-1", "b.jpg"), "--blend a.jpg=-1: the weight is no number from 0"),
        (("a.jpg=nan",), "--blend a.jpg=nan: the weight is no number from 0"),
        (("a.jpg=0", "b.jpg=0"), "--blend a.jpg=0 b.jpg=0: the weights sum to 0. Raise one."),
        (("a.jpg", "a.jpg=2"), "--blend a.jpg=2: a.jpg is named twice"),
    ],
)
def test_wrong_weights_of_a_blend_are_refused(words, message):
    with pytest.raises(UserError, match=re.escape(message)):
        TransferConfig.of(blend=words)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"style": ["a.jpg"], "blend": ["b.jpg"]}, "--style beside --blend"),
        ({"mode": "content", "blend": ["b.jpg"]}, "--blend with --mode content, which has no style picture"),
        ({"region_weights": ["red=2"]}, "--region-weights without --content-mask"),
        ({"content_mask": ["m.png"], "region_weights": ["red=x"]}, "--region-weights red=x: the weight is no number"),
        ({"crop_rim": True, "style_mask": ["m.png"]}, "--crop-rim with --style-mask"),
        ({"statistic": "mean-std", "loss": "gatys"}, "--statistic mean-std with --loss gatys, which compares Gram"),
        ({"style_scale": 0.0}, "--style-scale 0.0 (0.05 to 20)"),
    ],
)
def test_controls_that_exclude_each_other_are_refused(settings, message):
    with pytest.raises(UserError, match=re.escape(message)):
        TransferConfig.of(**settings)


@pytest.mark.parametrize(
    ("mode", "unused"),
    [
        ("texture", ["--color luminance", "--content-mask m.png", "--style-scale 2.0"]),
        (
            "content",
            [
                "--color luminance",
                "--content-mask m.png",
                "--statistic mean-std",
                "--style-mask n.png",
                "--style-scale 2.0",
            ],
        ),
    ],
)
def test_controls_that_a_mode_does_not_use_are_said(mode, unused):
    words = ["--mode", mode, "--color", "luminance", "--content-mask", "m.png", "--style-mask", "n.png"]
    words += ["--style-scale", "2", "--statistic", "mean-std"]
    with pytest.warns(UserWarning, match="is not used") as caught:
        parse(TransferConfig, "transfer", words)
    assert sorted(str(each.message).split(" is not")[0] for each in caught) == sorted(unused)
