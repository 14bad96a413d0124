"""All pictures of one command on a sheet: a row a network, a column a pair, above them what they were painted from."""

from collections.abc import Sequence

from PIL import Image

from nstkit.figures.compose import Tile, contact_sheet
from transfer.pairs import Pair

TILE_PX = 256
GAP_PX = 8


class Sheet:
    """Takes pictures of networks, one network after the other, each in the order of the pairs."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._columns = len(pairs)
        contents = [_tile(pair.content, pair.content_name) for pair in pairs if pair.content is not None]
        styles = [_tile(pair.style, pair.style_name) for pair in pairs if pair.style is not None]
        self._tiles = [*contents, *styles]

    def add(self, picture: Image.Image, *caption: str) -> None:
        """Put a picture into the next place.

        Args:
            picture: of any size.
            caption: its lines.
        """
        self._tiles.append(_tile(picture, *caption))

    def draw(self) -> Image.Image:
        """Return the sheet as far as it is filled."""
        return contact_sheet(self._tiles, self._columns, gap_px=GAP_PX, margin_px=GAP_PX)


def _tile(picture: Image.Image, *caption: str) -> Tile:
    small = picture.copy()
    small.thumbnail((TILE_PX, TILE_PX), Image.Resampling.LANCZOS)
    return Tile(small, caption)
