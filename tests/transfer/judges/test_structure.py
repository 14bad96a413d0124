import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torchmetrics.functional.image import structural_similarity_index_measure

from transfer.judges.structure import MIN_SIDE_PX, content_similarity


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
    small = scene(MIN_SIDE_PX, 20)
    assert content_similarity(small, small) == pytest.approx(1, abs=1e-6)
    with pytest.raises(ValueError, match=rf"picture: 20 x {MIN_SIDE_PX - 1} px"):
        content_similarity(small[:, :, 1:], small[:, :, 1:])


def test_takes_a_canvas_that_is_being_painted():
    canvas = scene(40, 50).requires_grad_()
    assert isinstance(content_similarity(canvas, scene(40, 50)), float)
