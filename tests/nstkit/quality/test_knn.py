import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from nstkit.quality import knn
from nstkit.quality.knn import knn_accuracy


@pytest.mark.parametrize("neighbours", [1, 20, 400])
def test_against_scikit_learn(clouds, neighbours):
    train, labels, test, truth = clouds()
    scaler = StandardScaler().fit(train.numpy())
    reference = KNeighborsClassifier(
        neighbours, algorithm="brute", metric="cosine", weights=lambda distance: np.exp(-distance / 0.07)
    ).fit(scaler.transform(train.numpy()), labels.numpy())
    expected = reference.score(scaler.transform(test.numpy()), truth.numpy())
    assert 0.3 < expected < 0.95
    assert knn_accuracy(train, labels, test, truth, neighbours=neighbours) == pytest.approx(expected, abs=1e-9)


def test_chunks_change_nothing(clouds, monkeypatch):
    features = clouds()
    expected = knn_accuracy(*features)
    monkeypatch.setattr(knn, "CHUNK", 7)
    assert knn_accuracy(*features) == expected


def test_all_vote_where_there_are_fewer_than_twenty():
    train, labels = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), torch.tensor([0, 0, 1])
    assert knn_accuracy(train, labels, torch.tensor([[1.0, 0.1], [0.1, 1.0]]), torch.tensor([0, 1])) == 1


def test_near_neighbours_outvote_many_far_ones():
    generator = torch.Generator().manual_seed(0)
    near = torch.tensor([[1.0, 1.0]])
    far = torch.tensor([[-1.0, -1.0]]) + 0.1 * torch.randn(9, 2, generator=generator)
    labels = torch.tensor([0] + [1] * 9)
    assert knn_accuracy(torch.cat([near, far]), labels, near, torch.tensor([0])) == 1


def test_scale_and_shift_of_a_channel_change_nothing(clouds):
    train, labels, test, truth = clouds()
    scale, shift = torch.logspace(-4, 4, 12), torch.linspace(-1, 1, 12)
    expected = knn_accuracy(train, labels, test, truth)
    found = knn_accuracy((train + shift) * scale, labels, (test + shift) * scale, truth)
    assert found == pytest.approx(expected, abs=0.01)
