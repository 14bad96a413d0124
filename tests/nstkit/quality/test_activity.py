import numpy as np
import pytest
import torch

from nstkit.quality.activity import dead_share, hoyer_sparsities, hoyer_sparsity, peak_share, peak_shares


@pytest.fixture
def maps():
    return torch.randn(3, 8, 10, 10, generator=torch.Generator().manual_seed(0)).relu() ** 2


def one_hot():
    maps = torch.zeros(1, 4, 5, 10)
    maps[0, 2, 3, 1] = -7
    return maps


def test_dead_channels_are_the_constant_ones():
    lowest = torch.tensor([0.0, 0.0, -1.0, 2.5, -3.0])
    highest = torch.tensor([0.0, 4.0, -0.5, 2.5, 3.0])
    assert dead_share(lowest, highest) == pytest.approx(2 / 5)


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_dead_does_not_depend_on_the_scale(factor):
    lowest, highest = torch.tensor([0.0, 0.0, -1.0]) * factor, torch.tensor([0.0, 1e-3, 1.0]) * factor
    assert dead_share(lowest, highest) == pytest.approx(1 / 3)


def test_all_are_dead_where_nothing_is_active():
    assert dead_share(torch.zeros(4), torch.zeros(4)) == 1


def test_peak_and_sparsity_of_extremes():
    flat = torch.full((1, 4, 5, 10), 0.3)
    flat[0, 0] *= -1
    assert peak_share(flat) == pytest.approx(0.01)
    assert hoyer_sparsity(flat) == pytest.approx(0, abs=1e-6)
    assert peak_share(one_hot()) == pytest.approx(1)
    assert hoyer_sparsity(one_hot()) == pytest.approx(1)


def test_nothing_at_all_counts_as_flat():
    assert peak_share(torch.zeros(2, 4, 5, 10)) == pytest.approx(0.01)
    assert hoyer_sparsity(torch.zeros(2, 4, 5, 10)) == 0


def test_against_numpy(maps):
    peaks, sparsities = [], []
    for entries in np.abs(maps.numpy().astype(np.float64)).reshape(3, -1):
        peaks.append(np.sort(entries)[-8:].sum() / entries.sum())  # 1 % of 800
        ratio = entries.sum() / np.sqrt((entries**2).sum())
        sparsities.append((np.sqrt(800) - ratio) / (np.sqrt(800) - 1))
    assert peak_shares(maps).tolist() == pytest.approx(peaks, rel=1e-5)
    assert hoyer_sparsities(maps).tolist() == pytest.approx(sparsities, rel=1e-5)
    assert peak_share(maps) == pytest.approx(np.mean(peaks), rel=1e-5)
    assert hoyer_sparsity(maps) == pytest.approx(np.mean(sparsities), rel=1e-5)


def test_half_the_entries_is_known_by_hand():
    maps = torch.zeros(1, 1, 20, 20)
    maps[..., :10] = 2.0  # 200 of 400 entries alike
    assert peak_share(maps) == pytest.approx(4 / 200)
    assert hoyer_sparsity(maps) == pytest.approx((20 - 200**0.5) / 19, rel=1e-5)


@pytest.mark.parametrize("factor", [1e-25, 1e-6, 1e20])
def test_scale_changes_nothing(maps, factor):
    torch.testing.assert_close(peak_shares(maps * factor), peak_shares(maps), rtol=1e-5, atol=0)
    torch.testing.assert_close(hoyer_sparsities(maps * factor), hoyer_sparsities(maps), rtol=1e-5, atol=0)


def test_places_change_nothing(maps):
    shuffled = maps.flatten(1)[:, torch.randperm(800, generator=torch.Generator().manual_seed(1))].view_as(maps)
    torch.testing.assert_close(peak_shares(shuffled), peak_shares(maps))
    torch.testing.assert_close(hoyer_sparsities(shuffled), hoyer_sparsities(maps))
