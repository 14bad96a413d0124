"""Histograms by quantiles: against sorting, and against scipy's Wasserstein distance."""

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from transfer.painting.losses.statistics.histogram import BINS, channel_quantiles, quantile_means


def values(seed, count):
    return torch.randn(1, 2, count, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("each", [1, 3])
def test_parts_that_end_between_values_are_means_of_the_sorted(each):
    given = values(0, BINS * each)
    expected = given.sort(dim=2).values.unflatten(2, (BINS, each)).mean(dim=3)
    torch.testing.assert_close(quantile_means(given), expected)


@pytest.mark.parametrize("count", [1, 10, 100, 1001])
def test_any_count_of_values_keeps_mean_and_order(count):
    found = quantile_means(values(0, count))
    torch.testing.assert_close(found.mean(dim=2), values(0, count).mean(dim=2))
    assert (found.diff(dim=2) >= -1e-12).all()


def test_mean_distance_of_quantiles_is_the_wasserstein_distance():
    left, right = values(0, 64)[0, 0], values(1, 32)[0, 0] + 3  # whose parts end between values
    weights = torch.arange(1.0, 33).double()
    found = quantile_means(left.view(1, 1, -1)) - quantile_means(right.view(1, 1, -1))
    assert found.abs().mean().item() == pytest.approx(wasserstein_distance(left, right))
    weighed = quantile_means(right.view(1, 1, -1), weights / weights.sum(), bins=528)
    expected = wasserstein_distance(left, right, v_weights=weights)
    assert (quantile_means(left.view(1, 1, -1), bins=528) - weighed).abs().mean().item() == pytest.approx(
        expected, rel=1e-3
    )


def test_channels_are_sorted_apart_and_their_values_matched():
    canvas, style = values(0, BINS).view(1, 2, 16, 16), values(1, BINS).view(1, 2, 16, 16)
    matched = np.empty((2, BINS))
    for channel in range(2):  # as histogram matching has it: the k-th smallest value becomes the k-th smallest
        ranks = canvas[0, channel].flatten().argsort().argsort()
        matched[channel] = style[0, channel].flatten().sort().values[ranks]
    expected = ((canvas[0].flatten(1).numpy() - matched) ** 2).sum()
    found = (channel_quantiles(canvas) - channel_quantiles(style)).square().sum()
    assert found.item() == pytest.approx(expected)
