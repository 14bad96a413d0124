import math

import pytest
import torch

from transfer.judges.gabor_bank import ENERGIES, ORIENTATIONS, STRIDES, WAVELENGTH_PX, GaborBank, gabor_filters

BANK = GaborBank()
BRIGHTNESS = slice(0, ORIENTATIONS)


def stripes(period_px: float, angle: float = 0.0, phase_px: float = 0.0, side: int = 96) -> torch.Tensor:
    """Grey waves whose crests stand at right angles to `angle` [rad]."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    along = math.cos(angle) * x + math.sin(angle) * y + phase_px
    return (0.5 + 0.4 * torch.sin(2 * math.pi * along / period_px)).expand(1, 3, side, side).clone()


def middle(maps: torch.Tensor) -> torch.Tensor:
    """Mean of each channel, away from the border."""
    height, width = maps.shape[-2:]
    return maps[..., height // 4 : -(height // 4), width // 4 : -(width // 4)].mean((0, 2, 3))


def test_maps_have_the_strides_and_channels_of_their_taps():
    maps = BANK.features(torch.rand(1, 3, 50, 75), BANK.style_taps)
    assert tuple(maps) == BANK.style_taps
    for name, values in maps.items():
        tap = BANK.taps[name]
        assert values.shape == (1, tap.channels, math.ceil(50 / tap.stride), math.ceil(75 / tap.stride))
    assert [tap.stride for tap in BANK.taps.values()] == list(STRIDES)


def test_filters_answer_to_no_flat_colour():
    filters = gabor_filters(WAVELENGTH_PX, ORIENTATIONS, reach_px=4)
    assert filters.shape == (2 * ORIENTATIONS, 1, 9, 9)
    assert filters.sum((1, 2, 3)).abs().max() < 1e-6
    flat = torch.full((1, 3, 48, 48), 0.7)
    for maps in BANK.features(flat, BANK.style_taps).values():
        assert maps[:, :ENERGIES].abs().max() < 1e-5  # nor at the border


@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
def test_stripes_are_seen_by_the_filter_of_their_orientation(orientation):
    energies = middle(BANK.features(stripes(WAVELENGTH_PX, math.pi * orientation / ORIENTATIONS), ["scale1"])["scale1"])
    assert energies[BRIGHTNESS].argmax() == orientation


@pytest.mark.parametrize("stride", STRIDES)
def test_wider_stripes_are_seen_at_a_coarser_size(stride):
    maps = BANK.features(stripes(stride * WAVELENGTH_PX, side=192), BANK.style_taps)
    energies = {name: middle(values)[0].item() for name, values in maps.items()}
    assert max(energies, key=energies.get) == f"scale{stride}"


def test_energy_does_not_know_where_a_stripe_stands_and_grows_with_the_contrast():
    at, shifted = (middle(BANK.features(stripes(4, phase_px=phase), ["scale1"])["scale1"]) for phase in (0, 1.3))
    assert torch.allclose(at[BRIGHTNESS], shifted[BRIGHTNESS], rtol=0.02, atol=1e-4)
    faint = middle(BANK.features(0.5 + (stripes(4) - 0.5) / 2, ["scale1"])["scale1"])
    assert torch.allclose(faint[BRIGHTNESS], at[BRIGHTNESS] / 2, atol=1e-5)


def test_grey_has_no_colour_and_coloured_stripes_have():
    grey = middle(BANK.features(stripes(4), ["scale1"])["scale1"])
    assert grey[ORIENTATIONS:ENERGIES].abs().max() < 1e-5
    red = stripes(4)
    red[:, 1:] = 1 - red[:, 1:]
    assert middle(BANK.features(red, ["scale1"])["scale1"])[ORIENTATIONS] > 0.1


def test_second_order_tells_bundles_of_strokes_from_even_ones():
    even = stripes(4, side=192)
    bundles = 0.5 + (even - 0.5) * (stripes(16, angle=math.pi / 2, side=192) - 0.1) / 0.8
    seen = (middle(BANK.features(each, ["scale4"])["scale4"]) for each in (even, bundles))
    of_even, of_bundles = (means[ENERGIES + 3 :].max() for means in seen)
    assert of_bundles > 3 * of_even
