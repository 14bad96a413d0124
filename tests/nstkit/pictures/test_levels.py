"""Which value is white: two conventions, one guess that is said, and no silent black."""

import numpy as np
import pytest

from nstkit.pictures.levels import find_white, to_8_bit


@pytest.mark.parametrize(
    ("kind", "low", "high", "white"),
    [
        ("uint8", 0.0, 1.0, 255.0),  # dark, and so it stays
        ("uint16", 0.0, 65535.0, 65535.0),
        ("uint16", 10.0, 4096.0, 65535.0),
        ("uint16", 0.0, 0.0, 65535.0),
        ("int32", 0.0, 40000.0, 65535.0),
        ("float32", 0.0, 1.0, 1.0),
        ("float32", 0.0, 0.004, 1.0),
        ("float64", -0.009, 1.009, 1.0),  # what resampling leaves
        ("bfloat16", 0.0, 0.0, 1.0),
    ],
)
def test_white_by_convention(kind, low, high, white):
    assert find_white(kind, low, high, may_guess=True) == find_white(kind, low, high, may_guess=False) == white


@pytest.mark.parametrize(
    ("kind", "high", "white"),
    [("uint16", 4095.0, 4095.0), ("uint16", 255.0, 255.0), ("int32", 3000.0, 4095.0), ("float32", 255.0, 255.0)],
)
def test_white_that_is_guessed_is_said_or_refused(kind, high, white):
    with pytest.warns(UserWarning, match=f"{kind} has no value above {white:g}, which is taken for white"):
        assert find_white(kind, 0.0, high, may_guess=True) == white
    with pytest.raises(ValueError, match=f"{kind} values from 0 to {high:g}, but black is 0 and white"):
        find_white(kind, 0.0, high, may_guess=False)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("float32", -1.0, 1.0),
        ("float32", 0.0, 5.0),  # a high dynamic range: no value of it is white
        ("float32", 0.0, 1e6),
        ("float32", float("nan"), float("nan")),
        ("float32", 0.0, float("inf")),
        ("int32", 0.0, 2e9),
        ("int32", -2000.0, 2000.0),
    ],
)
def test_values_without_a_known_white_are_refused(kind, low, high):
    with pytest.raises(ValueError, match=r"nan or infinite|black is 0 and white"):
        find_white(kind, low, high, may_guess=True)


@pytest.mark.parametrize("shape", [(2000, 700), (3, 5, 3), (1, 1), (0, 4)])
def test_8_bit_in_blocks_is_as_at_once(shape):
    values = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
    assert np.array_equal(to_8_bit(values, 65535.0), np.rint(values / 65535 * 255).astype(np.uint8))
