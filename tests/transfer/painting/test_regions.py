"""Regions: where they lie in pictures and features, and what is kept from the photograph."""

import numpy as np
import pytest
import torch

from transfer.painting.masks import Masks
from transfer.painting.regions import WHOLE, Region, build_regions, painted_share, resize_guide, weights_at

HALVES = np.array([[0, 1]], np.int8).repeat(4, axis=1)  # (1, 8): 0 0 0 0 1 1 1 1


def test_guides_have_the_size_of_their_pictures_and_blurred_edges():
    masks = Masks(("#ff0000", "#0000ff"), HALVES, (HALVES[:, ::-1],), (1.0, 3.0))
    left, right = build_regions(masks, (60, 100), [(50, 200)])
    assert left.content.shape == right.content.shape == (1, 1, 60, 100)
    assert left.styles[0].shape == (1, 1, 50, 200)
    torch.testing.assert_close(left.content + right.content, torch.ones(1, 1, 60, 100))
    row = left.content[0, 0, 30]
    assert (row[:40] > 0.999).all()
    assert (row[60:] < 0.001).all()
    assert ((row > 0.01) & (row < 0.99)).sum() >= 4  # 1 % of the longer side is one pixel of deviation
    assert left.styles[0][0, 0, 0, -1] == 1
    assert (left.weight, right.weight) == (0.5, 1.5)


def test_whole_pictures_have_no_guides():
    assert build_regions(None, (6, 8), [(6, 8)]) == ()
    (region,) = build_regions(Masks(("",), None, (HALVES,), (1.0,)), (6, 8), [(10, 10)])
    assert (region.content, region.weight) == (None, 1.0)
    assert region.of_style(0).shape == (1, 1, 10, 10)
    assert WHOLE.of_style(3) is None


def test_positions_of_a_map_count_what_they_cover():
    guide = torch.zeros(1, 1, 8, 8)
    guide[..., :3] = 1
    assert weights_at(guide, (4, 4))[0, 0, 0].tolist() == [1, 0.5, 0, 0]
    assert weights_at(guide, (4, 4), (0, 1))[0, 0, 0].tolist() == [0.5, 1, 0, 0]
    assert weights_at(None, (4, 4)) is None
    assert resize_guide(guide, (8, 8)) is guide


def test_painted_is_what_any_region_has():
    left, right = torch.zeros(1, 1, 4, 8), torch.zeros(1, 1, 4, 8)
    left[..., :3], right[..., 3:6] = 1, 1
    both = painted_share([Region("a", left), Region("b", right)])
    assert both[0, 0, 0].tolist() == [1, 1, 1, 1, 1, 1, 0, 0]
    assert painted_share([Region("a", left), Region("b", 1 - left)]) is None
    assert painted_share([WHOLE]) is None
    assert painted_share([]) is None


def test_guides_are_moved_together():
    region = Region("a", torch.ones(1, 1, 4, 4), (torch.ones(1, 1, 6, 6),), 0.3)
    small = region.mapped(lambda guide: guide[..., :2])
    assert [small.content.shape[3], small.styles[0].shape[3]] == [2, 2]
    assert (small.name, small.weight) == ("a", 0.3)
    assert pytest.approx(0.3) == region.mapped(lambda guide: guide).weight
