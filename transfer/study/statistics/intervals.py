"""A mean of a few values, such as one slope a training seed: its interval, its test against 0, and equivalence to 0."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special
from statsmodels.stats.multitest import multipletests


@dataclass(frozen=True)
class MeanTest:
    """A mean with what is known of it.

    Attributes:
        mean: of the values.
        low: lower end of its interval.
        high: upper end.
        p: two-sided, that the mean is 0.
        sd: sample deviation of the values.
        count: how many values there are.
    """

    mean: float
    low: float
    high: float
    p: float
    sd: float
    count: int


def slope(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Return the least-squares slope of y over x; what is NaN in either is left out.

    NaN where fewer than two values of x are left.

    Example:
        >>> slope(np.array([0.0, 1.0, 2.0, np.nan]), np.array([1.0, 3.0, 5.0, 9.0]))
        2.0
    """
    known = np.isfinite(x) & np.isfinite(y)
    if len(np.unique(x[known])) < 2:
        return float("nan")
    centred = x[known] - x[known].mean()
    return float(centred @ y[known] / (centred @ centred))


def t_test(values: Sequence[float] | Float[np.ndarray, " n"], alpha: float = 0.05) -> MeanTest:
    """Return the mean of values that are independent, its interval of level 1 - alpha, and its t test against 0.

    Raises:
        ValueError: for fewer than two values.
    """
    found = np.asarray(values, float)
    if len(found) < 2:
        raise ValueError(f"a test of {len(found)} values: it takes two or more")
    mean, sd = float(found.mean()), float(found.std(ddof=1))
    if sd == 0:  # nothing varies: the interval is a point
        return MeanTest(mean, mean, mean, 1.0 if mean == 0 else 0.0, sd, len(found))
    error, free = sd / math.sqrt(len(found)), len(found) - 1
    # Not by scipy.stats, which takes a hundred times as long: a placebo tests a thousand times.
    reach = error * float(special.stdtrit(free, 1 - alpha / 2))
    p = 2 * float(special.stdtr(free, -abs(mean) / error))
    return MeanTest(mean, mean - reach, mean + reach, p, sd, len(found))


def equivalence_p(values: Sequence[float] | Float[np.ndarray, " n"], margin: float) -> float:
    """Return the p value of two one-sided t tests that the mean lies outside of -margin to margin.

    Below alpha the mean is equivalent to 0: its interval of level 1 - 2 alpha lies inside of the margin.

    Args:
        values: independent, two or more.
        margin: smallest difference that would matter, above 0.

    Source: Schuirmann 1987, A comparison of the two one-sided tests procedure and the power approach.
    """
    found = np.asarray(values, float)
    mean, error = float(found.mean()), float(found.std(ddof=1)) / math.sqrt(len(found))
    nearest = margin - abs(mean)  # to the end of the margin, below 0 outside of it
    if error == 0:  # nothing varies
        return float(nearest <= 0)
    return float(special.stdtr(len(found) - 1, -nearest / error))


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Return p values adjusted for how many they are, by name; NaN, of a test that could not be done, stays.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.

    Example:
        >>> {name: round(value, 3) for name, value in holm({"a": 0.01, "b": 0.04, "c": 0.03}).items()}
        {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    known = [name for name, value in p.items() if np.isfinite(value)]
    adjusted = multipletests([p[name] for name in known], method="holm")[1] if known else []
    return {**p, **{name: float(value) for name, value in zip(known, adjusted, strict=True)}}
