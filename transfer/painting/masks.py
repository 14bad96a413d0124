"""Masks: pictures whose colours name regions, paired between the content and the styles. NumPy, no torch.

Each colour of the content's mask is painted in what has the same colour in the styles' masks, and a colour that only
the content's mask has stays as it is in the photograph. A content's mask alone: each colour is painted in the whole
style, and black stays. A style's mask alone: the whole content is painted in all that is not black.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from nstkit.errors import UserError

Colour = tuple[int, int, int]
Labels = NDArray[np.int8]

ALIKE = 64.0  # distance in RGB within which two colours are one: JPEG and smooth edges do not make regions
BLOCK_PX = 3  # a colour that nowhere fills such a square is an edge between others
MOST = 16  # colours of a mask; with more it is a photograph
NOISE = 16.0  # distance in RGB that the noise of a JPEG hardly exceeds
SHADES = 0.15  # share of a mask that edges may be
MOST_LOOKED_AT = 100  # colours
NONE = -1


@dataclass(frozen=True)
class Masks:
    """The regions of a content picture and its styles.

    Attributes:
        names: of the regions, such as `#ff0000`; one empty name where all of the content is one region.
        content: (H, W), number of the region that each pixel belongs to, -1 for none; None = the first everywhere.
        styles: likewise for each style; empty = every region is painted in the whole styles.
        weights: of the regions.
    """

    names: tuple[str, ...]
    content: Labels | None
    styles: tuple[Labels, ...]
    weights: tuple[float, ...]


def pair_masks(
    content: Image.Image | None, styles: Sequence[Image.Image] = (), weights: Mapping[str, float] | None = None
) -> Masks | None:
    """Return the regions of masks, None where there is no mask. What is not paired is said in a warning.

    Args:
        content: mask of the content picture, None for none.
        styles: mask of each style, empty for none.
        weights: of regions, by colour; 1 for the others.

    Raises:
        UserError: for a mask of too many colours, where no colour is paired, or for a weight of a colour that is not.
    """
    if content is None:
        if not styles:
            return None
        whole = [_not_black(*split_colours(style, "--style-mask"), "--style-mask") for style in styles]
        masks = Masks(("",), None, tuple(np.minimum(labels, np.int8(0)) for labels, _ in whole), (1.0,))
        return _weighed(masks, weights or {})
    colours, labels = split_colours(content, "--content-mask")
    if not styles:
        labels, names = _not_black(colours, labels, "--content-mask")
        return _weighed(Masks(names, labels, (), (1.0,) * len(names)), weights or {})
    return _weighed(_paired(colours, labels, [split_colours(style, "--style-mask") for style in styles]), weights or {})


def _paired(colours: list[Colour], labels: Labels, styles: list[tuple[list[Colour], Labels]]) -> Masks:
    """Return the regions of a content's mask and the masks of all styles; see `pair_masks`."""
    names: list[str] = []
    of_content = [NONE] * len(colours)
    of_styles = [[NONE] * len(others) for others, _ in styles]
    for number, colour in enumerate(colours):
        places = [find_alike(colour, others) for others, _ in styles]
        if all(place is None for place in places):
            continue
        of_content[number] = len(names)
        for numbers, place in zip(of_styles, places, strict=True):
            if place is not None:
                numbers[place] = len(names)
        names.append(colour_name(colour))
    if not names:
        shown = [", ".join(map(colour_name, each)) for each in (colours, [c for others, _ in styles for c in others])]
        raise UserError(
            f"--content-mask ({shown[0]}) and --style-mask ({shown[1]}) have no colour in common. Give one."
        )
    alone = [colour for colour, number in zip(colours, of_content, strict=True) if number == NONE]
    if alone:
        kept = ", ".join(map(colour_name, alone))
        warnings.warn(f"--content-mask: {kept} is not in --style-mask and stays as in the photograph", stacklevel=3)
    for (others, _), numbers in zip(styles, of_styles, strict=True):
        unused = [colour_name(colour) for colour, number in zip(others, numbers, strict=True) if number == NONE]
        if unused:
            warnings.warn(f"--style-mask: {', '.join(unused)} is not in --content-mask and not used", stacklevel=3)
    renumbered = [np.array(numbers, np.int8)[each] for (_, each), numbers in zip(styles, of_styles, strict=True)]
    return Masks(tuple(names), np.array(of_content, np.int8)[labels], tuple(renumbered), (1.0,) * len(names))


def _not_black(colours: list[Colour], labels: Labels, flag: str) -> tuple[Labels, tuple[str, ...]]:
    """Return the numbers of all colours but black, and their names."""
    black = find_alike((0, 0, 0), colours)
    others = [number for number in range(len(colours)) if number != black]
    if not others:
        raise UserError(f"{flag}: all of it is black, and black is left out. Colour the region that is meant.")
    numbers = np.full(len(colours), NONE, np.int8)
    numbers[others] = np.arange(len(others))
    return numbers[labels], tuple(colour_name(colours[number]) for number in others)


def _weighed(masks: Masks, weights: Mapping[str, float]) -> Masks:
    """Return the masks with these weights by colour."""
    found = list(masks.weights)
    colours = [parse_colour(name) or (255, 255, 255) for name in masks.names]
    for name, weight in weights.items():
        colour = parse_colour(name)
        place = None if colour is None else find_alike(colour, colours)
        if place is None or not masks.names[place]:
            allowed = ", ".join(name for name in masks.names if name) or "none, without --content-mask"
            raise UserError(f"--region-weights {name}: no region has this colour. Allowed: {allowed}.")
        found[place] = weight
    return Masks(masks.names, masks.content, masks.styles, tuple(found))


def split_colours(mask: Image.Image, flag: str) -> tuple[list[Colour], Labels]:
    """Return the colours of a mask, the most frequent first, and the number of each pixel's.

    Colours that hardly differ are one. What nowhere fills a square of 3 x 3 px is the smoothed edge between others, or
    the noise of a JPEG, and belongs to the nearest of them.

    Args:
        mask: RGB.
        flag: that it was given with, for the message.

    Raises:
        UserError: for a photograph: more than 16 colours, or shades that are none of them.
    """
    red, green, blue = np.moveaxis(np.asarray(mask.convert("RGB")).astype(np.int32), 2, 0)
    found, inverse, counts = np.unique(red << 16 | green << 8 | blue, return_inverse=True, return_counts=True)
    inverse = inverse.reshape(red.shape)
    colours = [as_colour((code >> 16, code >> 8 & 255, code & 255)) for code in found.tolist()]
    distinct: list[Colour] = []
    for number in np.argsort(-counts, kind="stable"):
        if find_alike(colours[number], distinct) is None:
            distinct.append(colours[number])
    distinct = distinct[:MOST_LOOKED_AT]
    labels = _nearest(colours, distinct)[inverse]
    solid = [colour for number, colour in enumerate(distinct) if _fills_a_block(labels == number)]
    solid = solid or distinct[:1]
    labels = _nearest(colours, solid)
    far = np.linalg.norm(np.array(colours, float) - np.array(solid)[labels], axis=1) > NOISE
    shades = counts[far].sum() / counts.sum()
    if len(solid) > MOST or shades > SHADES:
        raise UserError(
            f"{flag}: {len(solid)} colours and {shades:.0%} shades between them. A mask has one colour for each "
            f"region, at most {MOST}."
        )
    return solid, labels[inverse]


def _nearest(colours: Sequence[Colour], among: Sequence[Colour]) -> Labels:
    """Return for each colour the number of the nearest among others."""
    nearest = [np.square(np.array(among) - colour).sum(axis=1).argmin() for colour in colours]
    return np.array(nearest, np.int8)


def _fills_a_block(inside: NDArray[np.bool_]) -> bool:
    """Return whether somewhere a square is filled; a smaller mask goes on beyond its border."""
    around = np.pad(inside, BLOCK_PX // 2, mode="edge")
    return bool(np.lib.stride_tricks.sliding_window_view(around, (BLOCK_PX, BLOCK_PX)).all(axis=(2, 3)).any())


def find_alike(colour: Colour, among: Sequence[Colour]) -> int | None:
    """Return the number of the nearest colour among others, None where none is alike."""
    if not among:
        return None
    distances = np.linalg.norm(np.array(among, float) - colour, axis=1)
    return int(distances.argmin()) if distances.min() <= ALIKE else None


def as_colour(values: Sequence[int]) -> Colour:
    """Return three values as a colour."""
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def colour_name(colour: Colour) -> str:
    """Return a colour as it is written on the web.

    Example:
        >>> colour_name((255, 0, 16))
        '#ff0010'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)


def parse_colour(text: str) -> Colour | None:
    """Return the colour of a name such as `red` or `#ff0000`, None for any other text."""
    try:
        return as_colour(ImageColor.getrgb(text)[:3])
    except ValueError:
        return None
