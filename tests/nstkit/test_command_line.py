"""Words of a command line: what they say, and that every mistake is one line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
import tyro
from annotated_types import Interval

from nstkit.annotations import Alone, Words
from nstkit.command_line import read_words
from nstkit.config import parse
from nstkit.errors import UserError
from nstkit.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Demo(Settings):
    """One of each kind of setting."""

    file: Annotated[Path, tyro.conf.Positional]
    to: Path
    size: Annotated[int, Interval(ge=32)] = 512
    lr: float | None = None
    mode: Literal["max", "avg"] = "max"
    taps: tuple[str, ...] = ()
    sides: tuple[int, ...] = ()
    quality: bool = True
    run_name: str | None = None
    device: Annotated[str, Words(("auto",), (("cuda:N", "cuda:[0-9]"),))] = "auto"
    listed: Annotated[str | None, Alone("*")] = None


def read(*words):
    return read_words(Demo, words)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("", {}),
        ("a.pt --to b", {"file": "a.pt", "to": "b"}),
        ("--to b a.pt", {"file": "a.pt", "to": "b"}),
        ("--no-quality a.pt", {"file": "a.pt", "quality": False}),
        ("--quality", {"quality": True}),
        ("--size 64 --size=96", {"size": 96}),  # as in every other program, the last holds
        ("--size 1_000", {"size": 1000}),
        ("--run_name x", {"run_name": "x"}),
        ("--lr -1e-3", {"lr": -0.001}),
        ("--lr -inf", {"lr": float("-inf")}),
        ("--lr=-.5 --run-name None", {"lr": -0.5, "run_name": None}),
        ("--lr None", {"lr": None}),
        ("--taps a b --sides 1 2", {"taps": ["a", "b"], "sides": [1, 2]}),
        ("--taps", {"taps": []}),
        ("--taps=--size b", {"taps": ["--size", "b"]}),
        ("--run-name=--size", {"run_name": "--size"}),
        ("--run-name=a=b", {"run_name": "a=b"}),
        ("--run-name=", {"run_name": ""}),
        ("--to - -- ", {"to": "-", "file": "--"}),
        ("--device cuda:1", {"device": "cuda:1"}),
        ("--listed", {"listed": "*"}),
        ("--listed vgg* a.pt", {"listed": "vgg*", "file": "a.pt"}),
        ("--size big", {"size": "big"}),  # refused with the rest, where the settings are made
    ],
)
def test_words_give_values(words, values):
    found = read(*words.split())
    assert found == values
    assert {name: type(value) for name, value in found.items()} == {name: type(value) for name, value in values.items()}


def test_blanks_and_line_ends_are_part_of_a_value():
    assert read("a b.pt", "--run-name", "-1 x\n--size") == {"file": "a b.pt", "run_name": "-1 x\n--size"}


def test_list_given_twice_is_said():
    with pytest.warns(UserWarning, match="--taps was given twice: b c holds. Put all behind one."):
        assert read("--taps", "a", "--taps", "b", "c") == {"taps": ["b", "c"]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("f --to b --size abc", "not allowed: --size abc (a whole number)."),
        ("f --to b --size 64.0", "not allowed: --size 64.0 (a whole number)."),
        ("f --to b --size None", "not allowed: --size None (a whole number)."),
        ("f --to b --size= --lr fast", "not allowed: --size '' (a whole number), --lr fast (a number)."),
        ("f --to b --size 9 --lr nan", "not allowed: --size 9 (at least 32), --lr nan (a finite number)."),
        ("f --to b --mode mxa", "not allowed: --mode mxa (max, avg; did you mean 'max'?)."),
        ("f --to b --sides 1 x 3", "not allowed: --sides 1 x 3 (a whole number)."),
        ("f --to b --size", "not allowed: --size without a value (a whole number)."),
        ("f --to --size 64", "not allowed: --to without a value (a path)."),
        ("f --to b --size --mode", "not allowed: --size without a value (a whole number), --mode without a value"),
        ("f --to b --sizes 3", "unknown flag: --sizes. Did you mean '--size'? See --help."),
        ("f --to b -size 3", "unknown flag: -size. Did you mean '--size'? See --help."),
        ("f --to b --no-size", "unknown flag: --no-size."),
        ("f --to b --tap --zzz=1", "unknown flag: --tap, --zzz. Did you mean '--taps'? See --help."),
        ("f --to b --quality=yes", "not allowed: --quality yes (no value: --quality or --no-quality)."),
        ("f --to b --size 64 128", "not allowed: --size 64 128 (one value, a whole number)."),
        ("f --to b --size 64 x", "x: no flag before it takes it."),
        ("f --to b --device cuda:x", "not allowed: --device cuda:x (auto, cuda:N; did you mean 'cuda:N'?)."),
        ("f --to b --quality yes", "yes: no flag before it takes it."),
        ("f g --to b", "g: no flag before it takes it."),
        ("", "not given: FILE, --to. See --help."),
        ("f", "not given: --to. See --help."),
    ],
)
def test_mistake_is_one_line(words, message):
    with pytest.raises(UserError) as error:
        parse(Demo, "demo", words.split())
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_message_about_a_wild_value_stays_one_line():
    with pytest.raises(UserError) as error:
        parse(Demo, "demo", ["f", "--to", "b", "--size", "a\nb\x1b[2J"])
    assert str(error.value) == r"not allowed: --size 'a\nb\x1b[2J' (a whole number)."
