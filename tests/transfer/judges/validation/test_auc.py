import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from transfer.judges.validation.auc import auc, auc_by_kind, interval, overall, rank_correlation


@pytest.mark.parametrize("seed", range(3))
def test_auc_is_the_area_under_the_roc_curve(seed):
    rng = np.random.default_rng(seed)
    good, bad = rng.integers(0, 6, 13).astype(float).tolist(), rng.integers(0, 4, 9).astype(float).tolist()  # with ties
    wanted = roc_auc_score([1] * 13 + [0] * 9, [*good, *bad])
    assert auc(good, bad) == pytest.approx(wanted)


def test_auc_of_nothing_is_nan_and_nan_is_passed_over():
    assert math.isnan(auc([], [1.0]))
    assert math.isnan(auc([math.nan], [1.0]))
    assert auc([2.0, math.nan], [1.0]) == 1.0
    assert auc([1.0], [1.0]) == 0.5


def test_pairs_are_compared_within_themselves():
    # The second pair lies higher as a whole; within each the good one wins against a and loses against b.
    groups = [([1.0], {"a": [0.0], "b": [2.0]}), ([11.0], {"a": [10.0], "b": [12.0]})]
    kinds, table = auc_by_kind(groups)
    assert kinds == ("a", "b")
    assert table.tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert overall(table) == 0.5


def test_every_kind_has_one_vote_and_missing_ones_none():
    groups = [([1.0], {"a": [0.0]}), ([1.0], {"a": [0.0], "b": [2.0]})]
    _, table = auc_by_kind(groups)
    assert np.isnan(table[0, 1])
    assert overall(table) == 0.5


def test_interval_covers_a_mean_as_the_normal_one_does():
    values = np.random.default_rng(0).normal(0.6, 0.1, (200, 1))
    low, high = interval(values)
    half = norm.ppf(0.975) * values.std() / 200**0.5
    assert (low, high) == (pytest.approx(values.mean() - half, abs=4e-3), pytest.approx(values.mean() + half, abs=4e-3))
    assert interval(values) == (low, high)


def test_one_pair_has_no_interval():
    assert all(math.isnan(bound) for bound in interval(np.array([[1.0, 0.5]])))


def test_rank_correlation():
    assert rank_correlation([0.0, 1.0, 2.0, 3.0], [0.1, 0.2, 5.0, 6.0]) == pytest.approx(1)
    assert rank_correlation([0.0, 1.0, 2.0, 3.0], [4.0, 3.0, 2.0, 1.0]) == pytest.approx(-1)
    assert rank_correlation([0.0, 1.0, 2.0], [1.0, 1.0, 1.0]) == 0
    assert math.isnan(rank_correlation([0.0, 1.0, 2.0], [1.0, 2.0, math.nan]))
