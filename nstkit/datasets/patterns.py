"""The embedded data set: textured shapes drawn by the code below, so that training needs no download.

A class is a shape and a texture, and no short cut tells it: every colour is random, all shapes have the same range of
areas, and the background carries another texture or a gradient. A network has to see the outline and what fills it.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from nstkit.datasets.arrays import Dataset, LabelledImages, build_dataset, check_pictures_fit
from nstkit.datasets.names import TRAINING_COUNTS

SHAPES = ("disk", "square", "triangle", "cross")
TEXTURES = ("stripes", "checks", "dots")
CLASSES: tuple[str, ...] = tuple(f"{shape}-{texture}" for shape in SHAPES for texture in TEXTURES)
PATTERNS_COUNTS = {"train": TRAINING_COUNTS["patterns"], "val": 1_200, "test": 2_400}
MIN_SIZE_PX = 16
# A texture with a shorter period is grey once it is sampled.
MIN_PERIOD_PX = 4.0
# Drawn together, as many pictures as have this many pixels: enough to hide numpy's overhead, few enough for the cache.
BATCH_PIXELS = 2**17

Numbers = NDArray[np.float32]


class Knobs(NamedTuple):
    """What makes one picture besides its class; N in front, each uniform in [0, 1).

    Attributes:
        place: centre x and y, radius, rotation of the shape, (N, 4).
        textures: period, angle, phase x, phase y, share of the first colour, of figure and background, (N, 2, 5).
        colors: first and second colour of figure and background, the second as a step from the first, (N, 2, 2, 3).
        ground: which other texture the background has; whether a gradient instead; strength of the noise, (N, 3).
        noise: standard normal, of the pixels, (N, 3, S, S).
    """

    place: Numbers
    textures: Numbers
    colors: Numbers
    ground: Numbers
    noise: Numbers


def load_patterns(size_px: int) -> Dataset:
    """Return the data set, drawn anew: 12,000 pictures to train on, 1,200 to validate on and 2,400 to test on.

    Args:
        size_px: side of the pictures [px].
    """
    check_pictures_fit(sum(PATTERNS_COUNTS.values()), size_px)
    parts = []
    for seed, count in enumerate(PATTERNS_COUNTS.values()):
        images, labels = draw_patterns(count, size_px, seed)
        pictures = torch.from_numpy(images).permute(0, 2, 3, 1).contiguous()
        parts.append(LabelledImages(pictures, torch.from_numpy(labels)))
    return build_dataset("patterns", CLASSES, *parts)


def draw_patterns(count: int, size_px: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pictures and their labels.

    The classes take turns, and picture i depends on `seed`, i and `size_px` alone, not on `count`. From 32 px up, the
    same picture in another size shows the same scene with other noise.

    Args:
        count: how many pictures, 1 or more.
        size_px: side of the square pictures, 16 or more; the textures need 32 to be told easily.
        seed: 0 or more; another seed is another set.

    Returns:
        Pictures (N, 3, S, S), RGB in [0, 255], and labels (N,), indices of `CLASSES`.

    Raises:
        ValueError: an argument is too small.
    """
    for name, given, least in (("count", count, 1), ("size_px", size_px, MIN_SIZE_PX), ("seed", seed, 0)):
        if given < least:
            raise ValueError(f"{name} is {given}; allowed is {least} or more.")
    labels = np.arange(count, dtype=np.int64) % len(CLASSES)
    pictures = np.empty((count, 3, size_px, size_px), dtype=np.uint8)
    batch = max(1, BATCH_PIXELS // size_px**2)
    for first in range(0, count, batch):
        part = slice(first, min(first + batch, count))
        pictures[part] = paint(draw_knobs(range(part.start, part.stop), size_px, seed), labels[part])
    return pictures, labels


def draw_knobs(indices: range, size_px: int, seed: int) -> Knobs:
    """Return the knobs of the pictures `indices` of the set `seed`."""
    scenes = np.empty((len(indices), 29), dtype=np.float32)
    noise = np.empty((len(indices), 3, size_px, size_px), dtype=np.float32)
    for row, index in enumerate(indices):
        rng = np.random.default_rng((seed, index))
        rng.random(out=scenes[row], dtype=np.float32)
        rng.standard_normal(out=noise[row], dtype=np.float32)
    place, textures, colors, ground = np.split(scenes, (4, 14, 26), axis=1)
    return Knobs(place, textures.reshape(-1, 2, 5), colors.reshape(-1, 2, 2, 3), ground, noise)


def paint(knobs: Knobs, labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the pictures (N, 3, S, S) that `knobs` (N) and `labels` (N,) make."""
    size_px = knobs.noise.shape[-1]
    shape, texture = np.divmod(labels, len(TEXTURES))
    other = (texture + 1 + (knobs.ground[:, 0] < 0.5)) % len(TEXTURES)
    figure = texture_cover(texture, knobs.textures[:, 0], size_px)
    ground = texture_cover(other, knobs.textures[:, 1], size_px)
    is_plain = knobs.ground[:, 1] < 0.4
    ground[is_plain] = gradient(knobs.textures[is_plain, 1], size_px)
    inside = shape_cover(shape, knobs.place, size_px)[:, None]
    picture = inside * _mix(figure, knobs.colors[:, 0]) + (1 - inside) * _mix(ground, knobs.colors[:, 1])
    picture += (0.01 + 0.05 * knobs.ground[:, 2, None, None, None]) * knobs.noise
    return np.rint(255 * picture.clip(0, 1)).astype(np.uint8)


def shape_cover(shape: NDArray[np.int64], place: Numbers, size_px: int) -> Numbers:
    """Return how much of each pixel the shape covers, (N, S, S) in [0, 1].

    Args:
        shape: indices of `SHAPES`, (N,).
        place: as in `Knobs`, (N, 4).
        size_px: side of the picture.
    """
    # Of the disk; the factors below give every shape the disk's area, so that the amount of a colour says nothing.
    radius = size_px * (0.25 + 0.09 * place[:, 2])[:, None, None]
    center = size_px * 0.24 * (place[:, :2] - 0.5)
    x, y = _turned_grid(size_px, 2 * np.pi * place[:, 3], center)
    distance = np.empty_like(x)
    for index, name in enumerate(SHAPES):
        rows = shape == index
        distance[rows] = _DISTANCES[name](x[rows], y[rows], radius[rows])
    return np.clip(0.5 - distance, 0, 1)


def _disk(x: Numbers, y: Numbers, radius: Numbers) -> Numbers:
    return np.hypot(x, y) - radius


def _square(x: Numbers, y: Numbers, radius: Numbers) -> Numbers:
    return np.maximum(np.abs(x), np.abs(y)) - 0.886 * radius


def _triangle(x: Numbers, y: Numbers, radius: Numbers) -> Numbers:
    # Equilateral: the same distance from the centre to its three sides.
    return np.maximum(-y, 0.5 * y + 0.866 * np.abs(x)) - 0.778 * radius


def _cross(x: Numbers, y: Numbers, radius: Numbers) -> Numbers:
    # Two bars; arms 0.36 as wide as the cross.
    far, near = np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
    return np.maximum(far - 1.154 * radius, near - 0.415 * radius)


_DISTANCES = {"disk": _disk, "square": _square, "triangle": _triangle, "cross": _cross}


def texture_cover(texture: NDArray[np.int64], knobs: Numbers, size_px: int) -> Numbers:
    """Return the share of the first colour at each pixel, (N, S, S) in [0, 1].

    Args:
        texture: indices of `TEXTURES`, (N,).
        knobs: one row of `Knobs.textures`, (N, 5).
        size_px: side of the picture.
    """
    period = np.maximum(MIN_PERIOD_PX, size_px * (0.125 + 0.075 * knobs[:, 0]))[:, None, None]
    x, y = _turned_grid(size_px, 2 * np.pi * knobs[:, 1], period[:, :, 0] * knobs[:, 2:4])
    # Distance to the middle of the cell, in px: every texture is made of it.
    x, y = x - period * np.rint(x / period), y - period * np.rint(y / period)
    share = 0.4 + 0.2 * knobs[:, 4, None, None]
    cover = np.empty_like(x)
    stripes, checks, dots = (texture == index for index in range(len(TEXTURES)))
    cover[stripes] = np.clip(0.5 + 0.5 * period * share - np.abs(x), 0, 1)[stripes]
    wave_x, wave_y = (np.clip(2 * (0.25 * period - np.abs(place)), -1, 1) for place in (x, y))
    cover[checks] = 0.5 + 0.5 * (wave_x * wave_y)[checks]
    # Fewer than half: dots that touch look like checks.
    cover[dots] = np.clip(0.5 + period * np.sqrt(0.75 * share / np.pi) - np.hypot(x, y), 0, 1)[dots]
    return cover


def gradient(knobs: Numbers, size_px: int) -> Numbers:
    """Return a smooth slope across the picture, (N, S, S) in [0, 1]; its angle is that of the texture it stands for."""
    x, _ = _turned_grid(size_px, 2 * np.pi * knobs[:, 1], np.zeros_like(knobs[:, :2]))
    return np.clip(0.5 + x / (1.2 * size_px), 0, 1)


def _mix(cover: Numbers, colors: Numbers) -> Numbers:
    """Return colours (N, 3, S, S) for the share (N, S, S) of the first of `colors` (N, 2, 3)."""
    first = colors[:, 0]
    # A step around the circle [0, 1) in each channel: the colours are never close, and both are uniform.
    second = (first + 0.3 + 0.4 * colors[:, 1]) % 1
    return second[..., None, None] + cover[:, None] * (first - second)[..., None, None]


def _turned_grid(size_px: int, angle: Numbers, center: Numbers) -> tuple[Numbers, Numbers]:
    """Return x and y of every pixel, (N, S, S), along axes turned by `angle` (N,), in px.

    The origin is `center` (N, 2), counted from the middle of the picture.
    """
    ticks = np.arange(size_px, dtype=np.float32) - 0.5 * (size_px - 1)
    x, y = ticks - center[:, 0, None, None], ticks[:, None] - center[:, 1, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    return cos * x + sin * y, cos * y - sin * x
