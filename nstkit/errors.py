"""The user's mistakes as one clear line, and the exit codes of every command.

0 done · 2 the user's mistake, named in one line · 130 interrupted, what was done is saved.
"""

import contextlib
import difflib
import errno
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO


class UserError(Exception):
    """A mistake of the user. The message says what was given, what is allowed and what to do next."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest allowed name, or an empty string.

    Example:
        >>> nearest("relu4_11", ["conv4_1", "relu4_1"])
        " Did you mean 'relu4_1'?"
    """
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its kind where it has none.

    Example:
        >>> first_line(ValueError("sizes do not fit"))
        'sizes do not fit'
        >>> first_line(KeyboardInterrupt())
        'KeyboardInterrupt'
    """
    return (str(error).splitlines() or [type(error).__name__])[0]


def run_command(main: Callable[[], None]) -> None:
    """Run a command's `main` and leave with the exit codes of this module's docstring.

    The traceback of a user's mistake is shown only where `--debug` is on the command line. A warning is one line.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            main()
    except UserError as error:
        if "--debug" in sys.argv:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; what was finished is saved", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno != errno.ENOSPC or "--debug" in sys.argv:
            raise
        print("error: the disk is full. What was saved before is whole; make room and resume.", file=sys.stderr)
        sys.exit(2)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C out of a save: a second one, which `uv run` passes on as well, must not lose the result."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Interruption:
    """Whether the user (Ctrl-C) or the system (SIGTERM, as schedulers send it) has asked for an end.

    As a context manager it takes the first such signal as a request, which the work answers where it can save; a second
    one ends at once.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, *_: object) -> None:
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
        print("stopping as soon as all is saved; once more stops at once", file=sys.stderr)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"warning: {message}", file=sys.stderr)
