"""Power: against simulated t tests, and the table that the study was planned by."""

import numpy as np
import pytest
from scipy import stats

from transfer.study.statistics.intervals import equivalence_p
from transfer.study.statistics.power import equivalence_power, sd_interval, seeds_needed, t_test_power


@pytest.mark.parametrize(("effect", "sd", "count"), [(0.05, 0.03, 4), (0.05, 0.05, 8), (-0.02, 0.03, 12)])
def test_power_is_the_share_of_simulated_studies_that_find_it(effect, sd, count):
    samples = np.random.default_rng(0).normal(effect, sd, (4000, count))
    share = (stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05).mean()
    assert t_test_power(effect, sd, count) == pytest.approx(share, abs=0.024)


def test_equivalence_power_is_the_share_of_simulated_studies_that_claim_it():
    samples = np.random.default_rng(1).normal(0, 0.03, (1500, 8))
    share = np.mean([equivalence_p(sample, 0.03) < 0.05 for sample in samples])
    assert equivalence_power(0.03, 0.03, 8) == pytest.approx(share, abs=0.04)


def test_number_of_seeds_is_the_least_that_suffices():
    needed = seeds_needed(0.05, 0.05, power=0.8)
    assert t_test_power(0.05, 0.05, needed) >= 0.8 > t_test_power(0.05, 0.05, needed - 1)
    assert seeds_needed(0.05, 0.05, power=0.9) > needed
    assert seeds_needed(0.0001, 1.0) is None
    assert seeds_needed(0.05, 0.0) == 2


def test_interval_of_a_deviation_holds_it_in_95_of_100_pilots():
    random = np.random.default_rng(2)
    ends = np.array([sd_interval(random.normal(0, 0.03, 3)) for _ in range(1500)])
    assert ((ends[:, 0] < 0.03) & (ends[:, 1] > 0.03)).mean() == pytest.approx(0.95, abs=0.017)
