"""What may be the name of a run or of a result: a name and no path, short enough for every file system."""

import hashlib
from collections.abc import Iterable

from nstkit.errors import UserError, printable

MAX_BYTES = 200
"""Of a name: file systems allow 255 bytes, of which a suffix and the name of an unfinished file need some."""


def check_name(flag: str, name: str) -> None:
    """Raise `UserError` for what is no name of one folder or file.

    Args:
        flag: the setting that gave it, for the message.
        name: any text.

    Example:
        >>> check_name("--run-name", "vgg19-first")
        >>> check_name("--run-name", "../x")
        Traceback (most recent call last):
        nstkit.errors.UserError: --run-name '../x': a name is wanted, without slashes and no dot first.
    """
    if not name.strip() or name.startswith(".") or "/" in name or "\\" in name:
        raise UserError(f"{flag} '{name}': a name is wanted, without slashes and no dot first.")
    if not is_plain(name):
        raise UserError(f"{flag} '{printable(name)}': a name of signs that can be printed is wanted.")
    if len(name.encode()) > MAX_BYTES:
        raise UserError(f"{flag} '{name[:20]}...': a name of at most {MAX_BYTES} bytes is wanted.")


def is_plain(name: str) -> bool:
    """Return whether a name is text that can be shown and written: no control characters, no bytes of no encoding."""
    return all(letter.isprintable() for letter in name)


def is_utf8(name: str) -> bool:
    """Return whether a name of the disk is UTF-8; Python keeps other bytes as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def fit_name(name: str, max_bytes: int = MAX_BYTES) -> str:
    r"""Return a name that can be written in UTF-8 and is not longer; one that is cut ends in a hash of the whole.

    Args:
        name: of a file or folder, without its suffix; what is no UTF-8 in it is escaped.
        max_bytes: of the result, at least 20.

    Example:
        >>> fit_name("lion-scream"), fit_name("a\udcff")
        ('lion-scream', 'a\\udcff')
        >>> len(fit_name("猫" * 100).encode())
        198
    """
    name = printable(name)
    if len(name.encode()) <= max_bytes:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[: max_bytes - 9].decode(errors='ignore')}~{digest}"


def distinct(names: Iterable[str]) -> list[str]:
    """Return each name as `fit_name` makes it, of equal ones all but the first with a number.

    Names that differ in capitals alone are equal: on some file systems they are one file.

    Example:
        >>> distinct(["a", "b", "A", "a"])
        ['a', 'b', 'A~2', 'a~3']
    """
    taken: set[str] = set()
    found = []
    for name in names:
        fitted = candidate = fit_name(name)
        number = 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{fitted}~{number}"
        taken.add(candidate.casefold())
        found.append(candidate)
    return found
