"""The crossed bootstrap: as wide as the spread of contents and styles asks for, where one over cells is too narrow."""

import math

import numpy as np
import pytest

from transfer.study.statistics.bootstrap import crossed_bootstrap


def test_deviation_of_a_mean_over_crossed_factors_is_the_true_one():
    """Three factors of known variances: the variance of the mean is the sum of each over its number of levels."""
    sizes, sds = (20, 24, 30), (0.3, 0.5, 0.2)
    truth = math.sqrt(sum(sd**2 / size for sd, size in zip(sds, sizes, strict=True)))
    random = np.random.default_rng(0)
    widths = []
    for study in range(20):
        effects = [random.normal(0, sd, size) for sd, size in zip(sds, sizes, strict=True)]
        table = sum(np.ix_(*effects))

        def mean(draws, table=table):
            weights = [draw / draw.sum() for draw in draws]
            return float(np.einsum("ijk,i,j,k->", table, *weights))

        found = crossed_bootstrap(sizes, mean, replicates=100, seed=study)
        widths.append((found.high - found.low) / (2 * 1.96))
        assert found.failed == 0
    assert np.mean(widths) == pytest.approx(truth, rel=0.15)


def test_replicates_without_a_value_are_left_out_and_counted():
    found = crossed_bootstrap((4,), lambda draws: math.nan if draws[0][0] == 0 else 1.0, replicates=400)
    assert (found.low, found.high) == (1.0, 1.0)
    assert found.failed == pytest.approx(0.75**4, abs=0.07)
    assert math.isnan(crossed_bootstrap((4,), lambda draws: math.nan, replicates=5).low)


def test_same_seed_gives_the_same_interval():
    def first(draws):
        return float(draws[0][0])

    assert crossed_bootstrap((5, 5), first, replicates=50, seed=3) == crossed_bootstrap(
        (5, 5), first, replicates=50, seed=3
    )
