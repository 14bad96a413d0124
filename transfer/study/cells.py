"""One cell of the grid: what it depends on, and where its picture and numbers are kept."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from nstkit import __version__
from nstkit.backbones.spec import BackboneSpec, parse_backbone
from nstkit.config import as_plain
from nstkit.files import write_atomically
from nstkit.pictures.kinds import list_pictures
from nstkit.pictures.read import read_picture
from nstkit.pictures.save import save_picture
from transfer.config import JudgingSettings, NetworkSettings, PictureSettings
from transfer.painting.settings import PaintSettings
from transfer.pairs import Pair, read_pairs
from transfer.study.config import GridSettings, StudyConfig

Row = dict[str, Any]  # what is known of a finished cell: plain values by column


@dataclass(frozen=True)
class Cell:
    """A picture to paint.

    Attributes:
        spec: the network.
        pair: content and style.
        size_px: longer side of both.
        variant: name of the settings.
        network: what is changed about the network.
        painting: what the painter is told, not resolved.
    """

    spec: BackboneSpec
    pair: Pair
    size_px: int
    variant: str
    network: NetworkSettings
    painting: PaintSettings

    @property
    def about(self) -> Row:
        """The columns that say which cell this is."""
        return {
            "backbone": self.spec.label,
            "content": self.pair.content_name,
            "style": self.pair.style_name,
            "size_px": self.size_px,
            "variant": self.variant,
            "style_weight": self.painting.losses.style_weight,
            "seed": self.painting.seed,
        }

    @property
    def names(self) -> Row:
        """What the user calls the cell's pictures and settings; the numbers do not depend on it."""
        return {"content": self.pair.content_name, "style": self.pair.style_name, "variant": self.variant}

    def key(self, judging: JudgingSettings) -> str:
        """Return a word that differs where the networks, pictures or settings of the cell or of its judges differ.

        Files are told apart by path and time; not seen are a change of a file that `--init` or `--swap` names, and
        which judges there are where none are named.

        Args:
            judging: who will judge, among which other styles.
        """
        path = self.spec.path
        weights = path / "model.safetensors" if path is not None and path.is_dir() else path
        changed = None if weights is None else weights.stat().st_mtime_ns  # a checkpoint that trains on
        others = [(str(path), path.stat().st_mtime_ns) for path in list_pictures(judging.judge_style)]
        settings = [as_plain(self.network), as_plain(self.painting), self.size_px, as_plain(judging.judge), others]
        digest = hashlib.sha256(json.dumps([__version__, self.spec.text, changed, settings]).encode())
        for picture in (self.pair.content, self.pair.style):
            if picture is not None:
                digest.update(str(picture.size).encode() + picture.tobytes())
        return digest.hexdigest()[:12]


def list_cells(config: StudyConfig) -> Iterator[Cell]:
    """Yield every cell of the grid, those of one network together.

    Raises:
        UserError: for a picture, a network or a variant that is not there.
    """
    grid = config.grid
    pairs_at = {size_px: read_grid_pairs(grid, size_px) for size_px in grid.size}
    variants = grid.variants(config.run)
    weights: tuple[float | None, ...] = grid.style_weight or (None,)
    for spec in [parse_backbone(text) for text in grid.backbone]:
        for pairs in zip(*pairs_at.values(), strict=True):
            for size_px, pair in zip(pairs_at, pairs, strict=True):
                for name, variant in variants.items():
                    for weight in weights:
                        for seed in grid.seeds or (config.run.seed,):
                            given = {} if weight is None else {"style_weight": weight}
                            painting = variant.painting.changed(seed=seed, **given)
                            yield Cell(spec, pair, size_px, name, variant.network, painting)


def read_grid_pairs(grid: GridSettings, size_px: int) -> list[Pair]:
    """Return the pairs that are painted at this longer side [px]; see `GridSettings.pairing`."""
    pictures = PictureSettings(content=grid.content, style=grid.style, size=size_px, crop_rim=grid.crop_rim)
    pairs = read_pairs(pictures, "content")
    if grid.pairing == "all":
        return pairs
    contents = list(dict.fromkeys(pair.content_name for pair in pairs))
    styles = list(dict.fromkeys(pair.style_name for pair in pairs))
    matched = {
        (contents[place % len(contents)], styles[place % len(styles)])
        for place in range(max(len(contents), len(styles)))
    }
    return [pair for pair in pairs if (pair.content_name, pair.style_name) in matched]


class Store:
    """The finished cells of a study: `cells/KEY.json` and `cells/KEY.png` in its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "cells"

    def find(self, key: str) -> tuple[Row, Image.Image] | None:
        """Return the numbers and the picture of a finished cell, None for one that is not."""
        numbers, picture = self._folder / f"{key}.json", self._folder / f"{key}.png"
        if not numbers.is_file() or not picture.is_file():
            return None
        return json.loads(numbers.read_text()), read_picture(picture)

    def keep(self, key: str, row: Row, picture: Image.Image) -> None:
        """Write a finished cell; the numbers come last, so that what is found is whole."""
        save_picture(picture, self._folder / f"{key}.png", {"Software": "nstkit", "nstkit": json.dumps(row)})
        text = json.dumps(row, indent=1)
        write_atomically(self._folder / f"{key}.json", lambda file: file.write(text.encode()))
