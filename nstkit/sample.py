"""Sample pictures that need no download: a photograph, and a painting drawn by the code below.

The painting is made the way a painter works. One scalar field is the composition: its hills are lights, its hollows
shadows. Strokes run along its contour lines and take their colour from its height, broad ones first and fine ones over
them; at last the relief of the paint is lit from the upper left.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor
from scipy import ndimage

Plane = NDArray[np.floating]

PHOTOGRAPHS = Path(__file__).with_name("photographs")
# Width and length of the strokes, in px of a picture REFERENCE_PX wide, and their count: one layer after the other.
LAYERS = ((20.0, 90.0, 420), (14.0, 70.0, 700), (9.0, 48.0, 1300), (5.0, 30.0, 1200))
REFERENCE_PX = 512
MIN_SIZE_PX = 32
SUPERSAMPLE = 2
# Distance of two samples of a stroke, in px of the supersampled canvas: below 1, or the canvas shows between them.
SPACING_PX = 0.8
# The height of the field picks the colour, evenly spaced from shadow to light.
STOPS = "#18184a #1a2c74 #204c9c #1e689e #269298 #7ab296 #cea03e #d64e24 #ec9626 #fac846 #ffeeb0"
PALETTE = np.array([ImageColor.getrgb(stop) for stop in STOPS.split()])
# Centre x, centre y and radius as fractions of the side, and height: the sign is light or shadow.
SWIRLS = (
    (0.68, 0.30, 0.17, 0.85),
    (0.27, 0.46, 0.15, 0.53),
    (0.10, 0.13, 0.09, 0.53),
    (0.40, 0.10, 0.07, 0.43),
    (0.93, 0.66, 0.09, 0.47),
    (0.66, 0.90, 0.12, 0.34),
    (0.44, 0.70, 0.17, -0.26),
    (0.90, 0.08, 0.12, -0.21),
    (0.08, 0.78, 0.14, -0.21),
)


def sample_content(name: Literal["china", "flower"] = "china") -> Image.Image:
    """Return a photograph, 640 x 427, RGB: of a pagoda above a lake, or of a flower.

    The pagoda has what a style shows on: hard architecture, foliage and calm sky.

    Source: danielbuechele, vultilion (CC BY 2.0); see nstkit/photographs.
    """
    with Image.open(PHOTOGRAPHS / f"{name}.jpg") as picture:
        return picture.convert("RGB")


def sample_style(size_px: int = 512, seed: int = 0) -> Image.Image:
    """Return a painting of swirling strokes, RGB, the same for the same arguments.

    The one of the default arguments, which takes a second to draw, comes with the package as `draw_style` has drawn it.

    Args:
        size_px: side of the square picture; strokes grow with it, 5 to 20 px wide at 512 px; so do time and
            memory, with its square.
        seed: moves the swirls a little and every stroke.

    Raises:
        ValueError: `size_px` is too small to show strokes.
    """
    if size_px < MIN_SIZE_PX:
        raise ValueError(f"size_px is {size_px}; allowed is {MIN_SIZE_PX} or more.")
    if (size_px, seed) == (512, 0):
        with Image.open(PHOTOGRAPHS / "strokes.webp") as picture:
            return picture.convert("RGB")
    return draw_style(size_px, seed)


def draw_style(size_px: int, seed: int) -> Image.Image:
    """Return what `sample_style` does, drawn anew."""
    rng = np.random.default_rng(seed)
    side = size_px * SUPERSAMPLE
    field = _draw_field(side, rng)
    down, right = np.gradient(field)
    # A quarter turn from the slope follows the contour in closed rings; a little more or less makes them spirals.
    angle = np.arctan2(down, right) + np.deg2rad(90 + 20 * np.sin(np.linspace(-1.0, 6.5, side, dtype=np.float32)))
    color, relief = _palette_at(field), np.zeros_like(field)
    for layer, layer_rng in zip(LAYERS, rng.spawn(len(LAYERS)), strict=True):
        _paint_layer(color, relief, field, angle, *layer, layer_rng)
    return Image.fromarray(_light(color, relief)).resize((size_px, size_px), Image.Resampling.BOX)


def _draw_field(side: int, rng: np.random.Generator) -> Plane:
    """Return the composition (side, side): about 0 in the deepest shadow, 1 in the brightest light."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    # The noise has a fixed grid, so that the composition is the same at every size.
    noise = ndimage.gaussian_filter(rng.standard_normal((48, 48)), 5.0)
    noise = ndimage.zoom(noise / noise.std(), side / 48, mode="nearest", grid_mode=True)
    shift = rng.uniform(-0.02, 0.02, (len(SWIRLS), 2))
    field = 0.30 + 0.075 * noise + 0.05 * np.sin(2 * np.pi * (1.3 * y + 0.6 * x))
    for (center_x, center_y, radius, height), (dx, dy) in zip(SWIRLS, shift, strict=True):
        field += height * np.exp(-((x - center_x - dx) ** 2 + (y - center_y - dy) ** 2) / (1.1 * radius**2))
    return field.astype(np.float32)


def _palette_at(height: Plane) -> Plane:
    """Return the palette's colour (..., 3) in [0, 255] for heights (...)."""
    stops = np.linspace(0, 1, len(PALETTE))
    return np.stack([np.interp(height, stops, channel) for channel in PALETTE.T], axis=-1).astype(np.float32)


def _paint_layer(
    color: Plane,
    relief: Plane,
    field: Plane,
    angle: Plane,
    width_px: float,
    length_px: float,
    count: int,
    rng: np.random.Generator,
) -> None:
    """Paint one layer of strokes over `color` (S, S, 3) and `relief` (S, S), in place.

    A stroke is a grid of samples, steps along by bristles across; each pixel keeps the sample that came last.
    """
    side = len(field)
    scale = side / REFERENCE_PX
    width = scale * width_px * rng.uniform(0.75, 1.15, count).astype(np.float32)
    length = scale * length_px * rng.uniform(0.6, 1.3, count).astype(np.float32)
    start = side * rng.uniform(-0.03, 1.03, (2, count))
    height = field[tuple(np.clip(start, 0, side - 1).astype(int))]
    # Shadows are rippled and a few fine strokes take any colour: even ground would be dull, and poor in texture.
    height = height + 0.075 * np.sin(34 * height) * (height < 0.6) + rng.normal(0, 0.05, count)
    is_stray = rng.random(count) < (0.04 if width_px < 12 else 0)
    height = np.where(is_stray, rng.uniform(0.35, 0.85, count), height)
    base = _palette_at(height) * rng.uniform(0.82, 1.18, (count, 1)) + rng.normal(0, 7, (count, 3))

    steps = max(4, round(1.3 * length_px * scale / SPACING_PX))
    along = np.linspace(0, 1, steps, dtype=np.float32)
    across = np.linspace(-1, 1, max(3, round(1.15 * width_px * scale / SPACING_PX)), dtype=np.float32)
    path, heading = _follow(angle, start, length / steps, steps)
    to_end = np.minimum(along, 1 - along) * length[:, None] / width[:, None]
    offset = (0.5 * width[:, None] * np.sqrt(np.minimum(1, 2 * to_end + 0.15)))[..., None] * across
    rows = (path[0][..., None] + offset * np.cos(heading)[..., None]).astype(np.int32)
    cols = (path[1][..., None] - offset * np.sin(heading)[..., None]).astype(np.int32)
    # Each bristle leaves the canvas at its own point: a ragged tail.
    leaves = rng.uniform(0.72, 1, (count, 1, len(across))).astype(np.float32)
    is_on = (rows >= 0) & (rows < side) & (cols >= 0) & (cols < side) & (along[:, None] < leaves)
    samples = np.flatnonzero(is_on)
    latest = np.full(side * side, -1, dtype=np.int32)
    latest[(rows * side + cols).ravel()[samples]] = samples

    pixels = np.flatnonzero(latest >= 0)
    stroke, step, bristle = np.unravel_index(latest[pixels], is_on.shape)
    grain = 1.5 * ndimage.gaussian_filter1d(rng.standard_normal((count, len(across)), dtype=np.float32), 0.9, axis=1)
    tone, s, t = grain[stroke, bristle], along[step], across[bristle]
    color.reshape(-1, 3)[pixels] = base[stroke] * (1.05 + 0.10 * tone - 0.10 * s + 0.06 * t)[:, None]
    # Paint piles up at the sides of a stroke and where the brush stops; it half covers the relief below.
    ridge = 0.7 + 0.5 * np.abs(t) ** 3 + 0.28 * tone + 0.5 * np.exp(-(((s - 0.9) / 0.08) ** 2))
    relief.reshape(-1)[pixels] = 0.3 * relief.reshape(-1)[pixels] + ridge * np.sqrt(width_px)


def _follow(angle: Plane, start: NDArray[np.float64], stride_px: Plane, steps: int) -> tuple[Plane, Plane]:
    """Return the paths (2, N, steps), y and x, along `angle` (S, S) through `start` (2, N); headings (N, steps)."""
    path = np.empty((2, start.shape[1], steps), dtype=np.float32)
    heading = np.empty(path.shape[1:], dtype=np.float32)
    middle = steps // 2
    # Both ways from the middle: paths that only run forward leave the centres of outward spirals bare.
    for sign, order in ((1, range(middle, steps)), (-1, range(middle, -1, -1))):
        point = start
        for k in order:
            heading[:, k] = angle[tuple(np.clip(point, 0, len(angle) - 1).astype(int))]
            path[:, :, k] = point
            point = point + sign * stride_px * np.stack([np.sin(heading[:, k]), np.cos(heading[:, k])])
    return path, heading


def _light(color: Plane, relief: Plane) -> NDArray[np.uint8]:
    """Return `color` (S, S, 3) with the relief (S, S) lit from the upper left: dark lee sides, a gloss opposite."""
    relief = ndimage.gaussian_filter(relief, 1.0)
    slope = np.tanh((ndimage.sobel(relief, 0) + ndimage.sobel(relief, 1)) * len(relief) / (11 * REFERENCE_PX))
    gloss = 36 * np.maximum(slope, 0) ** 2
    return np.clip(color * (1 + 0.38 * slope)[..., None] + gloss[..., None], 0, 255).astype(np.uint8)
