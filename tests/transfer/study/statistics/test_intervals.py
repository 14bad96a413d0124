"""Slopes, their interval, equivalence and Holm: against scipy, by hand, and in many simulated studies."""

import math

import numpy as np
import pytest
from scipy import stats

from transfer.study.statistics.intervals import equivalence_p, holm, slope, t_test


def test_slope_is_that_of_linregress():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 9))
    assert slope(x, y) == pytest.approx(stats.linregress(x, y).slope)
    y[3] = math.nan
    assert slope(x, y) == pytest.approx(stats.linregress(np.delete(x, 3), np.delete(y, 3)).slope)
    assert math.isnan(slope(np.ones(4), y[:4]))


@pytest.mark.parametrize("effect", [0.0, 0.05])
def test_interval_holds_the_true_slope_in_95_of_100_studies(effect):
    """Eight seeds of six stages, with a level and a slope of each seed's own: the unit is the seed."""
    random = np.random.default_rng(1)
    hits, alarms = 0, 0
    for _ in range(500):
        quality = np.linspace(0, 1, 6) + random.normal(0, 0.05, (8, 6))
        slopes = effect + random.normal(0, 0.02, (8, 1))
        outcome = random.normal(0, 0.05, (8, 1)) + slopes * quality + random.normal(0, 0.01, (8, 6))
        found = t_test([slope(*seed) for seed in zip(quality, outcome, strict=True)])
        hits += found.low <= effect <= found.high
        alarms += found.p < 0.05
    assert hits / 500 == pytest.approx(0.95, abs=0.03)  # three standard errors
    assert alarms == 500 - hits if effect == 0 else alarms > 490


def test_t_test_is_that_of_scipy():
    values = [0.1, 0.3, -0.05, 0.2]
    found, expected = t_test(values, alpha=0.1), stats.ttest_1samp(values, 0)
    assert (found.mean, found.sd, found.count) == (pytest.approx(0.1375), pytest.approx(np.std(values, ddof=1)), 4)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.9)))


def test_values_that_do_not_vary_and_values_that_are_too_few():
    assert (t_test([0.5, 0.5]).low, t_test([0.5, 0.5]).p, t_test([0.0, 0.0]).p) == (0.5, 0.0, 1.0)
    assert (equivalence_p([0.5, 0.5], 0.3), equivalence_p([0.2, 0.2], 0.3)) == (1.0, 0.0)
    with pytest.raises(ValueError, match="a test of 1 values"):
        t_test([0.5])


def test_equivalence_is_the_narrower_interval_inside_the_margin():
    random = np.random.default_rng(2)
    verdicts = []
    for _ in range(200):
        values = random.normal(0.01, 0.03, 8)
        interval = t_test(values, alpha=0.1)
        is_inside = interval.low > -0.03 and interval.high < 0.03
        verdicts.append(is_inside)
        assert (equivalence_p(values, 0.03) < 0.05) == is_inside
    assert 0.2 < np.mean(verdicts) < 0.8


def test_equivalence_is_claimed_for_a_mean_at_the_margin_in_5_of_100_studies():
    random = np.random.default_rng(3)
    claims = [equivalence_p(random.normal(0.03, 0.01, 8), 0.03) < 0.05 for _ in range(1500)]
    assert np.mean(claims) == pytest.approx(0.05, abs=0.017)


def test_holm_by_hand():
    found = holm({"c": 0.03, "a": 0.01, "missing": math.nan, "b": 0.04})
    assert list(found) == ["c", "a", "missing", "b"]
    assert (found["a"], found["c"], found["b"]) == pytest.approx((0.03, 0.06, 0.06))
    assert math.isnan(found["missing"])
    assert holm({}) == {}
