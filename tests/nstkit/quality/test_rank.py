import math

import numpy as np
import pytest
import scipy.stats
import torch

from nstkit.quality.rank import effective_rank, gram_ranks, rankme, rankme_share


@pytest.mark.parametrize("n", [1, 5, 64])
def test_identity_has_full_rank(n):
    assert rankme(torch.eye(n)) == pytest.approx(n)
    assert rankme_share(torch.eye(n)) == pytest.approx(1)


def test_one_direction_has_rank_one():
    features = torch.outer(torch.arange(1.0, 21), torch.tensor([1.0, -2.0, 0.5, 3.0]))
    assert rankme(features) == pytest.approx(1, abs=1e-5)
    assert rankme_share(features) == pytest.approx(0.25, abs=1e-5)


@pytest.mark.parametrize("shape", [(300, 20), (15, 40)])
def test_rankme_against_numpy(shape):
    features = np.random.default_rng(0).normal(size=shape) @ np.diag(np.geomspace(1, 1e-3, shape[1]))
    singular_values = np.linalg.svd(features, compute_uv=False)
    expected = math.exp(scipy.stats.entropy(singular_values))
    assert 2 < expected < min(shape) - 2
    assert rankme(torch.from_numpy(features)) == pytest.approx(expected, rel=1e-6)


def test_gram_rank_against_the_gram_matrix():
    maps = torch.randn(3, 6, 5, 7, generator=torch.Generator().manual_seed(0)).relu() * torch.logspace(0, -1, 6).view(
        1, 6, 1, 1
    )
    grams = torch.einsum("bchw,bdhw->bcd", maps, maps) / 35
    expected = [math.exp(scipy.stats.entropy(np.linalg.eigvalsh(gram))) for gram in grams.double().numpy()]
    assert all(1.5 < value < 5.5 for value in expected)
    assert gram_ranks(maps).tolist() == pytest.approx(expected, rel=1e-4)


def test_gram_rank_ignores_where_things_are():
    maps = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    shuffled = maps.flatten(2)[..., torch.randperm(36, generator=torch.Generator().manual_seed(1))].view_as(maps)
    torch.testing.assert_close(gram_ranks(shuffled), gram_ranks(maps))


@pytest.mark.parametrize("factor", [1e-20, 1e-6, 1e15])
def test_scale_changes_nothing(factor):
    generator = torch.Generator().manual_seed(0)
    features, maps = torch.randn(50, 8, generator=generator), torch.randn(2, 8, 3, 3, generator=generator)
    assert rankme(features * factor) == pytest.approx(rankme(features), rel=1e-5)
    torch.testing.assert_close(gram_ranks(maps * factor), gram_ranks(maps), rtol=1e-4, atol=0)


def test_nothing_has_rank_zero():
    assert rankme(torch.zeros(5, 3)) == 0
    assert gram_ranks(torch.zeros(2, 3, 4, 4)).tolist() == [0, 0]
    assert effective_rank(torch.tensor([[1.0, 1.0, -1e-9], [0.0, 0.0, 0.0]])).tolist() == pytest.approx([2, 0])
