"""How values are spread: against numpy, cases known by hand, and a scale that changes nothing."""

import numpy as np
import pytest
import torch

from nstkit.backbones.spread import hoyer_sparsities, peak_shares, spread_entropy


@pytest.fixture
def maps():
    return torch.randn(3, 8, 10, 10, generator=torch.Generator().manual_seed(0)).relu() ** 2


def one_hot():
    maps = torch.zeros(1, 4, 5, 10)
    maps[0, 2, 3, 1] = -7
    return maps


def test_peak_and_sparsity_of_extremes():
    flat = torch.full((1, 4, 5, 10), 0.3)
    flat[0, 0] *= -1
    assert peak_shares(flat).item() == pytest.approx(0.01)
    assert hoyer_sparsities(flat).item() == pytest.approx(0, abs=1e-6)
    assert peak_shares(one_hot()).item() == pytest.approx(1)
    assert hoyer_sparsities(one_hot()).item() == pytest.approx(1)


def test_nothing_at_all_counts_as_flat():
    assert peak_shares(torch.zeros(2, 4, 5, 10)).tolist() == pytest.approx([0.01, 0.01])
    assert hoyer_sparsities(torch.zeros(2, 4, 5, 10)).tolist() == [0, 0]


def test_against_numpy(maps):
    peaks, sparsities = [], []
    for entries in np.abs(maps.numpy().astype(np.float64)).reshape(3, -1):
        peaks.append(np.sort(entries)[-8:].sum() / entries.sum())  # 1 % of 800
        ratio = entries.sum() / np.sqrt((entries**2).sum())
        sparsities.append((np.sqrt(800) - ratio) / (np.sqrt(800) - 1))
    assert peak_shares(maps).tolist() == pytest.approx(peaks, rel=1e-5)
    assert hoyer_sparsities(maps).tolist() == pytest.approx(sparsities, rel=1e-5)


def test_half_the_entries_is_known_by_hand():
    maps = torch.zeros(1, 1, 20, 20)
    maps[..., :10] = 2.0  # 200 of 400 entries alike
    assert peak_shares(maps).item() == pytest.approx(4 / 200)
    assert hoyer_sparsities(maps).item() == pytest.approx((20 - 200**0.5) / 19, rel=1e-5)


@pytest.mark.parametrize("factor", [1e-25, 1e-6, 1e20])
def test_scale_changes_nothing(maps, factor):
    torch.testing.assert_close(peak_shares(maps * factor), peak_shares(maps), rtol=1e-5, atol=0)
    torch.testing.assert_close(hoyer_sparsities(maps * factor), hoyer_sparsities(maps), rtol=1e-5, atol=0)


def test_places_change_nothing(maps):
    shuffled = maps.flatten(1)[:, torch.randperm(800, generator=torch.Generator().manual_seed(1))].view_as(maps)
    torch.testing.assert_close(peak_shares(shuffled), peak_shares(maps))
    torch.testing.assert_close(hoyer_sparsities(shuffled), hoyer_sparsities(maps))


def test_entropy_of_even_and_of_single_entries():
    even = torch.ones(1, 4, 3, 5)
    single = torch.zeros(1, 4, 3, 5)
    single[0, 1, 2, 3] = -7
    assert spread_entropy(even) == pytest.approx(1, abs=1e-6)
    assert spread_entropy(single) == 0
    assert spread_entropy(torch.zeros(1, 4, 3, 5)) == 1
    half = torch.zeros(1, 4, 2, 2)
    half[0, :, 0, 0] = torch.tensor([1.0, -1, 1, -1])  # 4 of 16 entries: log 4 / log 16
    assert spread_entropy(half) == pytest.approx(0.5)


def test_entropy_does_not_change_with_the_scale():
    maps = torch.randn(1, 8, 5, 6, generator=torch.Generator().manual_seed(0))
    assert spread_entropy(maps) == pytest.approx(spread_entropy(1e4 * maps), rel=1e-5)
