import numpy as np
import pytest
import torch
from torch import nn

from nstkit.quality import figures
from nstkit.quality.figures import (
    confusion_figure,
    feature_figure,
    filter_figure,
    most_confused,
    sample_figure,
    taps_figure,
)


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
    assert has_colour(right, figures.RIGHT, 1000)
    assert not has_colour(right, figures.WRONG, 1)
    assert has_colour(wrong, figures.WRONG, 1000)
    assert not has_colour(wrong, figures.RIGHT, 1)


@pytest.mark.parametrize(("count", "columns"), [(1, 8), (5, 3), (8, 8)])
def test_every_sample_is_there(count, columns):
    images = torch.zeros(count, 16, 16, 3, dtype=torch.uint8)
    images[..., 2] = 255
    picture = sample_figure(images, *[torch.zeros(count, dtype=torch.long)] * 2, ("a",), columns)
    blue = (np.abs(pixels(picture) - [0, 0, 255]).max(axis=2) < 8).any(axis=0)
    panels = np.diff(np.concatenate([[0], blue.astype(int)])).clip(0).sum()
    assert panels == min(count, columns)


def test_feature_sheet_scales_each_map_by_itself():
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    maps = {"a": torch.rand(1, 20, 8, 8, generator=torch.Generator().manual_seed(1)), "b": torch.zeros(1, 3, 4, 4)}
    picture = feature_figure(image, maps)
    loudest = maps["a"][0].flatten(1).std(dim=1).argmax()
    maps["a"][:, loudest] *= 1024
    louder = feature_figure(image, maps)
    assert picture.size[0] > picture.size[1]
    assert pixels(picture).std() > 50
    assert (pixels(picture) == pixels(louder)).all()


def test_feature_sheet_chooses_the_channels_that_vary():
    maps = torch.ones(1, 30, 4, 4)
    flat = feature_figure(torch.zeros(1, 3, 8, 8), {"tap": maps}, columns=2)
    maps[0, 17, 1, 2] = 5.0
    assert (pixels(feature_figure(torch.zeros(1, 3, 8, 8), {"tap": maps}, columns=2)) != pixels(flat)).any()


def test_quality_over_the_taps_shows_trained_and_random():
    taps = ("relu1_1", "relu2_1")
    trained = {f"extractor/{name}/{tap}": 0.5 for name in ("probe", "knn", "peak") for tap in taps}
    random = {tag.replace("extractor", "random"): 0.2 for tag in trained}
    alone, both = (taps_figure(values, taps, ("probe", "knn", "peak")) for values in (trained, trained | random))
    assert has_colour(alone, figures.TRAINED, 500)
    assert has_colour(both, figures.TRAINED, 500)
    assert not has_colour(alone, "#808080", 500)
    assert has_colour(both, "#808080", 500)


def test_filters_are_colours_around_grey():
    convolution = nn.Conv2d(3, 2, 3)
    convolution.weight.data.zero_()
    convolution.weight.data[0, 0] = 0.02  # red
    convolution.weight.data[1, 2, 1, 1] = -5.0  # the opposite of blue, in the middle
    sheet = pixels(filter_figure(nn.Sequential(nn.Conv2d(1, 1, 1), convolution)))
    assert sheet[20, 20].tolist() == [255, 128, 128]
    assert sheet[28, 4 + 52 + 24].tolist() == [128, 128, 0]
    assert sheet[6, 4 + 52 + 4].tolist() == [128, 128, 128]
    assert sheet[1, 1].tolist() == [255, 255, 255]


def test_no_sheet_without_a_convolution_of_colours():
    assert filter_figure(nn.Sequential(nn.Conv2d(4, 2, 3))) is None
