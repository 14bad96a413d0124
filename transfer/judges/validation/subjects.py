"""Which pictures the judges are tested on: the user's, or photographs and drawings that need no download."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from nstkit.datasets.patterns import TEXTURES, texture_cover
from nstkit.errors import UserError
from nstkit.names import distinct
from nstkit.pictures.kinds import SUFFIXES, list_pictures
from nstkit.pictures.read import read_picture
from nstkit.pictures.tensors import to_tensor
from nstkit.sample import sample_content, sample_style
from transfer.judges.config import LEAST_PX, JudgesConfig
from transfer.judges.validation.cases import Subject

TILES, TILE_PX = 5, 96
"""Tiles in a row and in a column of a mosaic, and their side."""

Pictures = dict[str, Float[Tensor, "1 3 _ _"]]


def read_subjects(config: JudgesConfig) -> list[Subject]:
    """Return the pairs to test on, at the size asked for.

    Raises:
        UserError: for a picture that cannot be read or is too narrow.
    """
    size_px = config.validation.size
    contents, styles = _read(config.judged.content, size_px), _read(config.judged.style, size_px)
    all_contents = contents if len(contents) > 1 else sample_contents(size_px) | contents
    all_styles = styles if len(styles) > 1 else sample_styles(size_px) | styles  # which takes seconds to draw
    contents, styles = contents or all_contents, styles or all_styles
    published = _read_published(config.validation.published, contents, styles, size_px)
    return [
        Subject(
            name=f"{content}-{style}",
            content=contents[content],
            style=styles[style],
            other_content=_next_to(content, all_contents),
            other_style=_next_to(style, all_styles),
            published=published.get((content, style)),
            other_published=_in_another_style(published, content, style),
        )
        for content, style in choose_pairs(tuple(contents), tuple(styles), config.validation.pairs, tuple(published))
    ]


def choose_pairs(
    contents: tuple[str, ...],
    styles: tuple[str, ...],
    limit: int,
    first: tuple[tuple[str, str], ...] = (),
) -> list[tuple[str, str]]:
    """Return at most `limit` pairs: `first`, then such that every picture is used before any is used again.

    Args:
        contents: names.
        styles: names.
        limit: 1 or more.
        first: pairs that are wanted most.
    """
    # Along diagonals of the table of all pairs.
    diagonals = [
        (contents[row % len(contents)], styles[(row + turn) % len(styles)])
        for turn in range(len(styles))
        for row in range(max(len(contents), len(styles)))
    ]
    return list(dict.fromkeys([*first, *diagonals]))[:limit]


def sample_contents(size_px: int) -> Pictures:
    """Return the two photographs that the package carries: a pagoda by a lake, a flower."""
    pictures = {"pagoda": sample_content("china"), "flower": sample_content("flower")}
    return {name: to_tensor(picture, size_px) for name, picture in pictures.items()}


def sample_styles(size_px: int) -> Pictures:
    """Return four drawn styles: two paintings in strokes, two mosaics of textures."""
    styles = {f"strokes{seed}": sample_style(512, seed) for seed in (0, 1)}
    # The second in other colours: two paintings of one palette are hardly two styles.
    red, green, blue = styles["strokes1"].split()
    styles["strokes1"] = Image.merge("RGB", (blue, red, green))
    styles |= {f"mosaic{seed}": draw_mosaic(seed) for seed in (0, 1)}
    return {name: to_tensor(picture, size_px) for name, picture in styles.items()}


def draw_mosaic(seed: int) -> Image.Image:
    """Return 5 x 5 tiles of stripes, checks and dots in a palette of six colours, 480 x 480."""
    rng = np.random.default_rng(seed)
    palette, count = rng.random((6, 3), dtype=np.float32), TILES**2
    cover = texture_cover(rng.integers(0, len(TEXTURES), count), rng.random((count, 5), dtype=np.float32), TILE_PX)
    first = rng.integers(0, len(palette), count)
    second = (first + rng.integers(1, len(palette), count)) % len(palette)
    front, ground = (palette[chosen][:, None, None] for chosen in (first, second))
    tiles = cover[..., None] * front + (1 - cover[..., None]) * ground
    rows = tiles.reshape(TILES, TILES, TILE_PX, TILE_PX, 3).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(np.rint(255 * rows.reshape(TILES * TILE_PX, TILES * TILE_PX, 3)).astype(np.uint8))


def _read(paths: tuple[Path, ...], size_px: int) -> Pictures:
    """Return pictures by their names without suffix; of two that share it, the second gets a number."""
    pictures: Pictures = {}
    files = list_pictures(paths)
    for name, path in zip(distinct(path.stem for path in files), files, strict=True):
        picture = to_tensor(read_picture(path, size_px), size_px)
        if min(picture.shape[-2:]) < LEAST_PX // 2:
            raise UserError(f"{path}: too narrow at --size {size_px}; the shorter side needs {LEAST_PX // 2} px.")
        pictures[name] = picture
    return pictures


def _read_published(
    folder: Path | None, contents: Mapping[str, object], styles: Mapping[str, object], size_px: int
) -> dict[tuple[str, str], Float[Tensor, "1 3 _ _"]]:
    """Return the results of a folder by (content, style); a folder without any is the user's mistake."""
    if folder is None:
        return {}
    by_name = {f"{content}_{style}": (content, style) for content in contents for style in styles}
    results = {
        by_name[path.stem]: to_tensor(read_picture(path, size_px), size_px)
        for path in list_pictures((folder,))
        if path.stem in by_name
    }
    if not results:
        raise UserError(
            f"--published {folder}: no result of these pictures. Name them CONTENT_STYLE ({', '.join(SUFFIXES)}) "
            "and give --content and --style that hold both."
        )
    return results


def _in_another_style(published: Mapping[tuple[str, str], Tensor], content: str, style: str) -> Tensor | None:
    """Return the result of this content in the style that follows this one, among those that there are."""
    results = {other: result for (of, other), result in published.items() if of == content}
    if not set(results) - {style}:
        return None
    return _next_to(style, results) if style in results else next(iter(results.values()))


def _next_to(name: str, pictures: Mapping[str, Tensor]) -> Tensor:
    """Return the picture that follows the one of this name, the first behind the last."""
    names = list(pictures)
    return pictures[names[(names.index(name) + 1) % len(names)]]
