"""How far a long piece of work has come: a bar on a terminal, and where there is none a line now and then."""

import sys
import time
from collections.abc import Callable
from typing import TypeAlias

from tqdm import tqdm

EVERY_SHARE, EVERY_S, LEAST_S = 0.1, 30.0, 5.0  # of the work, or since the last line; no line sooner after another
MOST_SHARE = 0.05  # of the time for what is done again and again
SPARSE = 0.1  # of the time since the beginning, which lines are at least apart: what takes a day says little more


class Lines:
    """Lines in place of a bar, for logs of jobs and notebooks: every tenth of the work, 5 to 30 seconds apart.

    It is used as `tqdm` is; one of more than a few seconds says when it began.
    """

    def __init__(self, total: int | None, desc: str, unit: str, initial: int = 0) -> None:
        self._desc, self._unit, self._postfix = desc, unit, ""
        self._started = self._said_at = time.monotonic()
        self.reset(total)
        self.n = self._said = self._first = initial

    def reset(self, total: int | None) -> None:
        """Begin to count again, up to another total."""
        self._total = total
        self.n = self._said = self._first = 0

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def set_postfix_str(self, text: str, refresh: bool = True) -> None:
        """Set what the next line ends with."""
        self._postfix = text

    def update(self, count: int = 1) -> None:
        """Count what is done, and say it where it is time to."""
        self.n += count
        now = time.monotonic()
        is_further = self._total is not None and self.n - self._said >= EVERY_SHARE * self._total
        since_s = now - self._said_at
        is_late = since_s >= max(EVERY_S, SPARSE * (now - self._started))
        if is_late or (is_further and since_s >= LEAST_S):
            self._said, self._said_at = self.n, now
            print(self.line(now - self._started), file=sys.stderr, flush=True)

    def line(self, passed_s: float) -> str:
        """Return what is said after so many seconds.

        Example:
            >>> lines = Lines(100, "lake", "eval")
            >>> lines.n = 20
            >>> lines.set_postfix_str("style 0.1")
            >>> lines.line(5.0)
            'lake: 20 of 100 eval, 5 s, 4 eval/s, 20 s left, style 0.1'
        """
        of_all = f" of {self._total}" if self._total is not None else ""
        words = [f"{self._desc}: {self.n}{of_all} {self._unit}", f"{passed_s:.0f} s"]
        done = self.n - self._first
        if done > 0 and passed_s > 0:
            words.append(f"{done / passed_s:.3g} {self._unit}/s")
        if self._total is not None and done > 0:
            words.append(f"{passed_s * max(0, self._total - self.n) / done:.0f} s left")
        return ", ".join([*words, *([self._postfix] if self._postfix else [])])

    def close(self) -> None:
        """End the work; nothing is said."""


class Seldom:
    """Does again and again what takes its time, in no more than a twentieth of the whole.

    Example:
        >>> seldom, done = Seldom(), []
        >>> for number in range(3):
        ...     seldom.do(lambda: done.append(number))
        >>> done  # it is not even late for the first
        []
    """

    def __init__(self) -> None:
        self._next_s = time.monotonic() + LEAST_S

    def do(self, work: Callable[[], object]) -> None:
        """Call `work`, unless it is too early for that."""
        began_s = time.monotonic()
        if began_s >= self._next_s:
            work()
            now_s = time.monotonic()
            self._next_s = now_s + max(LEAST_S, (now_s - began_s) / MOST_SHARE)


AnyBar: TypeAlias = tqdm | Lines


def open_bar(total: int | None, desc: str, unit: str, *, is_quiet: bool, initial: int = 0) -> AnyBar:
    """Return a bar where standard error is a terminal, lines where it is none, a bar that is not shown if quiet.

    Args:
        total: how many there will be; None = not known.
        desc: what is done.
        unit: what is counted.
        is_quiet: show nothing.
        initial: how many there are already.
    """
    if is_quiet or sys.stderr.isatty():
        # Without miniters it counts updates between two looks at the clock, and what ends its line would be late.
        return tqdm(total=total, desc=desc, unit=unit, disable=is_quiet, initial=initial, miniters=0)
    return Lines(total, desc, unit, initial)


def say(line: str) -> None:
    """Print a line to standard output, above whatever bars there are."""
    tqdm.write(line)
