"""Which cells the grid has: each a job, and what it is called."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nstkit.backbones.spec import parse_backbone
from nstkit.config import as_plain
from nstkit.pictures.kinds import list_pictures
from transfer.config import JudgingSettings, PictureSettings
from transfer.jobs.job import KEY_DIGITS, Job, weights_digest
from transfer.pairs import Pair, read_pairs, read_start
from transfer.study.config import GridSettings, StudyConfig

Row = dict[str, Any]  # what is known of a finished cell: plain values by column


def about(cell: Job) -> Row:
    """Return the columns that say which cell this is."""
    return {
        "backbone": cell.spec.label,
        **named(cell),
        "size_px": cell.size_px,
        "style_weight": cell.painting.losses.style_weight,
        "seed": cell.painting.seed,
    }


def named(cell: Job) -> Row:
    """Return what the user calls the cell's pictures and settings; the numbers do not depend on it."""
    return {"content": cell.pair.content_name, "style": cell.pair.style_name, "variant": cell.variant}


def key_of(cell: Job, judging: JudgingSettings) -> str:
    """Return a word that differs where the cell's picture or its judges do.

    Not seen is which judges there are where none are named.

    Args:
        cell: a job.
        judging: who will judge, among which other styles.
    """
    others = [weights_digest(path) for path in list_pictures(judging.judge_style)]
    text = json.dumps([cell.key, as_plain(judging.judge), others])
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]


def list_cells(config: StudyConfig, lost: dict[str, str] | None = None) -> Iterator[Job]:
    """Yield every cell of the grid, those of one network together.

    Args:
        config: of the study.
        lost: takes the pairs of which a picture does not open, and why; None = that is an error.

    Raises:
        UserError: for a picture, a network or a variant that is not there.
    """
    grid = config.grid
    pairs_at = {size_px: read_grid_pairs(grid, size_px, lost) for size_px in grid.size}
    variants = grid.variants(config.run)
    starts = {
        (name, size_px): read_start(variant.optimization.init or "content", size_px)
        for name, variant in variants.items()
        for size_px in grid.size
    }
    weights: tuple[float | None, ...] = grid.style_weight or (None,)
    for spec in [parse_backbone(text) for text in grid.backbone]:
        for pairs in zip(*pairs_at.values(), strict=True):
            for size_px, pair in zip(pairs_at, pairs, strict=True):
                for name, variant in variants.items():
                    pair = replace(pair, start=starts[name, size_px])
                    for weight in weights:
                        for seed in grid.seeds or (config.run.seed,):
                            given = {} if weight is None else {"style_weight": weight}
                            painting = variant.painting.changed(seed=seed, **given)
                            yield Job(spec, pair, size_px, name, variant.network, painting, config.run.memory_format)


def read_grid_pairs(grid: GridSettings, size_px: int, lost: dict[str, str] | None = None) -> list[Pair]:
    """Return the pairs that are painted at this longer side [px]; see `GridSettings.pairing`.

    Where pictures are matched one that does not open is an error whatever `lost`: all behind it would move up.
    """
    pictures = PictureSettings(content=grid.content, style=grid.style, size=size_px, crop_rim=grid.crop_rim)
    pairs = read_pairs(pictures, "content", lost if grid.pairing == "all" else None)
    if grid.pairing == "all":
        return pairs
    contents = list(dict.fromkeys(pair.content_name for pair in pairs))
    styles = list(dict.fromkeys(pair.style_name for pair in pairs))
    matched = {
        (contents[place % len(contents)], styles[place % len(styles)])
        for place in range(max(len(contents), len(styles)))
    }
    return [pair for pair in pairs if (pair.content_name, pair.style_name) in matched]
