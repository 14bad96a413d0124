"""Which value is white, where a picture is not of 8 bits: one rule for files and for arrays.

Two public conventions: integers fill their type, floats lie in [0, 1]. And one guess, said in a warning: where no value
comes near that, files hold 8 or 12 bits in wider numbers (cameras and microscopes write 0 to 4095 as 16 bit).
"""

import math
import warnings

import numpy as np
from numpy.typing import NDArray

ROUNDING = 0.01  # how far outside of black and white values may lie, as a share of white
WHITES = (255.0, 4095.0, 65535.0)  # of 8, 12 and 16 bit
LEAST_GUESSED = 16.0  # floats above 1 and below this are more likely a high dynamic range than 8 bit
_BLOCK_VALUES = 2**20


def find_white(kind: str, low: float, high: float, *, may_guess: bool) -> float:
    """Return the value that is white in a picture whose black is 0.

    Args:
        kind: of its numbers, as NumPy and torch call it: `uint8`, `uint16`, `int32`, `float32`, ...
        low: the least value.
        high: the greatest.
        may_guess: take 8 or 12 bits in wider numbers for what they are, with a warning. False = refuse them.

    Raises:
        ValueError: for numbers that are not finite, negative ones, and those in no known range.

    Example:
        >>> find_white("uint8", 0.0, 40.0, may_guess=False), find_white("float32", 0.0, 0.2, may_guess=False)
        (255.0, 1.0)
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("some values are nan or infinite")
    convention = 255.0 if kind == "uint8" else 1.0 if "float" in kind else 65535.0
    white = convention
    if kind != "uint8" and high > (LEAST_GUESSED if convention == 1.0 else 0.0):
        white = next((bits for bits in WHITES if high <= bits), convention)
    is_guess = white != convention
    if high > white * (1 + ROUNDING) or low < -white * ROUNDING or (is_guess and not may_guess):
        raise ValueError(f"{kind} values from {low:g} to {high:g}, but black is 0 and white {convention:g}")
    if is_guess:
        warnings.warn(
            f"a picture of {kind} has no value above {white:g}, which is taken for white in place of {convention:g}",
            stacklevel=3,
        )
    return white


def to_8_bit(values: NDArray[np.generic], white: float) -> NDArray[np.uint8]:
    """Return values of any kind and shape (H, ...) as 8 bit: 0 for 0 and less, 255 for `white` and more."""
    scaled = np.empty(values.shape, np.uint8)
    rows = max(1, _BLOCK_VALUES * len(values) // max(1, values.size))
    for start in range(0, len(values), rows):  # in blocks: float64 at once takes eight times the size
        block = np.asarray(values[start : start + rows], np.float64) / white
        scaled[start : start + rows] = np.rint(np.clip(block, 0, 1) * 255)
    return scaled
