"""Histograms along directions: which directions, and what they see that channels alone do not."""

import torch

from transfer.painting.losses.statistics.histogram import channel_quantiles
from transfer.painting.losses.statistics.sliced_wasserstein import directions, sliced_quantiles


def test_directions_are_orthogonal_and_always_the_same():
    basis = torch.from_numpy(directions(7))
    torch.testing.assert_close(basis @ basis.T, torch.eye(7, dtype=torch.float64))
    directions.cache_clear()
    torch.testing.assert_close(torch.from_numpy(directions(7)), basis, rtol=0, atol=0)


def test_channels_that_go_together_are_told_from_channels_that_do_not():
    channel = torch.randn(256, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    together = torch.stack([channel, channel]).view(1, 2, 16, 16)
    apart = torch.stack([channel, channel.flip(0)]).view(1, 2, 16, 16)
    torch.testing.assert_close(channel_quantiles(together), channel_quantiles(apart))
    assert (sliced_quantiles(together) - sliced_quantiles(apart)).abs().mean() > 0.1
