"""Top-1, top-5 and loss: against scikit-learn and numpy."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, top_k_accuracy_score
from torch import nn

from nstkit.datasets.arrays import Dataset, LabelledImages
from train_backbone.evaluate import MAX_BATCH, evaluate

pytestmark = pytest.mark.numerics

MEAN, STD = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.3, 0.4])


class Small(nn.Module):
    """A linear classifier behind a dropout, which has to be off."""

    def __init__(self, classes):
        super().__init__()
        torch.manual_seed(0)
        self.dropout = nn.Dropout(0.9)
        self.classifier = nn.Linear(3 * 4 * 4, classes)

    def forward(self, image):
        return self.classifier(self.dropout(image.flatten(1)))


def random_part(count, classes):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return LabelledImages(torch.from_numpy(images), torch.from_numpy(random.integers(0, classes, count)))


def measure(model, part, classes, precision="fp32"):
    names = tuple(f"class{number}" for number in range(classes))
    return evaluate(
        model, part, Dataset("random", names, part, part, part, tuple(MEAN.tolist()), tuple(STD.tolist())), precision
    )


@pytest.mark.parametrize("count", [1, 203, MAX_BATCH, 2 * MAX_BATCH + 203])
def test_measures_are_scikit_learns_over_all_pictures_alike(count):
    model, part = Small(10), random_part(count, 10)
    found = measure(model, part, 10)
    inputs = ((part.images.numpy() / 255 - MEAN) / STD).transpose(0, 3, 1, 2).reshape(count, -1)
    logits = inputs @ model.classifier.weight.detach().numpy().T + model.classifier.bias.detach().numpy()
    labels = part.labels.numpy()
    for k in (1, 5):
        expected = top_k_accuracy_score(labels, logits, k=k, labels=np.arange(10))
        assert found[f"top{k}"] == pytest.approx(expected, abs=1e-6)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert found["loss"] == pytest.approx(log_loss(labels, probabilities, labels=np.arange(10)), rel=1e-4)
    assert set(found) == {"top1", "top5", "loss"}


def test_fewer_than_five_classes_are_all_among_the_top_five():
    found = measure(Small(3), random_part(50, 3), 3)
    assert found["top5"] == 1
    assert 0 < found["top1"] < 1


def test_labels_by_hand():
    model, part = Small(4), random_part(40, 4)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 3.0, 2.0, 1.0]))  # always class 1
    found = measure(model, part, 4)
    assert found["top1"] == pytest.approx((part.labels == 1).float().mean().item())


def test_model_is_left_in_eval_mode_without_gradients():
    model = Small(10).train()
    measure(model, random_part(20, 10), 10)
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_bfloat16_is_near_float32():
    model, part = Small(10), random_part(600, 10)
    full, half = (measure(model, part, 10, precision) for precision in ("fp32", "bf16"))
    assert half["top1"] == pytest.approx(full["top1"], abs=0.03)
    assert half["loss"] == pytest.approx(full["loss"], rel=0.01)


def test_network_that_is_nan_has_a_loss_that_says_so():
    model = Small(4)
    with torch.no_grad():
        model.classifier.weight.fill_(math.nan)
    found = measure(model, random_part(MAX_BATCH + 100, 4), 4)
    assert math.isnan(found["loss"])
    assert 0 <= found["top1"] <= 1
