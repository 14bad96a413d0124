"""What the annotation of a setting says: which values it allows, in which words, and what it is marked with.

Annotations are made of bool, int, float, str, Path, Literal, None, unions, `tuple[X, ...]`, groups of settings, and
`Annotated` with an `Interval` and marks.
"""

import contextlib
import dataclasses
import math
import os
import re
import types
import typing
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from annotated_types import Interval

from nstkit.errors import nearest

# Every number has an upper end too: what lies above it is a slip, and would end in an overflow or a canvas of noise.
SEEDS = Interval(ge=0, le=2**63 - 1)  # what every generator takes
COUNTS = Interval(ge=1, le=10**9)
COUNTS_OR_0 = Interval(ge=0, le=10**9)
LOSS_WEIGHTS = Interval(ge=0, le=1e12)  # of a loss, in whichever unit
LONGEST_PX = 100_000  # side of a picture
MEMORY_GIB = Interval(gt=0, le=1e6)
BARE = "bare"  # mark of a list whose one value may be a word without its flag; where it is the only one, its many
FAR = 100  # an upper end from here on is named only to who crossed it


@dataclasses.dataclass(frozen=True)
class Alone:
    """Mark of a setting whose flag may stand without a value, and what it then says."""

    value: str


@dataclasses.dataclass(frozen=True)
class Words:
    """Mark of a text that is one of some words, or of one of some forms.

    Attributes:
        words: that are allowed.
        forms: regular expressions of what else is, by the word that shows them, such as `cuda:N`.

    Example:
        >>> device = Words(("cuda", "cpu"), (("cuda:N", "cuda:[0-9]+"),))
        >>> device.allows("cuda:1"), device.allows("cuda:x"), device.shown
        (True, False, ('cuda', 'cpu', 'cuda:N'))
    """

    words: tuple[str, ...]
    forms: tuple[tuple[str, str], ...]

    @property
    def shown(self) -> tuple[str, ...]:
        """All words, those of the forms last."""
        return (*self.words, *(name for name, _ in self.forms))

    def allows(self, value: object) -> bool:
        """Return whether a value is one of them."""
        is_text = isinstance(value, str)
        return is_text and (value in self.words or any(re.fullmatch(form, str(value)) for _, form in self.forms))


def is_group(hint: Any) -> bool:
    """Return whether an annotation is a group of settings."""
    return isinstance(hint, type) and dataclasses.is_dataclass(hint)


def checked(hint: Any, value: Any) -> Any:
    """Return a value as its annotation wants it.

    Args:
        hint: an annotation.
        value: any.

    Raises:
        ValueError: that says what is allowed.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        words = next((mark for mark in arguments[1:] if isinstance(mark, Words)), None)
        if words is not None and not words.allows(value):
            raise ValueError(_one_of(words.shown, value))
        value = checked(arguments[0], value)
        for interval in arguments[1:]:
            if isinstance(interval, Interval) and isinstance(value, (int, float)) and not is_inside(interval, value):
                raise ValueError(describe_interval(interval, value))
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return checked(inner, value)
    if origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            raise ValueError(_one_of(arguments, value))
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError("a list")
        return tuple(checked(arguments[0], item) for item in value)
    return _checked_plain(hint, value)


def _one_of(words: tuple[str, ...], value: Any) -> str:
    close = nearest(str(value), words).strip()
    return f"{', '.join(words)}{f'; {close[0].lower()}{close[1:]}' if close else ''}"


def _checked_plain(hint: Any, value: Any) -> Any:
    if is_group(hint):
        if not isinstance(value, hint):
            raise ValueError(f"a {hint.__name__}")
        return value
    is_number = not isinstance(value, bool)
    if hint is int and is_number and isinstance(value, Integral):
        return int(value)
    if hint is float and is_number and isinstance(value, Real):
        with contextlib.suppress(OverflowError):  # a whole number of hundreds of digits
            if math.isfinite(number := float(value)):
                return number
        raise ValueError("a finite number")
    if isinstance(value, (str, Path)) and "\0" in str(value):
        raise ValueError("without NUL characters")
    if hint is Path and isinstance(value, (str, Path)):
        return path_of(value)
    if hint is str and isinstance(value, Path):  # such a text may name a file
        return str(value)
    if hint in (bool, str) and isinstance(value, hint):
        return value
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a text", Path: "a path"}
    raise ValueError(words[hint])


def plain_of(hint: Any) -> Any:
    """Return what an annotation comes to without `Annotated`, None and list: bool, int, float, str, Path or Literal."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Annotated, tuple):
        return plain_of(arguments[0])
    if origin in (Union, types.UnionType):
        return plain_of(next(argument for argument in arguments if argument is not type(None)))
    return hint


def is_list(hint: Any) -> bool:
    """Return whether an annotation is that of a list."""
    return typing.get_origin(without_marks(hint)) is tuple


def may_be_none(hint: Any) -> bool:
    """Return whether an annotation allows None."""
    return type(None) in typing.get_args(without_marks(hint))


def without_marks(hint: Any) -> Any:
    """Return an annotation without what `Annotated` adds to it."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def marks_of(hint: Any) -> tuple[Any, ...]:
    """Return what `Annotated` adds to an annotation."""
    return typing.get_args(hint)[1:] if typing.get_origin(hint) is Annotated else ()


def allowed_by(hint: Any) -> str:
    """Return in words which kind of value an annotation allows, such as `a whole number`."""
    try:
        checked(hint, ...)  # which is of no kind
    except ValueError as error:
        return str(error)
    raise AssertionError(f"{hint} allows everything")


def path_of(text: str | Path) -> Path:
    """Return a path; a leading `~` or `~NAME` becomes that home, and stays as it is where nobody has that name."""
    return Path(os.path.expanduser(text))  # Path.expanduser raises for a name that nobody has


def is_inside(interval: Interval, value: int | float) -> bool:
    """Return whether a number lies inside an interval."""
    bounds: tuple[Any, ...] = (interval.ge, interval.gt, interval.le, interval.lt)
    at_least, above, at_most, below = bounds
    return (
        (at_least is None or value >= at_least)
        and (above is None or value > above)
        and (at_most is None or value <= at_most)
        and (below is None or value < below)
    )


def describe_interval(interval: Interval, value: int | float | None = None) -> str:
    """Return an interval in words, such as `at least 1`, `above 0`, `0 to 1` or `at least 0, below 1`.

    Args:
        interval: with one end or two.
        value: what lies outside; of an interval that ends far up only the end that it crossed is named.
    """
    words = {"at least": interval.ge, "above": interval.gt, "at most": interval.le, "below": interval.lt}
    ends: dict[str, Any] = {word: bound for word, bound in words.items() if bound is not None}
    if value is not None and ends.get("at most", 0) >= FAR:
        is_above = value > ends["at most"]
        ends = {word: bound for word, bound in ends.items() if (word == "at most") == is_above}
    if list(ends) == ["at least", "at most"]:
        return f"{_as_number(interval.ge)} to {_as_number(interval.le)}"
    return ", ".join(f"{word} {_as_number(bound)}" for word, bound in ends.items())


def _as_number(bound: Any) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)
