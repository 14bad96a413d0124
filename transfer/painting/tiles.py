"""Tiles of a picture, in which the features are exactly those of the whole picture.

Each tile is a core and, around it, as much of the picture as features of the core see. Its edges lie on the grid of
the largest stride, or maps would be sampled between the positions of the whole picture's. Where a tile ends at the
border of the picture, the network pads it as it pads the whole.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Tiling:
    """How pictures are cut for one network and its taps.

    Attributes:
        core_px: longest side of a core, up to half of `step_px` more. What is no longer is not cut.
        reach_px: how far around a core the features see, a multiple of `step_px`.
        step_px: grid that all edges but those of the picture lie on.
        only: so many of the largest tiles are looked at, for a rehearsal, where all are alike. None = all.
    """

    core_px: int
    reach_px: int
    step_px: int
    only: int | None = None

    def __post_init__(self) -> None:
        """Refuse what would put edges beside the grid."""
        if self.core_px < self.step_px or self.reach_px % self.step_px:
            raise ValueError(f"no tiling: {self}")


@dataclass(frozen=True)
class Span:
    """A tile along one axis [px]: `start` to `stop` is looked at, `first` to `last` is the core."""

    start: int
    first: int
    last: int
    stop: int
    length: int

    @property
    def outer(self) -> slice:
        """Where the tile lies in the picture."""
        return slice(self.start, self.stop)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is cut off."""
        return self.start == 0 and self.stop == self.length

    def positions(self, stride: int) -> tuple[slice, slice]:
        """Return where the core lies in the tile's maps of this stride, and where in those of the whole picture.

        Whether the last position of a map is rounded up or down is the network's affair: the last core has all.
        """
        first, is_last = self.first // stride, self.last == self.length
        last = None if is_last else self.last // stride
        begin = (self.first - self.start) // stride
        return slice(begin, None if last is None else begin + last - first), slice(first, last)


@dataclass(frozen=True)
class Tile:
    """A tile of a picture.

    Example:
        >>> tiles = cut_into_tiles((40, 100), Tiling(core_px=48, reach_px=16, step_px=8))
        >>> [(tile.columns.start, tile.columns.first, tile.columns.last, tile.columns.stop) for tile in tiles]
        [(0, 0, 32, 48), (16, 32, 64, 80), (48, 64, 100, 100)]
    """

    rows: Span
    columns: Span

    @property
    def area(self) -> int:
        """Count of the pixels that are looked at."""
        return (self.rows.stop - self.rows.start) * (self.columns.stop - self.columns.start)

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole picture."""
        return self.rows.is_whole and self.columns.is_whole


def cut_into_tiles(size: tuple[int, int], tiling: Tiling | None) -> list[Tile]:
    """Return the tiles of a picture of (height, width) [px], whose cores fill it; None = one."""
    rows, columns = (list(_spans(length, tiling)) for length in size)
    only = None if tiling is None else tiling.only
    if only is not None:  # the largest tiles are of the longest spans
        rows, columns = (sorted(spans, key=lambda span: span.start - span.stop)[:only] for spans in (rows, columns))
    tiles = [Tile(row, column) for row in rows for column in columns]
    return tiles if only is None else sorted(tiles, key=lambda tile: -tile.area)[:only]


def _spans(length: int, tiling: Tiling | None) -> Iterator[Span]:
    if tiling is None or length <= tiling.core_px:
        yield Span(0, 0, length, length, length)
        return
    count, step, reach = math.ceil(length / tiling.core_px), tiling.step_px, tiling.reach_px
    edges = [round(length * k / count / step) * step for k in range(count)] + [length]
    for first, last in itertools.pairwise(edges):
        if first < last:
            yield Span(max(0, first - reach), first, last, min(length, last + reach), length)
