"""Groups of settings that check themselves, alike from the command line, from a file and from Python. No torch here.

A group is a frozen dataclass; its annotations are the only place where allowed values stand:

    @dataclass(frozen=True, kw_only=True)
    class Pictures(Settings):
        size: Annotated[int, Interval(ge=32)] = 512
        mode: Literal["transfer", "texture"] = "transfer"

`Pictures(size=3)`, `Pictures(mode="textur")` and `Pictures(sizes=64)` are each one `UserError` that says what is
allowed. A group may hold groups; `of`, `changed` and `flat` treat all of them as one flat table, whose names are flags.
"""

import dataclasses
import shlex
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from nstkit.annotations import BARE, checked, is_group, marks_of
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
        hints = hints_of(type(self))
        for name, value in checked_values(hints, {name: getattr(self, name) for name in hints}).items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls: type[Group], **values: Any) -> Group:
        """Return the settings with these values by flat name, whichever group each belongs to.

        Raises:
            UserError: for unknown names, or for all wrong values of all groups in one message.
        """
        return _build(cls, checked_values(leaves_of(cls), values))

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

    def effective(self) -> dict[str, Any]:
        """Return the flat values by which it is seen which settings have an effect: resolved as far as may be."""
        return self.flat()


class NotAllowed(UserError):
    """Wrong values in one message, each with its flag and, in brackets, what is allowed; see `not_allowed`."""

    def __init__(self, wrong: list[str]) -> None:
        super().__init__(f"not allowed: {', '.join(wrong)}.")


def _build(cls: type[Group], values: Mapping[str, Any]) -> Group:
    """Return the settings of a class and its groups from values by flat name, some of which belong to others."""
    hints = hints_of(cls)
    groups = {name: _build(hint, values) for name, hint in hints.items() if is_group(hint)}
    return cls(**groups, **{name: values[name] for name in hints if name in values})


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


def bare_of(cls: type[Settings]) -> list[str]:
    """Return the settings that may be given as words without their flags, in the order of the words."""
    return [name for name, hint in leaves_of(cls).items() if BARE in marks_of(hint)]


def check_names(given: Mapping[str, Any], allowed: Mapping[str, Any]) -> None:
    """Raise `UserError` for names that are no settings, with the nearest legal ones."""
    unknown = [name for name in given if name not in allowed]
    if unknown:
        hints = "".join(nearest(name, allowed) for name in unknown)
        raise UserError(f"unknown settings: {', '.join(unknown)}.{hints} Allowed: {', '.join(sorted(allowed))}.")


def checked_values(hints: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as their annotations want them, in the order of these.

    Args:
        hints: the annotation of each setting, by name.
        values: of some of them.

    Raises:
        UserError: for names that are no settings, or for all values that are not allowed, in one message.
    """
    check_names(values, hints)
    fitting: dict[str, Any] = {}
    wrong = []
    for name in (name for name in hints if name in values):
        try:
            fitting[name] = checked(hints[name], values[name])
        except ValueError as error:
            wrong.append(not_allowed(name, values[name], error))
    if wrong:
        raise NotAllowed(wrong)
    return fitting


def not_allowed(name: str, value: object, error: ValueError) -> str:
    """Return a wrong value as `NotAllowed` lists it: the flag, the value, what is allowed."""
    return f"{flag_of(name)} {as_word(value)} ({error})"


def flag_of(name: str) -> str:
    """Return a setting's flag."""
    return "--" + name.replace("_", "-")


def as_word(value: object) -> str:
    """Return a value as it is typed on a command line, a text in quotation marks where it needs them."""
    if isinstance(value, (tuple, list)):
        return " ".join(map(as_word, value))
    text = str(value)
    if not isinstance(value, (str, Path)):
        return " ".join(text.split())  # an array has several lines
    return shlex.quote(text) if text.isprintable() else repr(text)
