"""Intervals where several things were drawn at random at once, and every value belongs to one of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """Ends of an interval.

    Attributes:
        low: lower end.
        high: upper end.
        failed: share of the replicates in which the statistic was not known.
    """

    low: float
    high: float
    failed: float


def crossed_bootstrap(
    sizes: Sequence[int],
    statistic: Callable[[list[np.ndarray]], float],
    *,
    replicates: int = 2000,
    alpha: float = 0.05,
    seed: int = 0,
) -> Interval:
    """Return the percentile interval of a statistic over crossed random factors, each of which is drawn anew.

    Args:
        sizes: number of levels of each factor, such as seeds, contents, styles.
        statistic: of how often each level of each factor was drawn. NaN where it is not known.
        replicates: how often all is drawn.
        alpha: 1 - the level of the interval.
        seed: of the draws.

    Source: Owen 2007, The pigeonhole bootstrap.
    """
    random = np.random.default_rng(seed)
    draws = [random.multinomial(size, np.full(size, 1 / size), replicates) for size in sizes]
    values = np.array([statistic([draw[k] for draw in draws]) for k in range(replicates)])
    known = values[np.isfinite(values)]
    failed = (replicates - len(known)) / replicates
    if not len(known):
        return Interval(float("nan"), float("nan"), failed)
    low, high = np.quantile(known, [alpha / 2, 1 - alpha / 2])
    return Interval(float(low), float(high), failed)
