import numpy as np
import pytest
import torch

from transfer.judges.self_similarity import POSITIONS, TEMPERATURE, aligned_similarity, self_similarity_distance


def maps(seed: int, channels: int = 5, height: int = 7, width: int = 6) -> torch.Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(seed))


def rows(features: torch.Tensor) -> np.ndarray:
    flat = features[0].flatten(1).double().numpy()
    flat = flat - flat.mean(1, keepdims=True)
    flat = flat / np.linalg.norm(flat, axis=0)
    weights = np.exp(flat.T @ flat / TEMPERATURE)
    return weights / weights.sum(1, keepdims=True)


def test_against_numpy():
    ours, target = rows(maps(0)), rows(maps(1))
    expected = (target * np.log(target / ours)).sum(1).mean()
    assert self_similarity_distance(maps(0), maps(1)) == pytest.approx(expected, rel=1e-4)


def test_zero_for_itself_at_another_contrast_and_offset():
    assert self_similarity_distance(maps(0), maps(0)) == pytest.approx(0, abs=1e-6)
    assert self_similarity_distance(3 * maps(0) + 1, maps(0)) == pytest.approx(0, abs=1e-4)


def test_does_not_grow_with_the_number_of_positions():
    values = [self_similarity_distance(maps(0, 5, n, n), maps(1, 5, n, n)) for n in (16, 32, 48)]
    assert POSITIONS < 48**2  # a sample there
    assert max(values) < 1.3 * min(values)


def test_flat_features_give_a_number():
    assert np.isfinite(self_similarity_distance(torch.zeros(1, 5, 7, 6), maps(0)))


def test_alignment():
    assert aligned_similarity(maps(0), maps(0)) == pytest.approx(1, abs=1e-5)
    assert aligned_similarity(maps(0), -maps(0)) == pytest.approx(-1, abs=1e-5)
    assert aligned_similarity(maps(0), maps(0).roll(3, 3)) < 0.4
    smooth = torch.nn.functional.interpolate(maps(2, 5, 3, 3), (24, 24), mode="bilinear")
    assert aligned_similarity(smooth[..., ::2, ::2], smooth) > 0.95
