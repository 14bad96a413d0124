"""Frames, colours and lists say what was measured."""

import numpy as np
import pytest
import torch

from nstkit.figures import quality
from nstkit.figures.quality import confusion_figure, most_confused, sample_figure, taps_figure


def pixels(picture):
    return np.asarray(picture).astype(int)


def has_colour(picture, colour, least):
    """Whether at least so many pixels have this colour."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return (np.abs(pixels(picture) - wanted).max(axis=2) < 8).sum() >= least


def test_most_confused_are_shares_of_the_class_without_the_hits():
    confusion = torch.tensor([[8, 2, 0], [0, 1, 3], [0, 0, 0]])
    assert most_confused(confusion, ("a", "b", "c"), 5) == [("b", "c", 0.75), ("a", "b", 0.2)]
    assert most_confused(confusion, ("a", "b", "c"), 1) == [("b", "c", 0.75)]
    assert confusion.diagonal().tolist() == [8, 1, 0]


@pytest.mark.parametrize("classes", [2, 30, 31])
def test_confusion_shows_its_diagonal(classes):
    names = [f"class {k}" for k in range(classes)]
    sure = confusion_figure(torch.eye(classes, dtype=torch.long) * 5, names)
    wrong = confusion_figure(torch.eye(classes, dtype=torch.long).roll(1, 0) * 5, names)
    assert min(sure.size) >= 400
    assert sure.mode == "RGB"
    assert (pixels(sure) != pixels(wrong)).any()


def test_confusion_of_many_classes_lists_the_worst_pair():
    confusion = torch.eye(40, dtype=torch.long) * 5
    blank = pixels(confusion_figure(confusion, [f"c{k}" for k in range(40)]))
    confusion[3, 7] = 4
    listed = pixels(confusion_figure(confusion, [f"c{k}" for k in range(40)]))
    right = slice(int(0.72 * blank.shape[1]), None)  # beside the matrix
    assert (blank[:, right] != listed[:, right]).any()


def test_frames_tell_right_from_wrong():
    images = torch.full((3, 32, 32, 3), 128, dtype=torch.uint8)
    labels = torch.tensor([0, 1, 1])
    right = sample_figure(images, labels, labels, ("cat", "dog"))
    wrong = sample_figure(images, labels, 1 - labels, ("cat", "dog"))
    assert has_colour(right, quality.RIGHT, 1000)
    assert not has_colour(right, quality.WRONG, 1)
    assert has_colour(wrong, quality.WRONG, 1000)
    assert not has_colour(wrong, quality.RIGHT, 1)


@pytest.mark.parametrize(("count", "columns"), [(1, 8), (5, 3), (8, 8)])
def test_every_sample_is_there(count, columns):
    images = torch.zeros(count, 16, 16, 3, dtype=torch.uint8)
    images[..., 2] = 255
    picture = sample_figure(images, *[torch.zeros(count, dtype=torch.long)] * 2, ("a",), columns)
    blue = (np.abs(pixels(picture) - [0, 0, 255]).max(axis=2) < 8).any(axis=0)
    panels = np.diff(np.concatenate([[0], blue.astype(int)])).clip(0).sum()
    assert panels == min(count, columns)


def test_quality_over_the_taps_shows_trained_and_random():
    taps = ("relu1_1", "relu2_1")
    trained = {f"extractor/{name}/{tap}": 0.5 for name in ("probe", "knn", "peak") for tap in taps}
    random = {tag.replace("extractor", "random"): 0.2 for tag in trained}
    alone, both = (taps_figure(values, taps, ("probe", "knn", "peak")) for values in (trained, trained | random))
    assert has_colour(alone, quality.TRAINED, 500)
    assert has_colour(both, quality.TRAINED, 500)
    assert not has_colour(alone, "#808080", 500)
    assert has_colour(both, "#808080", 500)
