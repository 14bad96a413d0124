import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve1d
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from transfer.judges.sliced_wasserstein import (
    TEXTURE_MIN_SIDE_PX,
    colour_distance,
    laplacian_pyramid,
    quantile_grid,
    sliced_wasserstein,
    texture_distance,
)


def noise(seed: int, height: int = 48, width: int = 64) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def flat(*rgb: float, side: int = 48) -> torch.Tensor:
    return torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, side, side).clone()


def stripes(period_px: float, phase_px: float = 0.0, side: int = 96) -> torch.Tensor:
    wave = 0.5 + 0.4 * torch.sin(2 * math.pi * (torch.arange(side) + phase_px) / period_px)
    return wave.expand(1, 3, side, side).clone()


def dots(period_px: int, side: int = 96) -> torch.Tensor:
    offset = torch.arange(side) % period_px - period_px // 2
    is_dot = offset[:, None] ** 2 + offset[None] ** 2 <= (period_px / 4) ** 2
    return (0.1 + 0.8 * is_dot.float()).expand(1, 3, side, side).clone()


def permuted(picture: torch.Tensor) -> torch.Tensor:
    order = torch.randperm(picture[0, 0].numel(), generator=torch.Generator().manual_seed(5))
    return picture.flatten(2)[..., order].view_as(picture)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), m=st.integers(1, 40), seed=st.integers(0, 1000))
def test_quantile_grid_gives_scipys_first_wasserstein_distance(n, m, seed):
    rng = np.random.default_rng(seed)
    a, b = np.sort(rng.normal(size=n)), np.sort(rng.normal(size=m))
    rank_a, rank_b, width = quantile_grid(n, m)
    ours = (width.numpy() * np.abs(a[rank_a] - b[rank_b])).sum()
    assert ours == pytest.approx(wasserstein_distance(a, b), abs=1e-5)
    assert width.sum().item() == pytest.approx(1, abs=1e-5)


def test_quantile_grid_of_equal_counts_pairs_equal_ranks():
    rank_a, rank_b, width = quantile_grid(4, 4)
    assert rank_a.tolist() == rank_b.tolist() == [0, 1, 2, 3]
    assert width.tolist() == [0.25] * 4


def test_one_dimension_is_the_best_assignment():
    a = torch.randn(30, 1, generator=torch.Generator().manual_seed(0))
    b = torch.randn(30, 1, generator=torch.Generator().manual_seed(1)) * 2 + 1
    cost = (a - b.T).square().numpy()
    best = math.sqrt(cost[linear_sum_assignment(cost)].mean())
    assert sliced_wasserstein(a, b, 1).item() == pytest.approx(best, rel=1e-5)


def test_different_counts_by_hand():
    # The two zeros and one 3 against 0 and 3: of the mass, 1/6 has to move from 0 to 3.
    a, b = torch.tensor([[3.0], [0.0], [0.0]]), torch.tensor([[0.0], [3.0]])
    assert sliced_wasserstein(a, b, 1).item() == pytest.approx(math.sqrt(9 / 6), rel=1e-6)


def test_three_dimensions_against_many_independent_directions():
    rng = np.random.default_rng(0)
    a, b = rng.random((200, 3)), rng.random((200, 3)) ** 2 * [1.0, 0.7, 0.4]
    directions = rng.normal(size=(3, 5000))
    directions /= np.linalg.norm(directions, axis=0)
    expected = math.sqrt(((np.sort(a @ directions, 0) - np.sort(b @ directions, 0)) ** 2).mean())
    ours = sliced_wasserstein(torch.tensor(a).float(), torch.tensor(b).float(), 16).item()
    assert ours == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("distance", [colour_distance, texture_distance])
def test_zero_for_itself_and_symmetric(distance):
    a, b = noise(0), noise(1, 40, 90) ** 2
    assert distance(a, a.clone()) == 0
    assert distance(a, b) > 0.005
    assert distance(a, b) == pytest.approx(distance(b, a), rel=1e-5)


@pytest.mark.parametrize("distance", [colour_distance, texture_distance])
def test_triangle_inequality(distance):
    a, b, c = noise(0), noise(1) ** 2, stripes(6, side=64)
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-6


@pytest.mark.parametrize("distance", [colour_distance, texture_distance])
def test_repeats_itself_and_leaves_the_global_seed_alone(distance):
    a, b = noise(0, 128, 128), noise(1, 100, 150) ** 2  # large enough that patches are drawn
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = distance(a, b)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert distance(a, b) == first


@pytest.mark.parametrize("distance", [colour_distance, texture_distance])
def test_takes_a_canvas_that_is_being_painted(distance):
    canvas = noise(0).requires_grad_()
    assert isinstance(distance(canvas, noise(1)), float)
    assert canvas.grad is None


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


def test_pyramid_against_scipy():
    picture = noise(0, 45, 64)
    taps = np.array([1, 4, 6, 4, 1]) / 16
    smooth = picture[0].double().numpy()
    for level, band in enumerate(laplacian_pyramid(picture, 3)):
        spread = np.zeros(4 * 2**level + 1)
        spread[:: 2**level] = taps
        smoother = convolve1d(convolve1d(smooth, spread, axis=1, mode="mirror"), spread, axis=2, mode="mirror")
        np.testing.assert_allclose(band[0].numpy(), smooth - smoother, atol=1e-6)
        smooth = smoother


def test_pyramid_of_a_moved_picture_is_moved():
    picture = noise(0, 64, 64)
    inner = slice(20, -20)  # beyond the reach of the border
    for band, moved in zip(laplacian_pyramid(picture, 3), laplacian_pyramid(picture.roll(3, dims=3), 3), strict=True):
        torch.testing.assert_close(moved[..., inner, inner], band.roll(3, dims=3)[..., inner, inner])


def test_texture_of_a_checkerboard_by_hand():
    # A checkerboard of one pixel is all in the finest level. Taking the mean out of a 5 x 5 patch leaves 1 - 1/625 of
    # its square; the two coarser levels are flat, so a third is left.
    amplitude, side = 0.2, 50
    sign = 1 - 2 * ((torch.arange(side)[:, None] + torch.arange(side)) % 2)
    board = (0.5 + amplitude * sign).expand(1, 3, side, side)
    expected = amplitude * math.sqrt(1 - 1 / 625) / 3
    assert texture_distance(board, flat(0.5, 0.5, 0.5)) == pytest.approx(expected, rel=1e-4)


def test_texture_sees_where_pixels_stand():
    picture = stripes(12)
    assert texture_distance(picture, permuted(picture)) > 0.05


def test_texture_ignores_a_shift_of_all_colours_and_grows_with_contrast():
    a, b = 0.25 + 0.5 * noise(0), 0.25 + 0.5 * dots(8, side=64)
    shift = torch.tensor([0.2, -0.1, 0.05]).view(1, 3, 1, 1)
    assert texture_distance(a, a + shift) == pytest.approx(0, abs=1e-6)
    assert texture_distance(a, b + shift) == pytest.approx(texture_distance(a, b), rel=1e-4)
    assert texture_distance(a / 2, b / 2) == pytest.approx(texture_distance(a, b) / 2, rel=1e-4)


def test_texture_orders_known_textures():
    reference = stripes(8)
    shifted = texture_distance(reference, stripes(8, phase_px=3))
    shifted_and_smaller = texture_distance(reference, stripes(8, phase_px=3, side=80))
    others = {
        "other width": texture_distance(reference, stripes(14)),
        "turned": texture_distance(reference, stripes(8).transpose(2, 3)),
        "dots": texture_distance(reference, dots(8)),
        "noise": texture_distance(reference, noise(0, 96, 96)),
    }
    for name, distance in others.items():
        assert distance > 3 * shifted, name
        assert distance > 3 * shifted_and_smaller, name


def test_texture_at_the_smallest_side():
    side = TEXTURE_MIN_SIDE_PX
    small, large = stripes(8, side=side), stripes(8, phase_px=3)
    assert texture_distance(small, large) < texture_distance(small, dots(8))
    with pytest.raises(ValueError, match=rf"style: 64 x {side - 1} px.* at least {side} px") as error:
        texture_distance(small, noise(0, side - 1, 64))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("distance", [colour_distance, texture_distance])
@pytest.mark.parametrize("shape", [(3, 64, 64), (2, 3, 64, 64), (1, 1, 64, 64)])
def test_refuses_other_shapes(distance, shape):
    # TypeError where the shapes of the signatures are checked (jaxtyping), which comes before the function's own check.
    with pytest.raises((ValueError, TypeError)):
        distance(torch.zeros(shape), noise(0))
