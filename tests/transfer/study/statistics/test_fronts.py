"""Matched content: read between the points of a front, never beyond them."""

import math

import numpy as np
import pytest

from transfer.study.statistics.fronts import matched

CONTENT, STYLE = np.array([0.9, 0.7, 0.5]), np.array([0.0, 0.2, 0.3])  # of weights 3, 10, 30


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0.9, 0.0), (0.8, 0.1), (0.7, 0.2), (0.65, 0.225), (0.5, 0.3), (0.91, math.nan), (0.49, math.nan)],
)
def test_front_is_read_between_its_points_alone(level, expected):
    assert float(matched(CONTENT, STYLE, level)) == pytest.approx(expected, nan_ok=True)


def test_order_of_the_weights_does_not_matter():
    assert matched(CONTENT[::-1].copy(), STYLE[::-1].copy(), 0.65) == pytest.approx(0.225)
    assert matched(CONTENT[[1, 2, 0]], STYLE[[1, 2, 0]], 0.65) == pytest.approx(0.225)


def test_picture_that_is_missing_is_no_point():
    style = np.array([0.0, math.nan, 0.3])
    assert matched(CONTENT, style, 0.7) == pytest.approx(0.15)
    assert math.isnan(matched(np.array([math.nan]), np.array([0.3]), 0.7))
    assert matched(np.array([0.7]), np.array([0.3]), 0.7) == 0.3


def test_front_of_any_shape_is_that_of_numpy():
    random = np.random.default_rng(1)
    content, style = random.uniform(0.3, 1.0, (2, 60, 4))
    content[:9, 2] = math.nan
    content[9:15, 1] = content[9:15, 0]
    for front, found in zip(zip(content, style, strict=True), matched(content, style, 0.65), strict=True):
        x, y = (values[np.isfinite(front[0])] for values in front)
        order = np.argsort(x, kind="stable")
        inside = x.min() <= 0.65 <= x.max()
        assert found == pytest.approx(np.interp(0.65, x[order], y[order]) if inside else math.nan, nan_ok=True)


def test_a_linear_front_gives_its_line_whatever_the_weights_were():
    random = np.random.default_rng(0)
    content = random.uniform(0.3, 1.0, (40, 5, 3))
    style = 1 - 0.5 * content
    found = matched(content, style, 0.65)
    reached = (content.min(-1) <= 0.65) & (content.max(-1) >= 0.65)
    assert found.shape == (40, 5)
    np.testing.assert_array_equal(np.isfinite(found), reached)
    assert 0.3 < reached.mean() < 0.95
    np.testing.assert_allclose(found[reached], 1 - 0.5 * 0.65)
