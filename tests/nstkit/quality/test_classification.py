import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, top_k_accuracy_score

from nstkit.quality import classification


@pytest.fixture
def scored():
    """Logits that are right about half the time, over 8 classes of which the last never occurs."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 7, (300,), generator=generator)
    logits = torch.randn(300, 8, generator=generator) + 1.5 * torch.nn.functional.one_hot(labels, 8)
    return logits, labels


def test_accuracies_against_scikit_learn(scored):
    logits, labels = scored
    y, scores, guess = labels.numpy(), logits.numpy(), logits.argmax(1).numpy()
    expected = {
        "top1": top_k_accuracy_score(y, scores, k=1, labels=range(8)),
        "top5": top_k_accuracy_score(y, scores, k=5, labels=range(8)),
    }
    assert 0.3 < expected["top1"] < expected["top5"] < 0.99
    assert classification.top1_accuracy(logits, labels) == pytest.approx(expected["top1"], abs=1e-6)
    assert classification.top5_accuracy(logits, labels) == pytest.approx(expected["top5"], abs=1e-6)
    assert (guess == 7).any()  # a class without pictures is predicted, and does not count as one
    recalls = [(guess[y == label] == label).mean() for label in range(7)]
    assert classification.mean_per_class_accuracy(logits, labels) == pytest.approx(np.mean(recalls), abs=1e-6)


def test_mean_per_class_is_balanced_accuracy():
    labels = torch.tensor([0, 0, 0, 0, 1, 2])
    logits = torch.eye(3)[torch.tensor([0, 0, 0, 1, 1, 0])]
    expected = balanced_accuracy_score(labels.numpy(), logits.argmax(1).numpy())
    assert classification.mean_per_class_accuracy(logits, labels) == pytest.approx(expected)
    assert classification.top1_accuracy(logits, labels) == pytest.approx(4 / 6)


def test_confusion_has_classes_in_rows(scored):
    logits, labels = scored
    expected = confusion_matrix(labels.numpy(), logits.argmax(1).numpy(), labels=range(8))
    found = classification.confusion_matrix(logits, labels)
    assert np.array_equal(found.numpy(), expected)
    assert not np.array_equal(expected, expected.T)


def test_calibration_error_by_hand():
    # 60 % sure and right 3 times in 4; 90 % sure and right 1 time in 2; halves: (0.15 + 0.4) / 2.
    confidence = torch.tensor([0.6] * 4 + [0.9] * 4)
    logits = torch.stack([confidence.logit(), torch.zeros(8)], dim=1)
    labels = torch.tensor([0, 0, 0, 1, 0, 0, 1, 1])
    assert classification.calibration_error(logits, labels) == pytest.approx(0.275, abs=1e-6)


def test_few_classes_are_all_among_the_top_five():
    assert classification.top5_accuracy(torch.randn(4, 3), torch.tensor([0, 1, 2, 0])) == 1
