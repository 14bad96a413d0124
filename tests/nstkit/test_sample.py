"""The default content and style: there without network, and with something to transfer."""

import colorsys

import numpy as np
import pytest
from scipy import ndimage

from nstkit.sample import draw_style, sample_content, sample_style


@pytest.fixture(scope="module")
def style():
    return sample_style(256)


def test_content_is_a_photograph_in_rgb():
    content = sample_content()
    assert content.mode == "RGB"
    assert content.size == (640, 427)


@pytest.mark.parametrize("size_px", [32, 100, 256])
def test_style_has_the_size_asked_for(size_px):
    picture = sample_style(size_px)
    assert picture.mode == "RGB"
    assert picture.size == (size_px, size_px)


def test_style_is_the_same_for_a_seed_and_differs_between_seeds(style):
    assert sample_style(256, seed=0).tobytes() == style.tobytes()
    assert sample_style(256, seed=1).tobytes() != style.tobytes()


def test_style_that_comes_with_the_package_is_the_one_that_is_drawn():
    carried, drawn = (np.asarray(picture, dtype=int) for picture in (sample_style(), draw_style(512, 0)))
    assert np.abs(carried - drawn).max() <= 2  # other processors round otherwise


def test_style_refuses_a_size_without_strokes():
    with pytest.raises(ValueError, match="size_px is 31; allowed is 32"):
        sample_style(31)


def test_composition_is_the_same_at_every_size(style):
    small = np.asarray(style.resize((16, 16)), dtype=float)
    other = np.asarray(sample_style(128).resize((16, 16)), dtype=float)
    assert np.corrcoef(small.ravel(), other.ravel())[0, 1] > 0.97


def test_style_has_strokes_everywhere(style):
    grey = np.asarray(style.convert("L"), dtype=float)
    local = np.sqrt(np.maximum(ndimage.uniform_filter(grey**2, 16) - ndimage.uniform_filter(grey, 16) ** 2, 0))
    assert np.percentile(local, 5) > 6
    assert np.median(local) > 12


def test_strokes_have_a_direction_that_changes_over_the_picture(style):
    grey = np.asarray(style.convert("L"), dtype=float)
    down, right = ndimage.sobel(grey, 0), ndimage.sobel(grey, 1)
    smooth = [ndimage.gaussian_filter(part, 6) for part in (right**2 - down**2, 2 * right * down, right**2 + down**2)]
    # Noise would have no direction anywhere, a grating the same everywhere.
    assert np.median(np.hypot(smooth[0], smooth[1]) / smooth[2]) > 0.5
    turn = np.arctan2(smooth[1], smooth[0])
    assert np.abs(np.exp(1j * turn).mean()) < 0.4


def test_style_has_a_rich_palette(style):
    pixels = np.asarray(style.resize((64, 64))).reshape(-1, 3) / 255
    hue, saturation, value = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in pixels]).T
    is_colored = (saturation > 0.4) & (value > 0.2)
    is_warm = is_colored & ((hue < 0.17) | (hue > 0.95))
    is_cold = is_colored & (hue > 0.45) & (hue < 0.75)
    assert is_warm.mean() > 0.1
    assert is_cold.mean() > 0.3
    assert np.percentile(value, 99) - np.percentile(value, 1) > 0.5
