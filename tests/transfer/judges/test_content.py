import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torchmetrics.functional.image import structural_similarity_index_measure

from nstkit.pictures.tensors import shrink
from transfer.judges.content import (
    CONTENT,
    LEAST_PX,
    POSITIONS,
    TEMPERATURE,
    aligned_similarity,
    content_similarity,
    self_similarity_distance,
)
from transfer.judges.picture import BOUND_PX


def scene(height: int = 144, width: int = 192) -> torch.Tensor:
    """A sky that darkens, a sun and a dark house with a window: soft and hard edges, at any size."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    sky = 0.9 - 0.5 * y
    sun = ((x - 0.7) ** 2 + (y - 0.3) ** 2 < 0.02).float()
    house = ((x > 0.1) & (x < 0.5) & (y > 0.4) & (y < 0.9)).float()
    window = ((x > 0.2) & (x < 0.3) & (y > 0.5) & (y < 0.7)).float()
    red = sky * (1 - house) + 0.1 * house + 0.7 * window
    return torch.stack([red, (red * 0.8 + 0.2 * sun).clamp(0, 1), red * 0.6])[None]


def noisy(picture: torch.Tensor, sigma: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (picture + sigma * torch.randn(picture.shape, generator=generator)).clamp(0, 1)


def ssim_by_scipy(a: np.ndarray, b: np.ndarray, blur_px: float, window_px: float) -> float:
    def smooth(x, sigma):
        return gaussian_filter(x, sigma, mode="mirror", truncate=3.5)

    a, b = smooth(a, blur_px), smooth(b, blur_px)
    mean_a, mean_b = smooth(a, window_px), smooth(b, window_px)
    variance_a = smooth(a * a, window_px) - mean_a**2
    variance_b = smooth(b * b, window_px) - mean_b**2
    covariance = smooth(a * b, window_px) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return float((luminance * (2 * covariance + c2) / (variance_a + variance_b + c2)).mean())


@pytest.mark.parametrize(("size", "blur_px"), [((192, 240), 2.0), ((60, 80), 1.0)])
def test_against_scipy(size, blur_px):
    a, b = scene(*size), noisy(scene(*size).flip(3), 0.2)
    luma_a, luma_b = (np.tensordot([0.2989, 0.587, 0.114], x[0].double().numpy(), 1) for x in (a, b))
    expected = ssim_by_scipy(luma_a, luma_b, blur_px, 1.5 * blur_px)
    assert -0.9 < expected < 0.9  # a case that a constant could not pass
    assert content_similarity(a, b) == pytest.approx(expected, abs=1e-4)


def test_one_for_itself_and_symmetric():
    a, b = scene(), noisy(scene().flip(3), 0.1)
    assert content_similarity(a, a.clone()) == pytest.approx(1, abs=1e-6)
    assert content_similarity(a, b) == pytest.approx(content_similarity(b, a), abs=1e-6)


def test_noise_counts_little_where_plain_ssim_sees_another_picture():
    photograph = scene()
    with_noise, mirrored = noisy(photograph, 0.1), photograph.flip(3)
    assert structural_similarity_index_measure(with_noise, photograph, data_range=1.0).item() < 0.5
    assert structural_similarity_index_measure(mirrored, photograph, data_range=1.0).item() > 0.5
    assert content_similarity(with_noise, photograph) > 0.85
    assert content_similarity(mirrored, photograph) < 0.6


def test_falls_as_the_layout_moves():
    photograph = scene()
    moved = [content_similarity(photograph.roll(px, dims=3), photograph) for px in (0, 4, 12, 40)]
    assert moved == sorted(moved, reverse=True)
    assert moved[0] - moved[-1] > 0.3


def test_a_negative_is_the_opposite():
    texture = noisy(torch.full((1, 3, 96, 96), 0.5), 0.3)
    assert -1 <= content_similarity(1 - texture, texture) < -0.5


def test_ignores_hue_at_equal_luma():
    photograph = 0.3 + 0.4 * scene()
    recoloured = photograph + torch.tensor([0.114 / 0.2989, 0.0, -1.0]).view(1, 3, 1, 1) * 0.2
    assert content_similarity(recoloured, photograph) == pytest.approx(1, abs=1e-4)


def test_size_matters_little():
    sizes = [(144, 192), (288, 384)]
    small, large = (content_similarity(scene(*size).roll(size[1] // 16, 3), scene(*size)) for size in sizes)
    assert small < 0.9
    assert small == pytest.approx(large, abs=0.02)


def test_refuses_different_sizes():
    with pytest.raises(ValueError, match=r"\(40, 50\).*\(50, 40\).*resize") as error:
        content_similarity(scene(40, 50), scene(50, 40))
    assert "\n" not in str(error.value)


def test_smallest_side():
    small = scene(LEAST_PX, 20)
    assert content_similarity(small, small) == pytest.approx(1, abs=1e-6)
    with pytest.raises(ValueError, match=rf"picture: 20 x {LEAST_PX - 1} px"):
        content_similarity(small[:, :, 1:], small[:, :, 1:])


def test_takes_a_canvas_that_is_being_painted():
    canvas = scene(40, 50).requires_grad_()
    assert isinstance(content_similarity(canvas, scene(40, 50)), float)


def test_measure_compares_with_the_content_at_the_size_of_the_picture():
    picture, style = scene(60, 80), noisy(scene(48, 48), 0.3)
    for size in ((120, 160), (30, 40)):
        content = scene(*size)
        resized = F.interpolate(content, (60, 80), mode="bilinear", antialias=True)
        value = CONTENT.function(picture, content, style)
        assert value == content_similarity(picture, resized)
        assert value > 0.9


def test_measure_of_a_large_picture_is_taken_at_the_bound():
    picture, content = scene(64, 2 * BOUND_PX), scene(64, 2 * BOUND_PX).flip(3)
    assert CONTENT.function(picture, content, content) == content_similarity(
        shrink(picture, BOUND_PX), shrink(content, BOUND_PX)
    )
    once, twice = (CONTENT.function(*(scene(96 * n, BOUND_PX * n).roll(k, 3) for k in (0, 9 * n, 0))) for n in (1, 2))
    assert twice == pytest.approx(once, rel=0.02)


def maps(seed: int, channels: int = 5, height: int = 7, width: int = 6) -> torch.Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(seed))


def rows(features: torch.Tensor) -> np.ndarray:
    flat = features[0].flatten(1).double().numpy()
    flat = flat - flat.mean(1, keepdims=True)
    flat = flat / np.linalg.norm(flat, axis=0)
    weights = np.exp(flat.T @ flat / TEMPERATURE)
    return weights / weights.sum(1, keepdims=True)


def test_self_similarity_against_numpy():
    ours, target = rows(maps(0)), rows(maps(1))
    expected = (target * np.log(target / ours)).sum(1).mean()
    assert self_similarity_distance(maps(0), maps(1)) == pytest.approx(expected, rel=1e-4)


def test_self_similarity_is_zero_for_itself_at_another_contrast_and_offset():
    assert self_similarity_distance(maps(0), maps(0)) == pytest.approx(0, abs=1e-6)
    assert self_similarity_distance(3 * maps(0) + 1, maps(0)) == pytest.approx(0, abs=1e-4)


def test_self_similarity_does_not_grow_with_the_number_of_positions():
    values = [self_similarity_distance(maps(0, 5, n, n), maps(1, 5, n, n)) for n in (16, 32, 48)]
    assert POSITIONS < 48**2  # a sample there
    assert max(values) < 1.3 * min(values)


def test_flat_features_give_a_number():
    assert np.isfinite(self_similarity_distance(torch.zeros(1, 5, 7, 6), maps(0)))


def test_alignment():
    assert aligned_similarity(maps(0), maps(0)) == pytest.approx(1, abs=1e-5)
    assert aligned_similarity(maps(0), -maps(0)) == pytest.approx(-1, abs=1e-5)
    assert aligned_similarity(maps(0), maps(0).roll(3, 3)) < 0.4
    smooth = F.interpolate(maps(2, 5, 3, 3), (24, 24), mode="bilinear")
    assert aligned_similarity(smooth[..., ::2, ::2], smooth) > 0.95
