"""Pictures of eight formats, damaged at random, before the reader: each is read or refused in one line.

    OMP_NUM_THREADS=1 uv run python benchmarks/fuzz_pictures.py 600

A case is a whole file of one format with bytes flipped, cut out, repeated, put in from another format, or with fields
of its header set to extreme values. A process of its own reads it at a size as for a painting; what is neither read nor
a `UserError` is a traceback, what outlasts the limit a hang. The first such files lie in the folder that is named.

Pillow 13.0.0, 600 s on one core of an AMD EPYC, seed 0: 746,551 cases, of which 190,705 were read and 555,846 refused;
no traceback, no hang, at most 202 MiB and 0.19 s.
"""

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
from fuzzing import damage, print_findings
from PIL import Image

from nstkit.pictures.read import read_picture

SIZE_PX = 512


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


class Cases:
    """Writes damaged pictures."""

    def __init__(self) -> None:
        self._files = whole_files()

    def write(self, place: Path, rng: random.Random) -> Path:
        """Write one into an empty folder and return its path."""
        name = rng.choice(tuple(self._files))
        path = place / f"case.{name.partition('-')[0]}"
        path.write_bytes(damage(self._files[name], self._files[rng.choice(tuple(self._files))], rng))
        return path


def read_as_in_a_painting(path: Path) -> None:
    """Read a file as `transfer` does; raise where what comes out is no picture."""
    picture = read_picture(path, SIZE_PX)
    assert picture.mode == "RGB"
    assert 1 <= max(picture.size) <= SIZE_PX


if __name__ == "__main__":
    print_findings(Cases().write, read_as_in_a_painting)
