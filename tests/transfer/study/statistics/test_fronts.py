"""Matched content: read between the points of a front, never beyond them."""

import math

import numpy as np
import pytest

from transfer.study.statistics.fronts import matched, matched_all

CONTENT, STYLE = np.array([0.9, 0.7, 0.5]), np.array([0.0, 0.2, 0.3])  # of weights 3, 10, 30


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0.9, 0.0), (0.8, 0.1), (0.7, 0.2), (0.65, 0.225), (0.5, 0.3), (0.91, math.nan), (0.49, math.nan)],
)
def test_front_is_read_between_its_points_alone(level, expected):
    assert matched(CONTENT, STYLE, level) == pytest.approx(expected, nan_ok=True)


def test_order_of_the_weights_does_not_matter():
    assert matched(CONTENT[::-1].copy(), STYLE[::-1].copy(), 0.65) == pytest.approx(0.225)
    assert matched(CONTENT[[1, 2, 0]], STYLE[[1, 2, 0]], 0.65) == pytest.approx(0.225)


def test_picture_that_is_missing_is_no_point():
    style = np.array([0.0, math.nan, 0.3])
    assert matched(CONTENT, style, 0.7) == pytest.approx(0.15)
    assert math.isnan(matched(np.array([math.nan]), np.array([0.3]), 0.7))


def test_a_linear_front_gives_its_line_whatever_the_weights_were():
    random = np.random.default_rng(0)
    content = random.uniform(0.3, 1.0, (40, 5, 3))
    style = 1 - 0.5 * content
    found = matched_all(content, style, 0.65)
    reached = (content.min(-1) <= 0.65) & (content.max(-1) >= 0.65)
    assert found.shape == (40, 5)
    np.testing.assert_array_equal(np.isfinite(found), reached)
    assert 0.3 < reached.mean() < 0.95
    np.testing.assert_allclose(found[reached], 1 - 0.5 * 0.65)
