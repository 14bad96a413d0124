"""What the screen may do without ending a command: narrow encodings, closed streams, a terminal that is gone."""

import contextlib
import errno
import io
import os
import sys
from typing import TextIO


def make_forgiving() -> None:
    """Give the process its standard streams where it was started without them, and let them take every character."""
    descriptor = 0
    while descriptor <= 2:  # else the next file that is opened would get a number that C libraries print to
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (open as long as the process)
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):  # something else in a notebook
            stream.reconfigure(errors="backslashreplace")


def silence(stream: TextIO) -> None:
    """Send all that is still written to a stream nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def silence_dead_terminals() -> None:
    """Silence the streams whose terminal was closed: there every write fails, and no save may fail for that."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError, AttributeError):  # no file of the system
            try:
                os.get_terminal_size(stream.fileno())
            except OSError as error:
                if error.errno == errno.EIO:
                    silence(stream)
