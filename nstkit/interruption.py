"""How a signal ends a run: as a request, answered where the work can save."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from nstkit.streams import silence_dead_terminals

ENDS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""The signals that ask for an end: Ctrl-C, that of a scheduler, and that of a terminal that goes away."""
ECHO_S = 1.0
"""Within this time a signal that comes again is the same one [s]."""


@contextlib.contextmanager
def ends_interrupt() -> Iterator[None]:
    """Make every signal of `ENDS` raise KeyboardInterrupt, as Ctrl-C does; one that is ignored (`nohup`) stays so."""
    with _handled(_raise):
        yield


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep the signals out of a save; the first that came is delivered behind it."""
    came: list[int] = []
    with _handled(lambda number, _: came.append(number)):
        yield
    if came:
        signal.raise_signal(came[0])


class Interruption:
    """Whether the user or the system has asked for an end, by one of `ENDS`.

    As a context manager it takes the first such signal as a request, which the work answers where it can save; a second
    one ends at once. One signal may come twice: from the terminal or the scheduler, and passed on by `uv run`.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self._asked_s = 0.0
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Interruption":
        self._stack.enter_context(_handled(self._ask))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _ask(self, *_: object) -> None:
        if self.is_asked:
            if time.monotonic() - self._asked_s > ECHO_S:
                raise KeyboardInterrupt
            return
        self.is_asked, self._asked_s = True, time.monotonic()
        silence_dead_terminals()
        print("stopping as soon as all is saved; once more stops at once", file=sys.stderr)


@contextlib.contextmanager
def _handled(handler: Callable[..., object] | signal.Handlers) -> Iterator[None]:
    """Give the signals of `ENDS` a handler for a while; outside the main thread Python allows none."""
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in ENDS}
    asked = [number for number, old in before.items() if old is not signal.SIG_IGN and old is not None]
    for number in asked:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in asked:
            signal.signal(number, before[number])


def _raise(*_: object) -> None:
    silence_dead_terminals()
    raise KeyboardInterrupt
