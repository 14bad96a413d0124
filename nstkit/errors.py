"""The user's mistakes as one clear line, and the exit codes of every command.

0 done · 1 a defect of ours, or some of the work was not done: cells of a study that failed, a picture that is smaller
than asked for because memory ended · 2 the user's mistake or too little memory, in one line ·
130 interrupted, what was done is saved.
"""

import contextlib
import difflib
import errno
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO

from nstkit import streams
from nstkit.cores import let_threads_sleep
from nstkit.interruption import ends_interrupt

# What libraries say, in lower case, where they have no kind of error of their own for it: torch's allocators on a CPU
# and on a GPU, oneDNN, cuDNN and cuBLAS, Pillow.
OUT_OF_MEMORY = (
    *("out of memory", "can't allocate memory", "not enough memory", "could not create a memory object"),
    *("cannot allocate memory", "status_alloc_failed", "bad_alloc", "std::length_error"),
)
UNUSABLE = (  # what is wrong with a place that the user named, or with the machine, and never with our code
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP, errno.EISDIR),
    *(errno.EIO, errno.ENODEV, errno.ENXIO),
)
LONGEST_WORD = 300  # characters of a name or number that a message shows
FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file is as large as is allowed here",
}
"""Why nothing more can be written, by the system's number."""
SMALLER = "Take smaller pictures (--size, --image-size), a smaller --batch-size, --precision bf16 or another network."


class UserError(Exception):
    """A mistake of the user. The message says what was given, what is allowed and what to do next."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error, of whatever library, says that memory was too small.

    Such an error says nothing about the file or the network that was at work when it came up.

    Example:
        >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."))
        True
        >>> is_out_of_memory(RuntimeError("sizes do not fit"))
        False
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, (RuntimeError, OSError)) and any(words in str(error).lower() for words in OUT_OF_MEMORY)


@contextlib.contextmanager
def too_little_memory(message: str) -> Iterator[None]:
    """Turn an error that says that memory was too small into a `UserError` with this message."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(message) from error


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


def printable(text: object) -> str:
    r"""Return a text as one line that is safe on a terminal: control and format characters are escaped.

    A name in a file could otherwise move the cursor, change colours or turn the writing round.

    Example:
        >>> printable("a\x1b[31mb")
        'a\\x1b[31mb'
    """
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(text))


def as_line(message: object) -> str:
    """Return a message as a line that can be read on a terminal: printable, the middle of endless words left out.

    Example:
        >>> len(as_line("not a number: " + "9" * 100_000))
        217
    """
    cut = LONGEST_WORD // 3
    return re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: f"{word[0][:cut]}...{word[0][-cut:]}", printable(message))


def run_command(main: Callable[[], object]) -> None:
    """Run a command's `main` and leave with the exit codes of this module's docstring.

    The traceback of a user's mistake is shown only where `--debug` is on the command line. A warning is one line. What
    the terminal's encoding lacks is escaped. SIGTERM and SIGHUP end the work as Ctrl-C does.
    """
    streams.make_forgiving()
    let_threads_sleep()
    code = exit_code(main)
    # Not left to the interpreter's end, where a reader that is gone or a full disk could no longer be answered.
    code = exit_code(sys.stdout.flush) or code
    if code:
        sys.exit(code)


def exit_code(main: Callable[[], object]) -> int | str | None:
    """Return how `main` ended, having said it on screen: the code of a `sys.exit`, or one of this module's docstring.

    Raises:
        Exception: what is no mistake of the user's; with `--debug` on the command line, that as well.
    """
    try:
        with warnings.catch_warnings(), ends_interrupt(), _full_disks_said_once():
            warnings.showwarning = _show_warning
            warnings.filterwarnings("ignore", module="PIL")  # it names no file; `read_picture` refuses what is broken
            main()
    except SystemExit as end:
        return end.code
    except KeyboardInterrupt:
        print("interrupted; what was finished is saved", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        streams.silence(sys.stdout)
        streams.silence(sys.stderr)
    except Exception as error:
        message = str(error) if isinstance(error, UserError) else _of_the_machine(error)
        if message is None or "--debug" in sys.argv:
            raise
        print(f"error: {as_line(message)}", file=sys.stderr)
        return 2
    return 0


def _of_the_machine(error: Exception) -> str | None:
    """Return the line for an error that no mistake of ours can cause, None for any other."""
    if isinstance(error, OSError) and error.errno in FULL:
        return f"{FULL[error.errno]}. What was saved before is whole; make room and resume."
    if isinstance(error, OSError) and error.errno in UNUSABLE and error.filename:
        return f"{os.fsdecode(error.filename)}: {error.strerror}. Name another place, or mend this one."
    if is_out_of_memory(error):
        return f"too little memory. What was finished before is saved. {SMALLER}"
    return None


@contextlib.contextmanager
def _full_disks_said_once() -> Iterator[None]:
    """Keep quiet of a full disk in another thread: TensorBoard's writer hands the error on to the main one."""
    before = threading.excepthook

    def show(thrown: threading.ExceptHookArgs) -> None:
        if not (isinstance(thrown.exc_value, OSError) and thrown.exc_value.errno in FULL):
            before(thrown)

    threading.excepthook = show
    try:
        yield
    finally:
        threading.excepthook = before


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"warning: {as_line(message)}", file=sys.stderr)
