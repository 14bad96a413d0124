"""What both fuzzers share: damaged bytes, a process that reads and may die, the count of what came of it."""

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import struct
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nstkit.errors import UserError

HANG_S = 20.0  # a file of 179 million pixels takes 10 s
KEPT = 20  # so many files that failed are kept
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def fuzz(
    write: Callable[[Path, random.Random], Path],
    read: Callable[[Path], object],
    seconds: float,
    seed: int,
    *,
    cases: int | None = None,
) -> dict[str, Any]:
    """Return how damaged files were met.

    Args:
        write: writes a case into an empty folder and returns the path that is read.
        read: takes that path, in a process of its own.
        seconds: for how long [s].
        seed: of the damages.
        cases: end after so many.

    Returns:
        `cases`, and of these `read` and `refused`, `tracebacks` and `hangs`; `messages` of the latter two with their
        counts, `peak_mib` of the reading processes, `slowest_s`, and `folder` with the cases that failed.
    """
    rng, folder = random.Random(seed), Path(tempfile.mkdtemp(prefix="fuzz-"))
    found: dict[str, Any] = {"cases": 0, "read": 0, "refused": 0, "tracebacks": 0, "hangs": 0}
    messages: dict[str, int] = {}
    peak_mib, slowest_s, end = 0.0, 0.0, time.monotonic() + seconds
    reader = Reader(read)
    try:
        while time.monotonic() < end and (cases is None or found["cases"] < cases):
            place = folder / "case"
            place.mkdir()
            path = write(place, rng)
            started = time.monotonic()
            outcome, message, mib = reader.read(path)
            found["cases"] += 1
            found[outcome] += 1
            peak_mib, slowest_s = max(peak_mib, mib), max(slowest_s, time.monotonic() - started)
            if outcome in ("tracebacks", "hangs"):
                messages[message] = messages.get(message, 0) + 1
                if messages[message] == 1 and len(messages) <= KEPT:
                    place.rename(folder / f"{outcome}-{len(messages)}")
            shutil.rmtree(place, ignore_errors=True)
    finally:
        reader.close()
    if not messages:
        shutil.rmtree(folder)
    kept = str(folder) if messages else None
    return {**found, "messages": messages, "peak_mib": peak_mib, "slowest_s": round(slowest_s, 2), "folder": kept}


def print_findings(write: Callable[[Path, random.Random], Path], read: Callable[[Path], object]) -> None:
    """Fuzz for the seconds of the command line, from its seed, and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float, nargs="?", default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the damages")
    given = parser.parse_args()
    for name, value in fuzz(write, read, given.seconds, given.seed).items():
        print(f"{name:12s}{value}")


def damage(whole: bytes, other: bytes, rng: random.Random) -> bytes:
    """Return a file with one to five damages of its bytes.

    Args:
        whole: of a picture.
        other: of another, from which bytes are put in.
        rng: chooses.
    """
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        # Half of all in the header, where sizes, offsets and counts stand.
        place = rng.randrange(max(1, len(data) if rng.random() < 0.5 else min(len(data), 200)))
        length = rng.choice((1, 2, 4, 16, 64, 512))
        kind = rng.randrange(7)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place : place + length] = rng.randbytes(length)
        elif kind == 2:
            value, code = rng.choice(EXTREMES), rng.choice((">I", "<I", ">H", "<H"))
            field = struct.pack(code, value & (0xFFFFFFFF if code.endswith("I") else 0xFFFF))
            data[place : place + len(field)] = field
        elif kind == 3:
            del data[place : place + length]
        elif kind == 4:
            data[place:place] = data[place : place + length] * rng.choice((1, 2, 50))
        elif kind == 5:
            start = rng.randrange(len(other))
            data[place : place + length] = other[start : start + length]
        else:
            del data[rng.randrange(len(data) + 1) :]
    return _with_checksums(bytes(data)) if rng.random() < 0.8 else bytes(data)


def _with_checksums(data: bytes) -> bytes:
    """Return a PNG with the checksums of what is in it, so that a damage gets further than them; others as they are."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    mended, start = bytearray(data), 8
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        if end + 4 > len(data):
            break
        mended[end : end + 4] = struct.pack(">I", zlib.crc32(data[start + 4 : end]))
        start = end + 4
    return bytes(mended)


class Reader:
    """A process that reads files: one that hangs or dies is told from one that answers."""

    def __init__(self, read: Callable[[Path], object]) -> None:
        self._read = read
        self._begin()

    def _begin(self) -> None:
        here, there = multiprocessing.Pipe()
        self._pipe = here
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=_answer, args=(there, self._read), daemon=True)
        self._process.start()
        there.close()

    def read(self, path: Path) -> tuple[str, str, float]:
        """Return the outcome, what was said, and the process's peak of memory [MiB]."""
        self._pipe.send(path)
        try:
            if self._pipe.poll(HANG_S):
                outcome, message, mib = self._pipe.recv()
                return outcome, message, mib
            outcome, message = "hangs", f"{path.suffix}: no answer after {HANG_S:g} s"
        except EOFError:
            self._process.join()
            outcome, message = "tracebacks", f"{path.suffix}: the process ended with {self._process.exitcode}"
        self.close()
        self._begin()
        return outcome, message, 0.0

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _answer(pipe: Connection, read: Callable[[Path], object]) -> None:
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff writes to it for every second file
    while True:
        path = pipe.recv()
        try:
            read(path)
            outcome, message = "read", ""
        except UserError as error:
            is_one_line = "\n" not in str(error) and str(path) in str(error)
            outcome, message = ("refused", "") if is_one_line else ("tracebacks", f"not one line: {error}")
        except BaseException as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            outcome = "tracebacks"
            message = f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"
        pipe.send((outcome, message, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
