"""How well a number tells good pictures from frauds: AUC within pairs, and its interval over pairs."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 0

Groups = Sequence[tuple[Sequence[float], Mapping[str, Sequence[float]]]]
"""For each pair the values of the good pictures, and those of the frauds by kind; higher = better."""


def auc(good: Sequence[float], bad: Sequence[float]) -> float:
    """Return how often a good one is above a bad one, ties counted half, in [0, 1]; nan where one side is empty.

    Args:
        good: values of the good pictures; nan is passed over.
        bad: values of the frauds, likewise.

    Source: Mann and Whitney 1947; Hanley and McNeil 1982 (the area under the ROC curve).

    Example:
        >>> auc([0.5, 0.75], [0.25, 0.5])
        0.875
    """
    good_values, bad_values = _finite(good), _finite(bad)
    if not good_values.size or not bad_values.size:
        return math.nan
    difference = np.sign(good_values[:, None] - bad_values)
    return float(0.5 + 0.5 * difference.mean())


def auc_by_kind(groups: Groups) -> tuple[tuple[str, ...], Float[NDArray, "pairs kinds"]]:
    """Return the kinds of frauds and the AUC of each within each pair; nan where a pair has none of a kind."""
    kinds = tuple(dict.fromkeys(kind for _, frauds in groups for kind in frauds))
    table = [[auc(good, frauds.get(kind, ())) for kind in kinds] for good, frauds in groups]
    return kinds, np.array(table).reshape(len(groups), len(kinds))


def overall(table: Float[NDArray, "pairs kinds"]) -> float:
    """Return the mean over kinds of the mean over pairs, so that every kind has one vote; nan where all is."""
    return float(_means(_means(table, axis=0), axis=0))


def interval(table: Float[NDArray, "pairs kinds"]) -> tuple[float, float]:
    """Return the 95 % interval of `overall`, by drawing the table's rows, the pairs, with replacement.

    Pairs and not pictures, for those of one pair are alike. A single pair has no interval: (nan, nan).

    Source: Efron and Tibshirani 1993, An introduction to the bootstrap, section 13.3 (percentile interval).
    """
    if len(table) < 2:
        return math.nan, math.nan
    drawn = np.random.default_rng(SEED).integers(0, len(table), (RESAMPLES, len(table)))
    values = _means(_means(table[drawn], axis=1), axis=1)
    values = values[~np.isnan(values)]
    if not values.size:
        return math.nan, math.nan
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def rank_correlation(doses: Sequence[float], values: Sequence[float]) -> float:
    """Return Spearman's correlation in [-1, 1]; 0 for a value that never changes, nan below 3 finite values.

    Args:
        doses: what should decide the order.
        values: one for each dose; nan is passed over.

    Example:
        >>> rank_correlation([0.0, 0.5, 1.0], [3.0, 2.0, 1.0])
        -1.0
    """
    from scipy.stats import spearmanr

    numbers = np.asarray(values, float)
    is_there = ~np.isnan(numbers)
    if is_there.sum() < 3:
        return math.nan
    if np.ptp(numbers[is_there]) == 0:
        return 0.0
    return float(spearmanr(np.asarray(doses, float)[is_there], numbers[is_there]).statistic)


def _finite(values: Sequence[float]) -> NDArray[np.float64]:
    numbers = np.asarray(values, float)
    return numbers[~np.isnan(numbers)]


def _means(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Return means of what is not nan; nan, without numpy's warning, where nothing is left."""
    is_there = ~np.isnan(values)
    count = is_there.sum(axis)
    total = np.where(is_there, values, 0.0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), math.nan)
