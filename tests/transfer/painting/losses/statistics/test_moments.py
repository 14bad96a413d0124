"""Covariance, mean and deviation: against numpy."""

import numpy as np
import torch

from transfer.painting.losses.statistics.covariance import covariance_matrix
from transfer.painting.losses.statistics.mean_std import mean_and_std


def maps():
    return torch.randn(1, 4, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 2


def test_covariance_is_numpys():
    weights = torch.rand(1, 1, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    flat = maps()[0].flatten(1).numpy()
    np.testing.assert_allclose(covariance_matrix(maps())[0], np.cov(flat, bias=True), rtol=1e-12)
    expected = np.cov(flat, bias=True, aweights=weights.flatten().numpy())
    np.testing.assert_allclose(covariance_matrix(maps(), weights)[0], expected, rtol=1e-12)


def test_mean_and_deviation_are_numpys():
    mean, deviation = mean_and_std(maps())[0]
    np.testing.assert_allclose(mean, maps().numpy().mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(deviation, maps().numpy().std(axis=(0, 2, 3)), rtol=1e-12)
