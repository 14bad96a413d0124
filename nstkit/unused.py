"""Settings that have no effect beside others: said in one line, so that nobody reads a mistake from the result."""

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nstkit.annotations import is_group, marks_of
from nstkit.settings import Settings, as_word, flag_of, hints_of, leaves_of

OFF = (None, False, 0, (), "none", ("none",))


@dataclass(frozen=True)
class OnlyWith:
    """Mark of an annotation: the setting has an effect only where another setting has one of these values.

    Example:
        >>> str(OnlyWith("optimizer", ("adam", "sgd"))), str(OnlyWith("validate", (True,)))
        ('with --optimizer adam or sgd', 'with --validate')
        >>> str(OnlyWith("dry_run", (False,))), str(OnlyWith("final_fit", (None,)))
        ('without --dry-run', 'without --final-fit')
    """

    name: str
    values: tuple[Any, ...]

    def __str__(self) -> str:
        flag = flag_of(self.name)
        if self.values in ((True,), (False,), (None,)):
            return f"with {flag}" if self.values[0] else f"without {flag}"
        *first, last = map(as_word, self.values)
        return f"with {flag} {', '.join(first)}{' or ' if first else ''}{last}"


def warn_of_unused(cls: type[Settings], given: Mapping[str, Any], effective: Mapping[str, Any]) -> None:
    """Warn, in one line each, of settings that were given and have no effect.

    Args:
        cls: the command's settings, whose annotations carry the marks.
        given: what the user has given now, by flat name. A value that is the default, or that switches off what is off
            anyway, says nothing.
        effective: all that are known, resolved as far as may be.
    """
    hints, defaults = leaves_of(cls), defaults_of(cls)
    for name, value in given.items():
        if name not in hints or value == defaults[name] or value in OFF:
            continue
        for mark in marks_of(hints[name]):
            if isinstance(mark, OnlyWith) and mark.name in effective and effective[mark.name] not in mark.values:
                text = flag_of(name) if value is True else f"{flag_of(name)} {as_word(value)}"
                warnings.warn(f"{text} is not used: it has an effect only {mark}", stacklevel=3)


def defaults_of(cls: type[Settings]) -> dict[str, Any]:
    """Return the default of each setting of a class and its groups, by flat name."""
    defaults: dict[str, Any] = {}
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name, hint in hints_of(cls).items():
        defaults |= defaults_of(hint) if is_group(hint) else {name: fields[name].default}
    return defaults
