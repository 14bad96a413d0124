"""The placebo: a sound pipeline alarms in 5 of 100, one that takes cells for networks far more often."""

import numpy as np
import pytest

from transfer.study.statistics.intervals import slope, t_test
from transfer.study.statistics.placebo import placebo


def by_seeds(quality, outcome):
    found = t_test([slope(*seed) for seed in zip(quality, outcome, strict=True)])
    return found.mean, found.p


def by_cells(quality, outcome):
    """Every network eight times, as if each pair were a network of its own."""
    repeated = t_test([slope(*seed) for seed in zip(quality, outcome, strict=True) for _ in range(8)])
    return repeated.mean, repeated.p


@pytest.fixture
def study():
    random = np.random.default_rng(0)
    return np.linspace(0, 1, 6) + random.normal(0, 0.1, (8, 6)), random.normal(0, 0.03, (8, 6))


def test_sound_pipeline_alarms_in_5_of_100_permutations(study):
    assert placebo(*study, by_seeds, replicates=500).rate == pytest.approx(0.05, abs=0.03)


def test_pipeline_that_counts_a_network_many_times_is_seen(study):
    assert placebo(*study, by_cells, replicates=60).rate > 0.3


def test_true_effect_stands_out_from_its_permutations(study):
    quality, outcome = study
    found = placebo(quality, outcome + 0.1 * quality, by_seeds, replicates=199)
    assert found.p == pytest.approx(1 / 200)
    assert placebo(quality, outcome, by_seeds, replicates=199).p > 0.02
