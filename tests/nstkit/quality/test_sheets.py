"""Sheets show what they say they show: order, ranges, colours, differences."""

import numpy as np
import pytest
import torch
from matplotlib import colormaps

from nstkit.quality.sheets import arrange, feature_sheet, gram_sheet


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


def test_tiles_are_arranged_as_large_as_they_fit():
    assert arrange(36, 10, 10) == (6, 6)
    assert arrange(36, 3, 4) == (6, 6)
    assert arrange(4, 1, 4) == (1, 4)
    assert arrange(4, 4, 1) == (4, 1)
    assert arrange(1, 5, 5) == (1, 1)


def test_no_channel_cannot_be_shown():
    with pytest.raises(ValueError, match="count is 0"):
        feature_sheet(torch.rand(1, 3, 4, 4), 0)


def test_maps_that_are_not_finite_still_give_a_sheet():
    maps = torch.rand(1, 3, 4, 4)
    maps[0, 1, 2, 2] = float("nan")
    assert feature_sheet(maps).mode == "RGB"


def _red_and_blue(picture):
    values = pixels(picture)
    excess = values[..., 0] - values[..., 2]
    return (excess > 60).sum(), (excess < -60).sum()


def test_sign_of_an_entry_is_its_colour():
    one = torch.ones(8, 8)
    red, blue = _red_and_blue(gram_sheet(one))
    assert red > 5 * blue
    blue_red, blue_blue = _red_and_blue(gram_sheet(-one))
    assert blue_blue > 5 * blue_red


def test_difference_of_two_is_shown():
    style, result = 2 * torch.ones(8, 8), torch.ones(8, 8)
    red, blue = _red_and_blue(gram_sheet({"style": style, "result": style}))
    more_red, more_blue = _red_and_blue(gram_sheet({"style": style, "result": result}))
    assert more_blue > 2 * blue  # result - style is negative
    assert more_red > 0.8 * red
    assert gram_sheet({"style": style, "result": result}).width > 2 * gram_sheet(style).width


def test_strongest_channels_come_first_and_the_weakest_are_left_out():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(200, 50, generator=generator) * torch.linspace(0.01, 3, 200)[:, None]
    gram = features @ features.T / 50
    order = gram.diagonal().argsort(descending=True)
    full, cut = gram_sheet(gram), gram_sheet(gram[order[:96]][:, order[:96]])
    top = slice(40, -60)  # what is written below tells how many channels there are
    assert (pixels(full)[top] == pixels(cut)[top]).all()


def test_matrices_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="different shapes"):
        gram_sheet({"style": torch.eye(3), "result": torch.eye(4)})


def test_gram_of_nothing_is_a_sheet():
    assert gram_sheet(torch.zeros(4, 4)).mode == "RGB"
