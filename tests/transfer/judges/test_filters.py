import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure
from torchvision.transforms import functional

from transfer.judges.filters import gaussian_blur, luminance, structural_similarity

NOISE = torch.rand(2, 1, 3, 40, 56, generator=torch.Generator().manual_seed(0))


def test_luminance_is_that_of_torchvision():
    assert torch.allclose(luminance(NOISE[0]), functional.rgb_to_grayscale(NOISE[0]), atol=1e-3)


@pytest.mark.parametrize(("sigma_px", "reach_px"), [(1.5, 3), (0.8, 1), (4.0, 14)])
def test_blur_is_that_of_torchvision(sigma_px, reach_px):
    expected = functional.gaussian_blur(NOISE[0], [2 * reach_px + 1] * 2, [sigma_px] * 2)
    assert torch.allclose(gaussian_blur(NOISE[0], sigma_px, reach_px), expected, atol=1e-6)


@pytest.mark.parametrize("sigma_px", [1.5, 2.2])
def test_structural_similarity_is_that_of_torchmetrics(sigma_px):
    a, b = NOISE[0], (0.7 * NOISE[0] + 0.3 * NOISE[1]).clamp(0, 1)
    expected = structural_similarity_index_measure(a, b, sigma=sigma_px, data_range=1.0)
    assert structural_similarity(a, b, sigma_px).mean().item() == pytest.approx(expected.item(), abs=1e-5)
