"""Groups of settings that check themselves, alike from the command line, from a file and from Python. No torch here.

A group is a frozen dataclass; its annotations are the only place where allowed values stand:

    @dataclass(frozen=True, kw_only=True)
    class Pictures(Settings):
        size: Annotated[int, Interval(ge=32)] = 512
        mode: Literal["transfer", "texture"] = "transfer"

`Pictures(size=3)`, `Pictures(mode="textur")` and `Pictures(sizes=64)` are each one `UserError` that says what is
allowed. A group may hold groups; `of`, `changed` and `flat` treat all of them as one flat table, whose names are flags.
"""

import contextlib
import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

from annotated_types import Interval

from nstkit.errors import UserError, nearest

Value = TypeVar("Value")
Group = TypeVar("Group", bound="Settings")


class Settings:
    """Base of every group of settings: checks type, choice, range and name of what it is given.

    Lists become tuples, texts become paths and whole numbers become floats where the annotation wants that.

    Raises:
        UserError: for all wrong values in one message, or for a name that is no setting.
    """

    def __new__(cls: type[Group], *args: Any, **given: Any) -> Group:
        """Refuse unknown names; the dataclass would raise a bare TypeError."""
        if args:
            raise UserError(f"{cls.__name__}: settings are given by name, as in {cls.__name__}.of(name=value).")
        check_names(given, hints_of(cls))
        return object.__new__(cls)

    def __post_init__(self) -> None:
        """Replace each value by what its annotation wants; refuse what it does not allow."""
        wrong = []
        for name, hint in hints_of(type(self)).items():
            try:
                object.__setattr__(self, name, checked(hint, getattr(self, name)))
            except ValueError as error:
                wrong.append(f"{flag_of(name)} {as_word(getattr(self, name))} ({error})")
        if wrong:
            raise NotAllowed(wrong)

    @classmethod
    def of(cls: type[Group], **values: Any) -> Group:
        """Return the settings with these values by flat name, whichever group each belongs to.

        Raises:
            UserError: for unknown names, or for all wrong values of all groups in one message.
        """
        check_names(values, leaves_of(cls))
        return build(cls, lambda group, names: {name: values[name] for name in names if name in values})

    def changed(self: Group, **values: Any) -> Group:
        """Return a copy with these values by flat name; see `of`."""
        return type(self).of(**{**self.flat(), **values})

    def flat(self) -> dict[str, Any]:
        """Return every value by its flat name, in order."""
        table: dict[str, Any] = {}
        for name in hints_of(type(self)):
            value = getattr(self, name)
            table |= value.flat() if isinstance(value, Settings) else {name: value}
        return table


class NotAllowed(UserError):
    """Wrong values of one or several groups, in one message.

    Attributes:
        wrong: for each, the flag, the value and, in brackets, what is allowed.
    """

    def __init__(self, wrong: list[str]) -> None:
        super().__init__(f"not allowed: {', '.join(wrong)}.")
        self.wrong = wrong


def build(cls: type[Group], values_of: Callable[[type[Settings], list[str]], Mapping[str, Any]]) -> Group:
    """Return the settings of a class whose groups get their values from `values_of(group, names)`.

    Raises:
        NotAllowed: for the wrong values of all groups together.
        UserError: for a rule between settings that the values break.
    """
    wrong: list[str] = []
    settings = _build(cls, values_of, wrong)
    if wrong or settings is None:
        raise NotAllowed(wrong)
    return settings


def _build(
    cls: type[Group], values_of: Callable[[type[Settings], list[str]], Mapping[str, Any]], wrong: list[str]
) -> Group | None:
    """Return the settings, or None where `wrong` got longer."""
    hints = hints_of(cls)
    groups = {name: _build(hint, values_of, wrong) for name, hint in hints.items() if is_group(hint)}
    try:
        leaves = values_of(cls, [name for name in hints if name not in groups])
        return cls(**leaves, **{name: group for name, group in groups.items() if group is not None})
    except NotAllowed as error:
        wrong += error.wrong
        return None
    except UserError:
        if wrong:  # a rule that only looks broken, because a group with a wrong value stands at its defaults
            return None
        raise


def known(value: Value | None) -> Value:
    """Return a setting that has been resolved: one that is None only before that."""
    assert value is not None, "a setting that was not resolved"
    return value


def hints_of(cls: type) -> dict[str, Any]:
    """Return the annotation of each field of a dataclass, in order, with what `Annotated` adds."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def leaves_of(cls: type) -> dict[str, Any]:
    """Return the annotation of each setting of a class and its groups, by flat name."""
    leaves: dict[str, Any] = {}
    for name, hint in hints_of(cls).items():
        inner = leaves_of(hint) if is_group(hint) else {name: hint}
        assert not leaves.keys() & inner.keys(), f"two settings of one name: {leaves.keys() & inner.keys()}"
        leaves |= inner
    return leaves


def is_group(hint: Any) -> bool:
    """Return whether an annotation is a group of settings."""
    return isinstance(hint, type) and issubclass(hint, Settings)


def check_names(given: Mapping[str, Any], allowed: Mapping[str, Any]) -> None:
    """Raise `UserError` for names that are no settings, with the nearest legal ones."""
    unknown = [name for name in given if name not in allowed]
    if unknown:
        hints = "".join(nearest(name, allowed) for name in unknown)
        raise UserError(f"unknown settings: {', '.join(unknown)}.{hints} Allowed: {', '.join(sorted(allowed))}.")


def check_values(hints: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raise `UserError` for names that are no settings, or for all values that their annotations do not allow.

    Args:
        hints: the annotation of each setting, by name.
        values: some of them.
    """
    check_names(values, hints)
    wrong = []
    for name, value in ((name, values[name]) for name in hints if name in values):
        try:
            checked(hints[name], value)
        except ValueError as error:
            wrong.append(f"{flag_of(name)} {as_word(value)} ({error})")
    if wrong:
        raise NotAllowed(wrong)


def checked(hint: Any, value: Any) -> Any:
    """Return a value as its annotation wants it.

    Args:
        hint: made of bool, int, float, str, Path, Literal, None, unions, `tuple[X, ...]`, groups, and `Annotated` with
            an `Interval`.
        value: any.

    Raises:
        ValueError: that says what is allowed.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        value = checked(arguments[0], value)
        for interval in arguments[1:]:
            if isinstance(interval, Interval) and isinstance(value, (int, float)) and not is_inside(interval, value):
                raise ValueError(describe_interval(interval))
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return checked(inner, value)
    if origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            close = nearest(str(value), arguments).strip()
            raise ValueError(f"{', '.join(map(str, arguments))}{f'; {close[0].lower()}{close[1:]}' if close else ''}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError("a list")
        return tuple(checked(arguments[0], item) for item in value)
    return _checked_plain(hint, value)


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
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if hint in (bool, str) and isinstance(value, hint):
        return value
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a text", Path: "a path"}
    raise ValueError(words[hint])


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


def describe_interval(interval: Interval) -> str:
    """Return an interval in words, such as `at least 1`, `above 0`, `0 to 1` or `at least 0, below 1`."""
    if interval.ge is not None and interval.le is not None:
        return f"{interval.ge} to {interval.le}"
    words = {"at least": interval.ge, "above": interval.gt, "at most": interval.le, "below": interval.lt}
    return ", ".join(f"{word} {bound}" for word, bound in words.items() if bound is not None)


def flag_of(name: str) -> str:
    """Return a setting's flag."""
    return "--" + name.replace("_", "-")


def as_word(value: object) -> str:
    """Return a value as it is typed on a command line."""
    return " ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
