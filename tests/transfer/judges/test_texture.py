import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import convolve1d

from nstkit.pictures.tensors import shrink
from transfer.judges.picture import BOUND_PX
from transfer.judges.texture import (
    GABOR,
    TEXTURE,
    TEXTURE_LEAST_PX,
    gabor_distance,
    gabor_statistics,
    laplacian_pyramid,
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


def picture(seed: int, height: int = 60, width: int = 80) -> torch.Tensor:
    blobs = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(blobs, (height, width), mode="bilinear")


def waves(period_px: float, angle: float, size: int = 96) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    phase = 2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period_px
    return (0.5 + 0.3 * torch.sin(phase)).expand(1, 3, -1, -1)


def test_zero_for_itself_and_symmetric():
    a, b = noise(0), noise(1, 40, 90) ** 2
    assert texture_distance(a, a.clone()) == 0
    assert texture_distance(a, b) > 0.005
    assert texture_distance(a, b) == pytest.approx(texture_distance(b, a), rel=1e-5)


def test_triangle_inequality():
    a, b, c = noise(0), noise(1) ** 2, stripes(6, side=64)
    assert texture_distance(a, c) <= texture_distance(a, b) + texture_distance(b, c) + 1e-6


def test_repeats_itself_and_leaves_the_global_seed_alone():
    a, b = noise(0, 128, 128), noise(1, 100, 150) ** 2  # large enough that patches are drawn
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = texture_distance(a, b)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert texture_distance(a, b) == first


def test_takes_a_canvas_that_is_being_painted():
    canvas = noise(0).requires_grad_()
    assert isinstance(texture_distance(canvas, noise(1)), float)
    assert canvas.grad is None


@pytest.mark.parametrize("shape", [(3, 64, 64), (2, 3, 64, 64), (1, 1, 64, 64)])
def test_refuses_other_shapes(shape):
    # TypeError where the shapes of the signatures are checked (jaxtyping), which comes before the function's own check.
    with pytest.raises((ValueError, TypeError)):
        texture_distance(torch.zeros(shape), noise(0))


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
    side = TEXTURE_LEAST_PX
    small, large = stripes(8, side=side), stripes(8, phase_px=3)
    assert texture_distance(small, large) < texture_distance(small, dots(8))
    with pytest.raises(ValueError, match=rf"style: 64 x {side - 1} px.* at least {side} px") as error:
        texture_distance(small, noise(0, side - 1, 64))
    assert "\n" not in str(error.value)


def test_gabor_answers_to_its_period_and_direction():
    for number, angle in enumerate((0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)):
        statistics = gabor_statistics(waves(6.0, angle))
        means = statistics.view(3, 2, 4)[:, 0]
        assert means.argmax() == 4 + number


def test_gabor_distance_ignores_places_and_sees_strokes():
    a = waves(6.0, 0.0)
    assert gabor_distance(a, a.roll(3, 3)) < 0.1
    assert gabor_distance(a, a.transpose(2, 3)) > 1
    assert gabor_distance(a, waves(12.0, 0.0)) > 1
    assert 0.3 < gabor_distance(a, 0.5 * a) < 1.05  # half the contrast is one octave, of filters that answer
    assert np.isfinite(gabor_distance(torch.zeros(1, 3, 48, 48), a))


def test_refusal_names_the_picture():
    with pytest.raises(ValueError, match="style: 60 x 40 px"):
        gabor_distance(picture(0), picture(1, 40, 60))


def test_measures_compare_the_picture_with_the_style():
    image, content, style = noise(0), noise(1), noise(2, 64, 48) ** 2
    assert TEXTURE.function(image, content, style) == texture_distance(image, style)
    assert GABOR.function(image, content, style) == gabor_distance(image, style)


def test_textures_of_large_pictures_are_compared_at_the_bound():
    image, style = picture(0, 64, 2 * BOUND_PX), picture(1, 2 * BOUND_PX, 64)
    assert TEXTURE.function(image, image, style) == texture_distance(shrink(image, BOUND_PX), shrink(style, BOUND_PX))
    once, twice = (TEXTURE.function(*(picture(seed, 96 * n, BOUND_PX * n) for seed in range(3))) for n in (1, 2))
    assert twice == pytest.approx(once, abs=2e-3)
