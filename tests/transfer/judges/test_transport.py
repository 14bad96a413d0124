import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from transfer.judges.transport import quantile_grid, sliced_wasserstein


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), m=st.integers(1, 40), seed=st.integers(0, 1000))
def test_quantile_grid_gives_scipys_first_wasserstein_distance(n, m, seed):
    rng = np.random.default_rng(seed)
    a, b = np.sort(rng.normal(size=n)), np.sort(rng.normal(size=m))
    rank_a, rank_b, width = quantile_grid(n, m)
    ours = (width.numpy() * np.abs(a[rank_a] - b[rank_b])).sum()
    assert ours == pytest.approx(wasserstein_distance(a, b), abs=1e-5)
    assert width.sum().item() == pytest.approx(1, abs=1e-5)


def test_quantile_grid_of_equal_counts_pairs_equal_ranks():
    rank_a, rank_b, width = quantile_grid(4, 4)
    assert rank_a.tolist() == rank_b.tolist() == [0, 1, 2, 3]
    assert width.tolist() == [0.25] * 4


def test_one_dimension_is_the_best_assignment():
    a = torch.randn(30, 1, generator=torch.Generator().manual_seed(0))
    b = torch.randn(30, 1, generator=torch.Generator().manual_seed(1)) * 2 + 1
    cost = (a - b.T).square().numpy()
    best = math.sqrt(cost[linear_sum_assignment(cost)].mean())
    assert sliced_wasserstein(a, b, 1).item() == pytest.approx(best, rel=1e-5)


def test_different_counts_by_hand():
    # The two zeros and one 3 against 0 and 3: of the mass, 1/6 has to move from 0 to 3.
    a, b = torch.tensor([[3.0], [0.0], [0.0]]), torch.tensor([[0.0], [3.0]])
    assert sliced_wasserstein(a, b, 1).item() == pytest.approx(math.sqrt(9 / 6), rel=1e-6)


def test_three_dimensions_against_many_independent_directions():
    rng = np.random.default_rng(0)
    a, b = rng.random((200, 3)), rng.random((200, 3)) ** 2 * [1.0, 0.7, 0.4]
    directions = rng.normal(size=(3, 5000))
    directions /= np.linalg.norm(directions, axis=0)
    expected = math.sqrt(((np.sort(a @ directions, 0) - np.sort(b @ directions, 0)) ** 2).mean())
    ours = sliced_wasserstein(torch.tensor(a).float(), torch.tensor(b).float(), 16).item()
    assert ours == pytest.approx(expected, rel=0.02)
