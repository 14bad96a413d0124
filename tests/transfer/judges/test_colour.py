import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nstkit.pictures.tensors import shrink
from transfer.judges.colour import COLOUR, HISTOGRAM, colour_distance, histogram_distance, uv_histogram
from transfer.judges.picture import BOUND_PX


def noise(seed: int, height: int = 48, width: int = 64) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def flat(*rgb: float, side: int = 48) -> torch.Tensor:
    return torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, side, side).clone()


def permuted(picture: torch.Tensor) -> torch.Tensor:
    order = torch.randperm(picture[0, 0].numel(), generator=torch.Generator().manual_seed(5))
    return picture.flatten(2)[..., order].view_as(picture)


def picture(seed: int, height: int = 60, width: int = 80) -> torch.Tensor:
    blobs = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(blobs, (height, width), mode="bilinear")


def test_zero_for_itself_and_symmetric():
    a, b = noise(0), noise(1, 40, 90) ** 2
    assert colour_distance(a, a.clone()) == 0
    assert colour_distance(a, b) > 0.005
    assert colour_distance(a, b) == pytest.approx(colour_distance(b, a), rel=1e-5)


def test_triangle_inequality():
    a, b, c = noise(0), noise(1) ** 2, flat(0.9, 0.1, 0.4, side=64)
    assert colour_distance(a, c) <= colour_distance(a, b) + colour_distance(b, c) + 1e-6


def test_repeats_itself_and_leaves_the_global_seed_alone():
    a, b = noise(0, 128, 128), noise(1, 100, 150) ** 2  # large enough that patches are drawn
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = colour_distance(a, b)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert colour_distance(a, b) == first


def test_takes_a_canvas_that_is_being_painted():
    canvas = noise(0).requires_grad_()
    assert isinstance(colour_distance(canvas, noise(1)), float)
    assert canvas.grad is None


@pytest.mark.parametrize("shape", [(3, 64, 64), (2, 3, 64, 64), (1, 1, 64, 64)])
def test_refuses_other_shapes(shape):
    # TypeError where the shapes of the signatures are checked (jaxtyping), which comes before the function's own check.
    with pytest.raises((ValueError, TypeError)):
        colour_distance(torch.zeros(shape), noise(0))


@pytest.mark.parametrize("shift", [(0.1, 0.1, 0.1), (0.2, 0.0, 0.0), (0.3, -0.1, 0.05)])
def test_colour_of_a_shift_is_its_root_mean_square(shift):
    picture = 0.3 + 0.2 * noise(0)
    moved = picture + torch.tensor(shift).view(1, 3, 1, 1)
    expected = math.sqrt(sum(c * c for c in shift) / 3)
    assert colour_distance(picture, moved) == pytest.approx(expected, rel=1e-4)


def test_colour_of_black_against_white_is_the_top_of_the_range():
    assert colour_distance(flat(0, 0, 0), flat(1, 1, 1, side=7)) == pytest.approx(1, rel=1e-5)


def test_colour_does_not_see_where_pixels_stand():
    picture = noise(0)
    assert colour_distance(picture, permuted(picture)) == pytest.approx(0, abs=1e-6)
    twice_as_large = picture.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert colour_distance(picture, twice_as_large) == pytest.approx(0, abs=1e-6)


def test_histogram_of_one_colour_by_hand():
    color = torch.tensor([0.8, 0.4, 0.2]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    histogram = uv_histogram(color)
    assert histogram.sum().item() == pytest.approx(1, abs=1e-3)
    bins = np.linspace(-3, 3, 64)
    row, column = divmod(histogram[0].argmax().item(), 64)  # log(R/G), log(R/B)
    assert (row, column) == (np.abs(bins - np.log(2)).argmin(), np.abs(bins - np.log(4)).argmin())


def test_histogram_distance_ignores_places_and_size():
    a = picture(0)
    assert histogram_distance(a, a) == pytest.approx(0, abs=1e-3)
    assert histogram_distance(a.flip(2), a) == pytest.approx(0, abs=1e-3)
    assert histogram_distance(F.interpolate(a, scale_factor=3, mode="bilinear"), a) < 0.15
    assert 0.2 < histogram_distance(a, picture(1)) <= 1
    red, blue = (torch.tensor(c).view(1, 3, 1, 1).expand(1, 3, 8, 8) for c in ((0.9, 0.1, 0.1), (0.1, 0.1, 0.9)))
    assert histogram_distance(red, blue) > 0.9


def test_measures_compare_the_picture_with_the_style():
    image, content, style = noise(0), noise(1), noise(2) ** 2
    assert COLOUR.function(image, content, style) == colour_distance(image, style)
    assert HISTOGRAM.function(image, content, style) == histogram_distance(image, style)


def test_colours_of_large_pictures_are_compared_at_the_bound():
    image, style = picture(0, 64, 2 * BOUND_PX), picture(1, 2 * BOUND_PX, 64)
    assert COLOUR.function(image, image, style) == colour_distance(shrink(image, BOUND_PX), shrink(style, BOUND_PX))
    once, twice = (COLOUR.function(*(picture(seed, 96 * n, BOUND_PX * n) for seed in range(3))) for n in (1, 2))
    assert twice == pytest.approx(once, rel=0.02)
