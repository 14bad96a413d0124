"""How well a number tells good pictures from frauds: AUC within pairs, and its interval over pairs."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 0

Groups = Sequence[tuple[Sequence[float], Mapping[str, Sequence[float]]]]
"""For each pair the values of the good pictures, and those of the frauds by kind; higher = better."""


def auc(good: Sequence[float], bad: Sequence[float]) -> float:
    """Return how often a good one is above a bad one, ties counted half, in [0, 1]; nan where one side is empty.

    Source: Mann and Whitney 1947; Hanley and McNeil 1982 (the area under the ROC curve).
    """
    good, bad = (np.asarray(values, float) for values in (good, bad))
    good, bad = good[~np.isnan(good)], bad[~np.isnan(bad)]
    if not good.size or not bad.size:
        return np.nan
    difference = np.sign(good[:, None] - bad)
    return float(0.5 + 0.5 * difference.mean())


def auc_by_kind(groups: Groups) -> tuple[tuple[str, ...], Float[NDArray, "pairs kinds"]]:
    """Return the kinds of frauds and the AUC of each within each pair; nan where a pair has none of a kind."""
    kinds = tuple(dict.fromkeys(kind for _, frauds in groups for kind in frauds))
    table = [[auc(good, frauds.get(kind, ())) for kind in kinds] for good, frauds in groups]
    return kinds, np.array(table).reshape(len(groups), len(kinds))


def overall(table: Float[NDArray, "pairs kinds"]) -> float:
    """Return the mean over kinds of the mean over pairs, so that every kind has one vote; nan where all is."""
    return _mean(np.array([_mean(column) for column in table.T]))


def interval(
    table: Float[NDArray, "pairs kinds"], statistic: Callable[[NDArray], float] = overall
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic of a table, by drawing its rows, the pairs, with replacement.

    Pairs and not pictures, for those of one pair are alike. A single pair has no interval: (nan, nan).

    Source: Efron and Tibshirani 1993, An introduction to the bootstrap, section 13.3 (percentile interval).
    """
    if len(table) < 2:
        return np.nan, np.nan
    drawn = np.random.default_rng(SEED).integers(0, len(table), (RESAMPLES, len(table)))
    found = np.array([statistic(table[rows]) for rows in drawn])
    found = found[~np.isnan(found)]
    if not found.size:
        return np.nan, np.nan
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def rank_correlation(doses: Sequence[float], values: Sequence[float]) -> float:
    """Return Spearman's correlation in [-1, 1]; 0 for a value that never changes, nan below 3 finite values."""
    from scipy.stats import spearmanr

    doses, values = np.asarray(doses, float), np.asarray(values, float)
    is_there = ~np.isnan(values)
    if is_there.sum() < 3:
        return np.nan
    if np.ptp(values[is_there]) == 0:
        return 0.0
    return float(spearmanr(doses[is_there], values[is_there]).statistic)


def _mean(values: NDArray) -> float:
    """Return the mean of what is not nan; nan, without numpy's warning, where nothing is left."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else np.nan
