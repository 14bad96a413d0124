"""A sheet of Gram matrices shows signs, differences and the strongest channels."""

import numpy as np
import pytest
import torch

from nstkit.figures.gram import gram_sheet


def pixels(picture):
    return np.asarray(picture).astype(int)


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
