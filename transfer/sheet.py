"""All pictures of one command on a sheet: a row a network, a column a pair, above them what they were painted from.

Many pairs stand in several such blocks one below the other.
"""

import math
from collections.abc import Iterator, Sequence

from PIL import Image

from nstkit.figures.compose import Tile, contact_sheet
from transfer.pairs import Pair

TILE_PX, LEAST_PX = 256, 64
GAP_PX = 8
COLUMNS = 12
SHEET_PIXELS = 2**24  # of a sheet of one network, so that a thousand pictures can be opened anywhere
BLANK = Tile(Image.new("RGB", (1, 1), "white"))


class Sheet:
    """Takes pictures of networks and pairs, in any order."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = [pair.name for pair in pairs]
        self._tile_px = max(LEAST_PX, min(TILE_PX, math.isqrt(SHEET_PIXELS // (3 * len(pairs)))))
        contents = [self._tile(pair.content, pair.content_name) for pair in pairs if pair.content is not None]
        styles = [self._tile(pair.style, pair.style_name) for pair in pairs if pair.style is not None]
        self._sources = [tiles for tiles in (contents, styles) if tiles]
        self._painted: dict[tuple[str, str], Tile] = {}

    def add(self, picture: Image.Image, network: str, pair: str) -> None:
        """Put a picture of any size into its place."""
        self._painted[network, pair] = self._tile(picture, network, pair)

    def draw(self) -> Image.Image:
        """Return the sheet as far as it is filled."""
        columns = min(len(self._pairs), COLUMNS)
        tiles = [tile for row in self._rows() for tile in row + [BLANK] * (columns - len(row))]
        return contact_sheet(tiles, columns, gap_px=GAP_PX, margin_px=GAP_PX)

    def _rows(self) -> Iterator[list[Tile]]:
        networks = list(dict.fromkeys(network for network, _ in self._painted))
        for block in blocks(len(self._pairs)):
            yield from (tiles[block] for tiles in self._sources)
            for network in networks:
                yield [self._painted.get((network, pair), BLANK) for pair in self._pairs[block]]

    def _tile(self, picture: Image.Image, *caption: str) -> Tile:
        small = picture.copy()
        small.thumbnail((self._tile_px, self._tile_px), Image.Resampling.LANCZOS)
        return Tile(small, caption)


def blocks(count: int) -> Iterator[slice]:
    """Yield which of so many pairs stand side by side.

    Example:
        >>> list(blocks(14))
        [slice(0, 12, None), slice(12, 24, None)]
    """
    return (slice(first, first + COLUMNS) for first in range(0, count, COLUMNS))
