"""The user's mistakes as one clear line, and the exit codes of every command.

0 done · 2 the user's mistake, named in one line · 130 interrupted, what was done is saved.
"""

import difflib
import sys
import warnings
from collections.abc import Callable, Iterable


class UserError(Exception):
    """A mistake of the user. The message says what was given, what is allowed and what to do next."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest allowed name, or an empty string."""
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


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
        sys.exit(130)


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    print(f"warning: {message}", file=sys.stderr)
