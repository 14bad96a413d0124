import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from transfer.judges.set_distances import FID, KID, KID_MIN_SAMPLES, PooledFeatures, set_distances


@pytest.fixture
def judge(backbone):
    backbone.style_taps = ("conv3_1",)  # 16 channels: few pictures are enough
    return backbone


def pictures(count: int, seed: int, brightness: float = 1.0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [brightness * torch.rand(1, 3, 8, 8, generator=generator) for _ in range(count)]


def test_none_for_few_pictures(judge):
    assert set_distances(pictures(KID_MIN_SAMPLES - 1, 0), pictures(60, 1), judge) == {}
    few = set_distances(pictures(KID_MIN_SAMPLES, 0), pictures(KID_MIN_SAMPLES, 1), judge)
    assert list(few) == [f"judge/kid@{judge.label}"]


def test_fid_against_scipy(judge):
    ours, target = pictures(40, 0, 0.5), pictures(40, 1)
    values = set_distances(ours, target, judge)
    pool = PooledFeatures(judge)
    a, b = (torch.cat([pool(each) for each in group]).double().numpy() for group in (ours, target))
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = np.real(sqrtm(cov_a @ cov_b))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert values[f"judge/fid@{judge.label}"] == pytest.approx(expected, rel=0.02)
    features, targets = (torch.cat([pool(each) for each in group]) for group in (ours, target))
    assert {name.partition("@")[0]: value for name, value in values.items()} == {
        FID.name: FID.function(features, targets),
        KID.name: pytest.approx(KID.function(features, targets)),
    }


def test_a_set_is_nearest_to_its_own_kind(judge):
    near = set_distances(pictures(40, 0), pictures(40, 1), judge)
    far = set_distances(pictures(40, 2, 0.6), pictures(40, 1), judge)
    assert all(near[name] < far[name] for name in near)
