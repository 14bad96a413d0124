"""Sheets of channels and filters show what they say they show: order, ranges, colours."""

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from torch import nn

from nstkit.figures.compose import arrange
from nstkit.figures.features import feature_figure, feature_sheet, filter_figure


def pixels(picture):
    return np.asarray(picture).astype(int)


def _shade(colour):
    """Return where a colour stands on the sheet's scale, 0 to 1, and how far it is from it."""
    distances = np.abs(255 * colormaps["viridis"](np.linspace(0, 1, 256))[:, :3] - colour).max(axis=1)
    return distances.argmin() / 255, distances.min()


def test_channels_come_by_their_spread_each_on_its_own_range():
    maps = torch.zeros(1, 3, 2, 2)
    maps[0, 0] = torch.tensor([[5.0, 5], [5, 5]])  # the same everywhere
    maps[0, 1] = torch.tensor([[0.0, 0.01], [0.01, 0.005]])
    maps[0, 2] = torch.tensor([[-100.0, 300], [100, 0]])
    sheet = pixels(feature_sheet(maps, count=4))
    side = sheet.shape[0]
    quarter = side // 4
    # Two tiles a row; the middle of each of the four positions in the first two tiles.
    columns, _ = arrange(3, 2, 2)
    assert columns == 2
    places = [quarter // 2 + 8, quarter + quarter // 2]
    first = [[_shade(sheet[y, x])[0] for x in places] for y in places]
    second = [[_shade(sheet[y, x + side // 2])[0] for x in places] for y in places]
    third = [[_shade(sheet[y + side // 2, x])[0] for x in places] for y in places]
    assert np.allclose(first, [[0, 1], [0.5, 0.25]], atol=0.01)
    assert np.allclose(second, [[0, 1], [1, 0.5]], atol=0.01)
    assert np.allclose(third, 0)
    assert (sheet[-20, -20] == 255).all()  # no fourth channel


@pytest.mark.parametrize(
    ("shape", "count"), [((1, 64, 32, 24), 36), ((1, 5, 1, 1), 36), ((1, 3, 1200, 40), 2), ((1, 512, 16, 160), 64)]
)
def test_sheet_is_of_a_size_to_look_at(shape, count):
    sheet = feature_sheet(torch.randn(shape, generator=torch.Generator().manual_seed(0)), count)
    assert 700 <= max(sheet.size) <= 1010
    assert min(sheet.size) >= 60
    assert sheet.mode == "RGB"


def test_no_channel_cannot_be_shown():
    with pytest.raises(ValueError, match="count is 0"):
        feature_sheet(torch.rand(1, 3, 4, 4), 0)


def test_maps_that_are_not_finite_still_give_a_sheet():
    maps = torch.rand(1, 3, 4, 4)
    maps[0, 1, 2, 2] = float("nan")
    assert feature_sheet(maps).mode == "RGB"


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
