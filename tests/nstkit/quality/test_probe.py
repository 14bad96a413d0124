import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler

from nstkit.quality.probe import FLOOR, probe_accuracy, shrunk_covariance, standardise


def by_scikit_learn(train, train_labels, test, test_labels):
    scaler = StandardScaler().fit(train.double().numpy())
    train, test = scaler.transform(train.double().numpy()), scaler.transform(test.double().numpy())
    y = train_labels.numpy()
    centred = train - np.stack([train[y == label].mean(axis=0) for label in range(y.max() + 1)])[y]
    shrinkage = ledoit_wolf(centred, assume_centered=True)[1]
    assert 0.001 < shrinkage < 0.9  # a case in which it counts
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(train, y).score(test, test_labels.numpy())


@pytest.mark.parametrize(("train", "channels"), [(400, 12), (60, 80)], ids=["many pictures", "few pictures"])
def test_against_scikit_learn(clouds, train, channels):
    features = clouds(train=train, channels=channels, spread=6)
    expected = by_scikit_learn(*features)
    assert 0.3 < expected < 0.95
    assert probe_accuracy(*features) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(200, 10), (20, 50)])
def test_covariance_against_scikit_learn(shape):
    generator = torch.Generator().manual_seed(1)
    spread = torch.linspace(0.1, 2, shape[1], dtype=torch.float64)
    centred = torch.randn(*shape, generator=generator, dtype=torch.float64) * spread
    expected = ledoit_wolf(centred.numpy(), assume_centered=True)[0] + FLOOR * np.eye(shape[1])
    np.testing.assert_allclose(shrunk_covariance(centred).numpy(), expected, rtol=1e-9, atol=1e-12)


def test_straight_cuts_tell_what_is_apart_and_nothing_else(clouds):
    train, labels, test, truth = clouds(spread=0.05)
    assert probe_accuracy(train, labels, test, truth) == 1
    shuffled = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    assert probe_accuracy(train, shuffled, test, truth) < 0.5


def test_a_class_between_two_others_is_found():
    # Least squares onto the classes never gives the middle one the largest value.
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    features = labels[:, None].float() + 0.1 * torch.randn(300, 1, generator=generator)
    assert probe_accuracy(features, labels, features, labels) > 0.99


def test_scale_and_shift_of_a_channel_change_nothing(clouds):
    train, labels, test, truth = clouds()
    scale, shift = torch.logspace(-4, 4, 12), torch.linspace(-1, 1, 12)
    expected = probe_accuracy(train, labels, test, truth)
    # The shift scales along: beside one of 1e4 float32 would have no digits left for a channel of 1e-4.
    found = probe_accuracy((train + shift) * scale, labels, (test + shift) * scale, truth)
    assert found == pytest.approx(expected, abs=0.01)


def test_features_that_say_nothing_give_the_most_frequent_class():
    labels, truth = torch.tensor([0, 1, 1, 2]), torch.tensor([1, 0, 1, 2])
    assert probe_accuracy(torch.zeros(4, 3), labels, torch.rand(4, 3), truth) == 0.5


def test_a_class_that_was_not_learned_is_never_predicted():
    train, labels = torch.tensor([[0.0], [0.1], [5.0], [5.1]]), torch.tensor([0, 0, 2, 2])
    assert probe_accuracy(train, labels, torch.tensor([[0.0], [2.5], [5.0]]), torch.tensor([0, 1, 2])) == 2 / 3


def test_standardise():
    by = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert standardise(torch.tensor([[2.0, 7.0], [4.0, 5.0]]), by).tolist() == [[0.0, 0.0], [2.0, 0.0]]
