"""Pictures of eight formats, damaged at random, before the reader: each is read or refused in one line.

    OMP_NUM_THREADS=1 uv run python benchmarks/fuzz_pictures.py 600

A case is a whole file of one format with bytes flipped, cut out, repeated, put in from another format, or with fields
of its header set to extreme values. A process of its own reads it at a size as for a painting; what is neither read nor
a `UserError` is a traceback, what outlasts the limit a hang. The first such files lie in the folder that is named.

Pillow 13.0.0, 600 s on one core of an AMD EPYC, seed 1: 696,057 cases, of which 177,058 were read and 518,999 refused;
no traceback, no hang, at most 245 MiB and 0.74 s.
"""

import io
import multiprocessing
import os
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nstkit.errors import UserError
from nstkit.pictures.read import read_picture

HANG_S = 20.0  # a file of 179 million pixels takes 10 s
KEPT = 20  # so many files that failed are kept
SIZE_PX = 512
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def whole_files() -> dict[str, bytes]:
    """Return a whole picture in every format that is tried, in several variants, by name."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (48, 64, 4), dtype=np.uint8)
    colour, grey, clear = (Image.fromarray(noise[..., :3]), Image.fromarray(noise[..., 0]), Image.fromarray(noise))
    wide = Image.fromarray(rng.integers(0, 65536, (48, 64), dtype=np.uint16))
    real = Image.fromarray(rng.random((48, 64), dtype=np.float32))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x011A] = 6, "a note", 72.5
    frames: dict[str, Any] = {"save_all": True, "append_images": [colour.rotate(90)]}
    variants: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "png": (colour, "PNG", {"exif": exif}),
        "png-palette": (colour.quantize(16), "PNG", {"transparency": 3}),
        "png-16": (wide, "PNG", {}),
        "png-animated": (clear, "PNG", frames),
        "jpg": (colour, "JPEG", {"exif": exif}),
        "jpg-progressive": (colour, "JPEG", {"progressive": True}),
        "jpg-cmyk": (colour.convert("CMYK"), "JPEG", {}),
        "webp": (clear, "WEBP", {"exif": exif}),
        "webp-lossless": (clear, "WEBP", {"lossless": True}),
        "webp-animated": (colour, "WEBP", frames),
        "bmp": (colour, "BMP", {}),
        "bmp-palette": (colour.quantize(16), "BMP", {}),
        "tiff": (colour, "TIFF", {"exif": exif}),
        "tiff-deflate": (colour, "TIFF", {"compression": "tiff_adobe_deflate"}),
        "tiff-lzw": (clear, "TIFF", {"compression": "tiff_lzw"}),
        "tiff-jpeg": (colour, "TIFF", {"compression": "jpeg"}),
        "tiff-fax": (grey.convert("1"), "TIFF", {"compression": "group4"}),
        "tiff-float": (real, "TIFF", {}),
        "gif": (colour.quantize(16), "GIF", {"transparency": 3}),
        "gif-animated": (colour.quantize(16), "GIF", frames),
        "ppm": (colour, "PPM", {}),
        "pgm": (grey, "PPM", {}),
        "pfm": (real, "PPM", {}),
        "tga": (clear, "TGA", {}),
        "tga-runs": (colour.quantize(4).convert("RGB"), "TGA", {"compression": "tga_rle"}),
        "avif": (colour, "AVIF", {"exif": exif}),
        "jp2": (colour, "JPEG2000", {}),
    }
    files = {"ppm-text": b"P3\n8 6\n255\n" + b" ".join(b"%d" % value for value in noise[:6, :8, :3].ravel())}
    for name, (picture, picture_format, options) in variants.items():
        file = io.BytesIO()
        picture.save(file, format=picture_format, **options)
        files[name] = file.getvalue()
    return files


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


def fuzz(
    seconds: float, seed: int, *, cases: int | None = None, read: Callable[[Path], object] | None = None
) -> dict[str, Any]:
    """Return how damaged pictures were met.

    Args:
        seconds: for how long [s].
        seed: of the damages.
        cases: end after so many.
        read: takes a file. None = the reader of the commands.

    Returns:
        `cases`, and of these `read` and `refused`, `tracebacks` and `hangs`; `messages` of the latter two with their
        counts, `peak_mib` of the reading processes, `slowest_s`, and `folder` with the files that failed.
    """
    rng, files = random.Random(seed), whole_files()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-pictures-"))
    found: dict[str, Any] = {"cases": 0, "read": 0, "refused": 0, "tracebacks": 0, "hangs": 0}
    messages: dict[str, int] = {}
    peak_mib, slowest_s, end = 0.0, 0.0, time.monotonic() + seconds
    reader = Reader(read or read_as_in_a_painting)
    try:
        while time.monotonic() < end and (cases is None or found["cases"] < cases):
            name = rng.choice(tuple(files))
            path = folder / f"case.{name.partition('-')[0]}"
            path.write_bytes(damage(files[name], files[rng.choice(tuple(files))], rng))
            started = time.monotonic()
            outcome, message, mib = reader.read(path)
            found["cases"] += 1
            found[outcome] += 1
            peak_mib, slowest_s = max(peak_mib, mib), max(slowest_s, time.monotonic() - started)
            if outcome in ("tracebacks", "hangs"):
                messages[message] = messages.get(message, 0) + 1
                if messages[message] == 1 and len(messages) <= KEPT:
                    path.rename(folder / f"{outcome}-{len(messages)}-{name}{path.suffix}")
            path.unlink(missing_ok=True)
    finally:
        reader.close()
    if not messages:
        folder.rmdir()
    kept = str(folder) if messages else None
    return {**found, "messages": messages, "peak_mib": peak_mib, "slowest_s": round(slowest_s, 2), "folder": kept}


def read_as_in_a_painting(path: Path) -> None:
    """Read a file as `transfer` does; raise where what comes out is no picture."""
    picture = read_picture(path, SIZE_PX)
    assert picture.mode == "RGB"
    assert 1 <= max(picture.size) <= SIZE_PX


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


def main() -> None:
    """Fuzz for the seconds of the command line and print what was found."""
    seconds, seed = (float(word) for word in (*sys.argv[1:], "60", "0")[:2])
    for name, value in fuzz(seconds, int(seed)).items():
        print(f"{name:12s}{value}")


if __name__ == "__main__":
    main()
