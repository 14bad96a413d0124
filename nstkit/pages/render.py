"""A template becomes a page of one file."""

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from nstkit.files import write_atomically

JPEG_QUALITY = 88
CURVE_PX = (160, 48)  # width and height of a small curve
LOADER = jinja2.FileSystemLoader(Path(__file__).parent)


def write_page(path: Path, template: Path, **values: Any) -> None:
    """Write a page; see `render_page`."""
    content = render_page(template, **values)
    write_atomically(path, lambda file: file.write(content))


def render_page(template: Path, **values: Any) -> bytes:
    """Return a page as UTF-8.

    Args:
        template: a Jinja template that extends `base.html`; what it shows is escaped.
        values: what it is filled with.
    """
    loader = jinja2.ChoiceLoader([jinja2.FileSystemLoader(template.parent), LOADER])
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.get_template(template.name).render(**values).encode(errors="backslashreplace")


def as_data(picture: Image.Image, longer_px: int) -> str:
    """Return a picture as the text of a JPEG that a page holds itself, at most `longer_px` wide or high.

    Example:
        >>> from PIL import Image
        >>> as_data(Image.new("RGB", (40, 30)), 20)[:23]
        'data:image/jpeg;base64,'
    """
    small = picture.convert("RGB")
    small.thumbnail((longer_px, longer_px), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def as_png(picture: Image.Image) -> str:
    """Return a figure as the text of a PNG that a page holds itself: lines and letters stay sharp."""
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def curve_points(values: Sequence[float], size: tuple[int, int] = CURVE_PX) -> str:
    """Return the points of an SVG polyline of values over their number, on a logarithmic scale that they fill.

    Args:
        values: above 0; what is not is left out.
        size: width and height [px].

    Example:
        >>> curve_points([100.0, 10.0, 1.0], (20, 10))
        '0.0,0.0 10.0,5.0 20.0,10.0'
    """
    known = [(number, math.log(value)) for number, value in enumerate(values) if value > 0 and math.isfinite(value)]
    if not known:
        return ""
    low, high = min(value for _, value in known), max(value for _, value in known)
    width, height = size
    across, up = max(1, len(values) - 1), (high - low) or 1.0
    return " ".join(f"{width * n / across:.1f},{height * (high - value) / up:.1f}" for n, value in known)
