"""Groups of settings: what is refused and in which words, and that nothing is lost between Python, flags and files."""

import dataclasses
import json
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
from annotated_types import Interval
from hypothesis import given, settings
from hypothesis import strategies as st

from nstkit.annotations import describe_interval, is_inside
from nstkit.config import CommandConfig, RunSettings, parse, settings_of
from nstkit.errors import UserError
from nstkit.quality.config import QualityConfig
from nstkit.settings import Settings, as_word, flag_of, known, leaves_of
from train_backbone.config import NetworkSettings, TrainConfig


@dataclass(frozen=True, kw_only=True)
class Canvas(Settings):
    """What is painted on."""

    size: Annotated[int, Interval(ge=32)] = 512
    rate: Annotated[float | None, Interval(gt=0)] = None
    share: Annotated[float, Interval(ge=0, lt=1)] = 0.5
    mode: Literal["transfer", "texture"] = "transfer"


@dataclass(frozen=True, kw_only=True)
class Files(Settings):
    """Where things lie."""

    taps: tuple[str, ...] = ("a",)
    sides: tuple[Annotated[int, Interval(ge=8)], ...] = ()
    is_fast: bool = True
    label: str = "x"
    out: Path | None = None
    pictures: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Demo(CommandConfig):
    """One of each kind of setting."""

    canvas: Canvas = Canvas()
    files: Files = Files()
    run: RunSettings = RunSettings()

    def __post_init__(self) -> None:
        """Refuse a large texture."""
        super().__post_init__()
        if self.canvas.mode == "texture" and self.canvas.size == 512:
            raise UserError("a texture of 512 px is too large.")


def refusal(make, *arguments, **values):
    """Return the message of the `UserError`."""
    with pytest.raises(UserError) as caught:
        make(*arguments, **values)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def from_file(folder, settings, cls=Demo):
    path = folder / "settings.json"
    path.write_text(json.dumps(settings))
    return parse(cls, "demo", ["--config", str(path)])


# Values that fit


def test_nothing_given_is_the_defaults():
    assert Demo.of() == Demo() == Demo(canvas=Canvas(), files=Files(), run=RunSettings())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("size", np.int64(64), 64),
        ("size", 10**30, 10**30),
        ("rate", 1, 1.0),
        ("rate", np.float32(0.5), 0.5),
        ("rate", np.int8(2), 2.0),
        ("rate", Fraction(1, 4), 0.25),
        ("rate", None, None),
        ("share", 0, 0.0),
        ("taps", ["b", "c"], ("b", "c")),
        ("taps", ["b", Path("c/d.pt")], ("b", "c/d.pt")),  # a text may name a file
        ("label", Path("a/b.png"), "a/b.png"),
        ("taps", [], ()),
        ("sides", [np.int32(8)], (8,)),
        ("out", "a/b.png", Path("a/b.png")),
        ("pictures", ["a.png", Path("b.png")], (Path("a.png"), Path("b.png"))),
        ("is_fast", False, False),
    ],
)
def test_values_become_what_the_annotation_wants(name, value, expected):
    found = Demo.of(**{name: value}).flat()[name]
    assert found == expected
    assert type(found) is type(expected)
    if isinstance(expected, tuple):
        assert list(map(type, found)) == list(map(type, expected))


def test_settings_are_found_by_name_whichever_group_they_belong_to():
    config = Demo.of(size=64, label="y", seed=3)
    assert (config.canvas, config.files, config.run) == (Canvas(size=64), Files(label="y"), RunSettings(seed=3))
    assert config.changed(seed=4, share=0.25) == Demo.of(size=64, label="y", seed=4, share=0.25)
    assert config == Demo.of(size=64, label="y", seed=3)  # changed is a copy
    assert list(Demo().flat()) == list(leaves_of(Demo)) == [*Canvas().flat(), *Files().flat(), *RunSettings().flat()]


def test_settings_cannot_be_overwritten():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Demo().canvas.size = 64


# Values that do not


WRONG = {
    "too small": ("size", 3, "--size 3 (at least 32)"),
    "too small for an open end": ("rate", 0.0, "--rate 0.0 (above 0)"),
    "at an open end": ("share", 1.0, "--share 1.0 (at least 0, below 1)"),
    "one of a list": ("sides", (8, 7), "--sides 8 7 (at least 8)"),
    "not a number": ("rate", math.nan, "--rate nan (a finite number)"),
    "infinite": ("rate", math.inf, "--rate inf (a finite number)"),
    "below everything": ("share", -math.inf, "--share -inf (a finite number)"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_value_out_of_range_is_refused_in_the_same_words_at_every_door(kind, tmp_path):
    name, value, words = WRONG[kind]
    message = f"not allowed: {words}."
    assert refusal(Demo.of, **{name: value}) == message
    assert refusal(Demo().changed, **{name: value}) == message
    flag_values = map(str, value) if isinstance(value, tuple) else [str(value)]
    assert refusal(parse, Demo, "demo", [flag_of(name), *flag_values]) == message
    assert refusal(from_file, tmp_path, {name: value}) == message
    group = Files if name == "sides" else Canvas
    assert refusal(group, **{name: value}) == message


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("size", 64.0, "a whole number"),
        ("size", True, "a whole number"),
        ("size", "64", "a whole number"),
        ("size", None, "a whole number"),
        ("size", np.float64(64), "a whole number"),
        ("rate", True, "a number"),
        ("rate", "fast", "a number"),
        ("rate", 1j, "a number"),
        ("rate", 10**400, "a finite number"),
        ("mode", "texure", "transfer, texture; did you mean 'texture'?"),
        ("mode", "painting", "transfer, texture"),
        ("mode", None, "transfer, texture"),
        ("mode", ["transfer"], "transfer, texture; did you mean 'transfer'?"),
        ("is_fast", 1, "True or False"),
        ("is_fast", "yes", "True or False"),
        ("label", 3, "a text"),
        ("label", "a\0b", "without NUL characters"),
        ("out", "a\0b", "without NUL characters"),
        ("size", np.zeros((2, 2)), "a whole number"),
        ("out", 3, "a path"),
        ("taps", "relu1_1", "a list"),
        ("taps", None, "a list"),
        ("taps", {"b": 1}, "a list"),
        ("taps", ["b", 3], "a text"),
        ("sides", [8.0], "a whole number"),
        ("canvas", {"size": 64}, "a Canvas"),
        ("canvas", Files(), "a Canvas"),
    ],
)
def test_value_of_another_kind_is_refused(name, value, allowed):
    make = Demo if name == "canvas" else Demo.of
    assert refusal(make, **{name: value}) == f"not allowed: {flag_of(name)} {as_word(value)} ({allowed})."


def test_wrong_values_of_several_groups_stand_in_one_message_at_every_door(tmp_path):
    message = "not allowed: --size 3 (at least 32), --share 2.0 (at least 0, below 1), --sides 1 9 (at least 8), "
    message += "--seed -1 (at least 0)."
    values = {"seed": -1, "sides": [1, 9], "share": 2.0, "size": 3}
    assert refusal(Demo.of, **values) == message
    assert refusal(from_file, tmp_path, values) == message
    words = "--seed -1 --sides 1 9 --share 2 --size 3"
    assert refusal(parse, Demo, "demo", words.split()) == message


def test_rule_between_settings_holds_at_every_door_and_hides_no_wrong_value(tmp_path):
    doors = (
        lambda **values: Demo.of(**values),
        lambda **values: from_file(tmp_path, values),
        lambda **values: parse(Demo, "demo", [f"{flag_of(name)}={value}" for name, value in values.items()]),
    )
    for door in doors:
        assert refusal(door, mode="texture") == "a texture of 512 px is too large."
        assert refusal(door, mode="texture", seed=-1) == "not allowed: --seed -1 (at least 0)."
        # The size that is wrong stands at its default of 512 while the rest is looked at.
        assert refusal(door, mode="texture", size=3) == "not allowed: --size 3 (at least 32)."
        assert door(mode="texture", size=64).canvas.size == 64


def test_unknown_name_is_refused_with_the_nearest_and_all_legal_ones(tmp_path):
    message = refusal(Demo.of, sizes=64, colour="x", size=64)
    assert message.startswith("unknown settings: sizes, colour. Did you mean 'size'? Allowed: config, debug, device,")
    assert message.endswith(" size, taps.")
    assert refusal(from_file, tmp_path, {"sizes": 64, "colour": "x", "size": 64}) == message
    assert refusal(Canvas, sizes=64) == (
        "unknown settings: sizes. Did you mean 'size'? Allowed: mode, rate, share, size."
    )
    assert refusal(Demo().changed, canvas=Canvas()).startswith("unknown settings: canvas.")  # a group is no setting


# Nothing is lost


# As words of a command line: a list's words must not look like flags, and the text None stands for None.
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])).filter(lambda text: text != "None")
words = texts.filter(lambda text: not text.startswith("-"))
paths = words.filter(lambda text: "\0" not in text).map(Path)
values = {
    "size": st.integers(32, 10**12),
    "rate": st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
    "share": st.floats(0, 1, exclude_max=True),
    "mode": st.sampled_from(["transfer", "texture"]),
    "taps": st.lists(words).map(tuple),
    "sides": st.lists(st.integers(8, 99)).map(tuple),
    "is_fast": st.booleans(),
    "label": texts,
    "out": st.none() | paths,
    "pictures": st.lists(paths).map(tuple),
    "seed": st.integers(0, 2**63 - 1),
    "device": st.sampled_from(["auto", "cpu", "cuda"]),
    "run_name": st.none() | st.from_regex(r"[a-z][a-z0-9._-]{0,20}", fullmatch=True),
    "runs_dir": paths,
}
chosen_settings = st.fixed_dictionaries({}, optional=values).filter(
    lambda chosen: chosen.get("mode") != "texture" or chosen.get("size", 512) != 512
)


@given(chosen_settings)
def test_flat_settings_give_the_settings_again(chosen):
    config = Demo.of(**chosen)
    assert config.flat() == {**Demo().flat(), **chosen}
    assert Demo.of(**config.flat()) == config == Demo().changed(**chosen)


@settings(max_examples=30)
@given(chosen=chosen_settings)
def test_saved_settings_give_the_settings_again(tmp_path_factory, chosen):
    config = Demo.of(**chosen)
    again = from_file(tmp_path_factory.getbasetemp(), settings_of(config))
    assert again.changed(config=None) == config
    assert settings_of(again) == settings_of(config)


@pytest.mark.parametrize("cls", [QualityConfig, TrainConfig])
def test_settings_of_a_command_have_names_of_their_own(cls):
    names = [name for field in dataclasses.fields(cls) for name in leaves_of(field.type)]
    assert len(names) == len(set(names))
    assert list(cls().flat()) == names


# Words


@pytest.mark.parametrize(
    ("interval", "text", "inside", "outside"),
    [
        (Interval(ge=1), "at least 1", (1, 9.5), (0, 0.99)),
        (Interval(gt=0), "above 0", (1e-300, 5), (0, -1)),
        (Interval(le=3), "at most 3", (3, -9), (3.01,)),
        (Interval(lt=3), "below 3", (2.99,), (3,)),
        (Interval(ge=0, le=1), "0 to 1", (0, 1, 0.5), (-0.1, 1.1)),
        (Interval(ge=0, lt=1), "at least 0, below 1", (0,), (1,)),
        (Interval(gt=0, le=1), "above 0, at most 1", (1,), (0,)),
        (Interval(ge=8, le=10**9), "8 to 1000000000", (8,), (7, 10**30)),
        (Interval(gt=0, le=1e12), "above 0, at most 1e+12", (1e12,), (0, 1e300)),
    ],
)
def test_interval_in_words(interval, text, inside, outside):
    assert describe_interval(interval) == text
    assert all(is_inside(interval, value) for value in inside)
    assert not any(is_inside(interval, value) for value in outside)


def test_interval_that_ends_far_up_names_the_end_that_was_crossed():
    far = Interval(ge=8, le=10**9)
    assert [describe_interval(far, value) for value in (7, 10**30)] == ["at least 8", "at most 1000000000"]
    assert describe_interval(Interval(ge=0, le=1), 2.0) == "0 to 1"


def test_home_stands_for_its_sign(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    paths = ["~/a.png", "~nobody-has-this-name/a", "~", "a~b"]
    found = ["/home/me/a.png", "~nobody-has-this-name/a", "/home/me", "a~b"]
    assert Demo.of(pictures=paths).files.pictures == tuple(map(Path, found))


def test_value_as_it_is_typed():
    values = ((20, 24), ["a", "b c"], (), None, 0.5, Path("a/b"), Path("a b"), "", "a\nb", "\x1b[2J", np.zeros((2, 2)))
    assert [as_word(value) for value in values] == [
        *("20 24", "a 'b c'", "", "None", "0.5", "a/b", "'a b'", "''", r"'a\nb'", r"'\x1b[2J'", "[[0. 0.] [0. 0.]]")
    ]
    assert flag_of("style_weight") == "--style-weight"


def test_setting_that_is_not_resolved_is_our_mistake():
    assert known(0) == 0
    with pytest.raises(AssertionError, match="not resolved"):
        known(NetworkSettings().init)


def test_settings_are_given_by_name():
    with pytest.raises(UserError, match=r"Files: settings are given by name, as in Files.of\(name=value\)"):
        Files(5)
