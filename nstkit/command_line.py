"""The words of a command line as settings; a mistake is one line, in the words in which files and Python give it.

--name VALUE, --name=VALUE    one value; `None` where the setting may be None
--name VALUE VALUE ...        a list, which ends at the next flag
--name, --no-name             True and False
--name                        a setting whose mark says what that means
VALUE                         a setting that is marked as positional, or as bare and has no flag on the line

Words may have `_` for `-`. Of a flag that is given twice the last holds. No torch here.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import tyro

from nstkit.annotations import Alone, allowed_by, is_list, marks_of, may_be_none, plain_of
from nstkit.errors import UserError, nearest
from nstkit.settings import NotAllowed, Settings, as_word, bare_of, flag_of, leaves_of

FLAG = re.compile(r"--.|-[A-Za-z]", re.DOTALL)
NUMBER = re.compile(r"-(inf|infinity|nan)", re.IGNORECASE)  # all others begin with a digit or a dot
HELP = ("-h", "--help")


@dataclass
class Flag:
    """A flag as it was typed, and the words behind it.

    Attributes:
        typed: the flag; empty for the words before the first one.
        words: the values.
        is_joined: the first value stands behind `=`.
    """

    typed: str
    words: list[str] = field(default_factory=list)
    is_joined: bool = False


def split_flags(words: Sequence[str]) -> list[Flag]:
    """Return the flags of a command line in order. Numbers such as -1 and -inf are no flags, and `-` is a word.

    Example:
        >>> [(flag.typed, flag.words) for flag in split_flags(["a", "--lr", "-1", "--out=-x"])]
        [('', ['a']), ('--lr', ['-1']), ('--out', ['-x'])]
    """
    flags = [Flag("")]
    for word in words:
        if FLAG.match(word) and not NUMBER.fullmatch(word):
            typed, joint, value = word.partition("=")
            flags.append(Flag(typed, [value] if joint else [], bool(joint)))
        else:
            flags[-1].words.append(word)
    return flags


def read_words(cls: type[Settings], words: Sequence[str]) -> dict[str, Any]:
    """Return the settings that the words give, by flat name. What is out of range is left to the class to refuse.

    Args:
        cls: whose settings they are.
        words: of a command line.

    Raises:
        UserError: for unknown flags, or for all words that cannot be read, in one message.
    """
    hints = leaves_of(cls)
    positional = [name for name, hint in hints.items() if is_positional(hint)]
    names = {flag_of(name): name for name in hints if name not in positional}
    switches = {name for name, hint in hints.items() if plain_of(hint) is bool}
    off = {flag_of(f"no_{name}"): name for name in switches}
    values: dict[str, Any] = {}
    loose: list[str] = []
    unknown: list[str] = []
    wrong: list[str] = []
    for flag in split_flags(words):
        typed = flag.typed.replace("_", "-")
        name = names.get(typed) or off.get(typed)
        if not flag.typed:
            loose += flag.words
        elif name is None:
            unknown.append(flag.typed)
        elif name in switches:
            values[name] = typed not in off
            if flag.is_joined:
                wrong.append(f"{typed} {as_word(flag.words)} (no value: {flag_of(name)} or {flag_of(f'no_{name}')})")
            else:
                loose += flag.words
        elif is_list(hints[name]):
            items = [_item(hints[name], word) for word in flag.words]
            if values.get(name, items) != items:
                warnings.warn(f"{typed} was given twice: {as_word(items)} holds. Put all behind one.", stacklevel=3)
            values[name] = items
        elif not flag.words and (alone := [mark for mark in marks_of(hints[name]) if isinstance(mark, Alone)]):
            values[name] = alone[0].value
        elif not flag.words:
            wrong.append(f"{typed} without a value ({allowed_by(hints[name])})")
        elif len(flag.words) > 1 and all(_is_number(hints[name], word) for word in flag.words[:2]):
            wrong.append(f"{typed} {as_word(flag.words)} (one value, {allowed_by(hints[name])})")
        else:
            values[name] = _item(hints[name], flag.words[0])
            loose += flag.words[1:]
    for name in positional:
        if loose:
            values[name] = loose.pop(0)
    bare = bare_of(cls)
    for name in bare:
        if loose and name not in values:
            count = len(loose) if len(bare) == 1 else 1
            values[name], loose = loose[:count], loose[count:]
    if unknown:
        close = "".join(dict.fromkeys(nearest(f"--{flag.lstrip('-')}", [*names, *off]) for flag in unknown))
        raise UserError(f"unknown flag: {', '.join(map(as_word, unknown))}.{close} See --help.")
    if wrong:
        raise NotAllowed(wrong)
    if loose:
        flags = " or ".join(map(flag_of, bare))
        listed = f" Several go behind {flags}." if flags else ""
        raise UserError(
            f"{as_word(loose[0])}: no flag before it takes it.{listed} A text with blanks wants quotation marks."
        )
    return values


def is_positional(hint: Any) -> bool:
    """Return whether an annotation is marked as that of a word without a flag."""
    return tyro.conf.Positional in marks_of(hint)


def _is_number(hint: Any, word: str) -> bool:
    """Return whether a setting is a number, and a word is one of its kind."""
    return plain_of(hint) in (int, float) and not isinstance(_item(hint, word), str)


def _item(hint: Any, word: str) -> Any:
    """Return what a word says; the word itself where it says nothing that the annotation wants."""
    kind = plain_of(hint)
    if word == "None" and may_be_none(hint):
        return None
    if kind not in (int, float):
        return word
    try:
        return kind(word)
    except ValueError:
        return word
