"""Sizes in the same ratio."""

import pytest

from nstkit.pictures.sizes import scaled_size


@pytest.mark.parametrize(
    ("size", "longer_px", "expected"),
    [((60, 90), 30, (20, 30)), ((90, 60), 30, (30, 20)), ((1, 400), 100, (1, 100)), ((50, 50), 70, (70, 70))],
)
def test_scaled_size_keeps_the_ratio_and_makes_the_longer_side_exact(size, longer_px, expected):
    assert scaled_size(*size, longer_px) == expected
