"""Tiles fill a picture once, lie on the grid, and hold all that their cores see."""

import pytest
import torch

from transfer.painting.tiles import Tiling, cut_into_tiles


@pytest.mark.parametrize("size", [(40, 40), (41, 200), (333, 97), (512, 640)])
@pytest.mark.parametrize("tiling", [Tiling(48, 16, 8), Tiling(64, 96, 32), Tiling(16, 0, 16)])
def test_cores_fill_the_picture_once(size, tiling):
    seen = torch.zeros(size)
    for tile in cut_into_tiles(size, tiling):
        seen[tile.rows.first : tile.rows.last, tile.columns.first : tile.columns.last] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("length", [65, 200, 333, 1024])
@pytest.mark.parametrize("tiling", [Tiling(48, 16, 8), Tiling(64, 96, 32)])
def test_tiles_reach_beyond_their_cores_or_to_the_border_and_lie_on_the_grid(length, tiling):
    for tile in cut_into_tiles((32, length), tiling):
        span = tile.columns
        assert span.first - span.start == tiling.reach_px or span.start == 0
        assert span.stop - span.last == tiling.reach_px or span.stop == length
        assert span.last - span.first <= tiling.core_px + tiling.step_px / 2
        assert span.start % tiling.step_px == span.first % tiling.step_px == 0


@pytest.mark.parametrize("stride", [1, 2, 8])
@pytest.mark.parametrize("length", [100, 101, 103])
def test_positions_of_the_cores_are_those_of_the_whole_map(stride, length):
    whole = torch.arange(length)[::stride]
    found = torch.full_like(whole, -1)
    for tile in cut_into_tiles((8, length), Tiling(32, 16, 8)):
        inner, place = tile.columns.positions(stride)
        found[place] = torch.arange(length)[tile.columns.outer][::stride][inner]
    assert torch.equal(found, whole)


def test_what_is_small_is_not_cut():
    (tile,) = cut_into_tiles((48, 30), Tiling(48, 16, 8))
    assert tile.is_whole
    assert cut_into_tiles((4000, 3000), None)[0].is_whole


def test_the_largest_tiles_are_rehearsed():
    tiles = cut_into_tiles((160, 160), Tiling(32, 16, 8, only=2))
    assert [tile.area for tile in tiles] == [64**2, 64**2]


def test_edges_beside_the_grid_are_refused():
    with pytest.raises(ValueError, match="no tiling"):
        Tiling(32, 12, 8)
