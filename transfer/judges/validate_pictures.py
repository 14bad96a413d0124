"""Which pictures the judges are tested on: the user's, or photographs and drawings that need no download."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor

from nstkit.datasets.patterns import TEXTURES, texture_cover
from nstkit.errors import UserError
from nstkit.pictures import SUFFIXES, list_pictures, read_picture, to_tensor
from transfer.judges.cases import Subject
from transfer.judges.validate_config import LEAST_PX, JudgesConfig
from transfer.sample import sample_content, sample_style

TILES, TILE_PX = 5, 96
Pictures = dict[str, Float[Tensor, "1 3 _ _"]]


def read_subjects(config: JudgesConfig) -> list[Subject]:
    """Return the pairs to test on, at the size asked for.

    Raises:
        UserError: for a picture that cannot be read or is too narrow.
    """
    contents, styles = (_read(paths, config.size) for paths in (config.content, config.style))
    own_contents, own_styles = sample_contents(config.size), sample_styles(config.size)
    contents, styles = contents or own_contents, styles or own_styles
    published = _read_published(config.published, contents, styles, config.size)
    others = (list({**own_contents, **contents}.items()), list({**own_styles, **styles}.items()))
    return [
        Subject(
            name=f"{content}-{style}",
            content=contents[content],
            style=styles[style],
            other_content=_another(others[0], content),
            other_style=_another(others[1], style),
            published=published.get((content, style)),
        )
        for content, style in choose_pairs(tuple(contents), tuple(styles), config.pairs, tuple(published))
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
    """Return two photographs that scikit-learn carries: a pagoda by a lake, a flower."""
    flower = Image.fromarray(load_sample_image("flower.jpg"))
    return {"pagoda": to_tensor(sample_content(), size_px), "flower": to_tensor(flower, size_px)}


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
    colors = palette[first], palette[(first + rng.integers(1, len(palette), count)) % len(palette)]
    tiles = cover[..., None] * colors[0][:, None, None] + (1 - cover[..., None]) * colors[1][:, None, None]
    rows = tiles.reshape(TILES, TILES, TILE_PX, TILE_PX, 3).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(np.rint(255 * rows.reshape(TILES * TILE_PX, TILES * TILE_PX, 3)).astype(np.uint8))


def _read(paths: tuple[Path, ...], size_px: int) -> Pictures:
    found: Pictures = {}
    for path in list_pictures(paths):
        picture = to_tensor(read_picture(path), size_px)
        if min(picture.shape[-2:]) < LEAST_PX // 2:
            raise UserError(f"{path}: too narrow at --size {size_px}; the shorter side needs {LEAST_PX // 2} px.")
        name, number = path.stem, 2
        while name in found:
            name, number = f"{path.stem}~{number}", number + 1
        found[name] = picture
    return found


def _read_published(
    folder: Path | None, contents: Mapping[str, object], styles: Mapping[str, object], size_px: int
) -> dict[tuple[str, str], Float[Tensor, "1 3 _ _"]]:
    """Return the results of a folder by (content, style); a folder without any is the user's mistake."""
    if folder is None:
        return {}
    by_name = {f"{content}_{style}": (content, style) for content in contents for style in styles}
    found = {
        by_name[path.stem]: to_tensor(read_picture(path), size_px)
        for path in list_pictures((folder,))
        if path.stem in by_name
    }
    if not found:
        raise UserError(
            f"--published {folder}: no result of these pictures. Name them CONTENT_STYLE ({', '.join(SUFFIXES)}) "
            "and give --content and --style that hold both."
        )
    return found


def _another(pictures: list[tuple[str, Tensor]], name: str) -> Tensor:
    """Return the picture that follows another in the list, the first behind the last."""
    names = [each for each, _ in pictures]
    return pictures[(names.index(name) + 1) % len(names)][1]
