import numpy as np
import pytest
import torch
import torch.nn.functional as F

from transfer.judges.spectrum import HIGH_FREQUENCY, TILE_PX, WHITE, energy_spectrum, grid_peaks, high_share


def noise(seed: int = 0, side: int = 128) -> torch.Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def grid(period_px: int, side: int = 96) -> torch.Tensor:
    """A wave across the picture, 1 and -1 in turn by half a period."""
    sign = 1 - 2.0 * (torch.arange(side) // (period_px // 2) % 2)
    return sign.expand(1, 3, side, side)


def test_energy_of_one_tile_against_numpy():
    picture = noise(side=TILE_PX)
    window = np.hanning(TILE_PX + 1)[:-1]
    tiles = picture[0].double().numpy()
    tiles = (tiles - tiles.mean((1, 2), keepdims=True)) * np.outer(window, window)
    expected = (np.abs(np.fft.fft2(tiles)) ** 2).mean(0)
    assert energy_spectrum(picture).numpy() == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_white_noise_is_white():
    energy = energy_spectrum(noise(side=512))
    assert energy[1:, 1:].mean().item() == pytest.approx(WHITE, rel=0.03)
    assert energy[8:24, 8:24].std() < 0.15 * WHITE


def test_share_of_white_noise_is_that_of_the_area():
    # Of the bins -16 to 15 those up to 11 are low: 0.35 cycles a pixel are 11.2.
    low = (2 * int(HIGH_FREQUENCY * TILE_PX) + 1) / TILE_PX
    assert high_share(noise()) == pytest.approx(1 - low**2, rel=0.03)
    assert high_share(0.1 * noise()) == pytest.approx(high_share(noise()), rel=0.02)


def test_a_flat_or_smooth_picture_has_hardly_any():
    assert high_share(torch.full((1, 3, 64, 64), 0.5)) < 2e-5
    smooth = F.interpolate(torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0)), (96, 96), mode="bicubic")
    assert high_share(smooth) < 1e-3


@pytest.mark.parametrize(("period_px", "place"), [(2, 0), (4, 3)])
def test_a_grid_sticks_out_at_its_own_period_and_direction(period_px, place):
    peaks = grid_peaks(0.5 + 0.1 * grid(period_px) + 0.01 * noise(side=96))
    assert peaks.argmax() == place
    assert peaks[place] > 4
    turned = grid_peaks((0.5 + 0.1 * grid(period_px) + 0.01 * noise(side=96)).transpose(2, 3))
    assert turned.argmax() == place + 1


def test_noise_has_no_peaks():
    assert grid_peaks(0.5 + 0.1 * noise(side=256)).max() < 0.7
