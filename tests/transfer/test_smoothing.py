"""Smoothing: against the softmax written down from the paper's equation, and what it promises."""

import numpy as np
import pytest
import torch

from nstkit.errors import UserError
from transfer.smoothing import SCALE, smooth, smoothed_taps, softmax_smooth


def random_maps(seed, shape=(2, 5, 6, 7), dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 20.0])
def test_softmax_is_over_channels_and_positions_of_each_picture(temperature):
    maps = random_maps(0)
    exponentials = np.exp(maps.numpy() / temperature)
    expected = exponentials / exponentials.sum(axis=(1, 2, 3), keepdims=True) * (5 * 6 * 7)
    np.testing.assert_allclose(softmax_smooth(maps, temperature).numpy(), expected, rtol=1e-12)


def test_two_values_by_hand():
    maps = torch.tensor([1.0, 3.0], dtype=torch.float64).log().view(1, 2, 1, 1)
    torch.testing.assert_close(softmax_smooth(maps), torch.tensor([0.5, 1.5], dtype=torch.float64).view(1, 2, 1, 1))
    torch.testing.assert_close(
        softmax_smooth(2 * maps, 2.0), torch.tensor([0.5, 1.5], dtype=torch.float64).view(1, 2, 1, 1)
    )


def test_mean_is_one_and_peaks_shrink_with_the_temperature():
    maps = 10 * random_maps(1)
    peaks = []
    for temperature in (1.0, 10.0, 1000.0):
        smoothed = softmax_smooth(maps, temperature)
        np.testing.assert_allclose(smoothed.mean(dim=(1, 2, 3)), 1, rtol=1e-12)
        peaks.append(smoothed.max().item())
    assert peaks[0] > 2 * peaks[1] > 2 * peaks[2]
    assert peaks[2] == pytest.approx(1, abs=0.05)


def test_large_values_do_not_overflow():
    smoothed = softmax_smooth(torch.tensor([[[[3e4, 3e4, 0.0, 0.0]]]]))
    torch.testing.assert_close(smoothed, torch.tensor([[[[2.0, 2.0, 0.0, 0.0]]]]))


def test_a_constant_added_changes_nothing():
    maps = random_maps(2)
    torch.testing.assert_close(softmax_smooth(maps + 5), softmax_smooth(maps))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype):
    maps = random_maps(3, (1, 8, 64, 64)).to(dtype)
    smoothed = softmax_smooth(maps)
    assert smoothed.dtype == torch.float32
    torch.testing.assert_close(smoothed.double(), softmax_smooth(maps.double()), rtol=1e-5, atol=0)


def test_gradient_of_the_softmax():
    maps = random_maps(4, (1, 2, 2, 3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda features: softmax_smooth(features, 0.7), maps)


def test_settings_name_the_two_ways():
    maps = random_maps(5)
    torch.testing.assert_close(smooth("softmax", maps, 2.0), softmax_smooth(maps, 2.0))
    torch.testing.assert_close(smooth("scale", maps, 2.0), 0.001 * maps)
    assert SCALE == 0.001


def test_which_taps_are_smoothed(backbone):
    taps = ("relu1_1", "relu3_1", "relu5_1")
    assert smoothed_taps("none", backbone, taps, ("relu1_1",)) == set()
    assert smoothed_taps("softmax", backbone, taps, ()) == set(taps)
    assert smoothed_taps("scale", backbone, taps, ()) == {"relu5_1"}  # of stride 16
    for smoothing in ("softmax", "scale"):
        assert smoothed_taps(smoothing, backbone, taps, ("relu3_1",)) == {"relu3_1"}
    with pytest.raises(UserError, match="tap 'relu9_9' is not in"):
        smoothed_taps("softmax", backbone, taps, ("relu9_9",))
