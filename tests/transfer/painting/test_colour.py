"""Colours: what the style is given, and what the result is given back."""

import numpy as np
import pytest
import torch

from transfer.painting.colour import grey, match_covariance, match_histogram, match_luminance, recolour, with_colours_of
from transfer.painting.scene import Scene


@pytest.fixture
def muted(content):
    """A content whose colours leave room to black and white, and differ from the style's."""
    return 0.35 + 0.2 * content * torch.tensor([1.0, 0.7, 0.4]).view(1, 3, 1, 1)


def colours(image):
    return image[0].flatten(1).double()


def test_covariance_gives_mean_and_covariance_of_the_content(muted, style):
    found = colours(match_covariance(style, muted))
    torch.testing.assert_close(found.mean(dim=1), colours(muted).mean(dim=1), rtol=0, atol=1e-3)
    torch.testing.assert_close(found.cov(), colours(muted).cov(), rtol=0, atol=1e-4)


def test_histogram_gives_the_content_s_values_along_every_direction(muted, style):
    found, goal = colours(match_histogram(style, muted)), colours(muted)
    share = torch.linspace(0, 1, 21, dtype=torch.float64)
    for direction in torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)):
        direction = direction / direction.norm()
        seen, wanted = (torch.quantile(direction @ x, share) for x in (found, goal))
        before = torch.quantile(direction @ colours(style), share)
        assert (seen - wanted).abs().max() < 0.15 * (before - wanted).abs().max()


@pytest.mark.parametrize("match", [match_covariance, match_histogram, match_luminance])
def test_pictures_of_one_colour_and_grey_ones_stay_in_range(match, style):
    flat = torch.full((1, 3, 9, 7), 0.4)
    for a, b in ((style, flat), (flat, style), (grey(style), style), (style, grey(style))):
        found = match(a, b)
        assert found.shape == a.shape
        assert torch.isfinite(found).all()
        assert 0 <= found.min() <= found.max() <= 1
    goal = grey(flat) if match is match_luminance else flat
    torch.testing.assert_close(match(style, flat).mean(dim=(2, 3)), goal.mean(dim=(2, 3)), rtol=0, atol=0.01)


def test_luminance_is_that_of_television():
    image = torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1)
    assert grey(image).flatten().tolist() == pytest.approx([0.299 + 0.587 / 2 + 0.114 / 4] * 3)


def test_luminance_paints_grey_pictures_and_puts_the_colours_back(muted, style):
    scene, finish = recolour(Scene(muted, style, start=style), "luminance")
    for picture in (scene.content, scene.style, scene.start):
        torch.testing.assert_close(picture[:, 0], picture[:, 2])
    light, goal = scene.style[:, 0], scene.content[:, 0]
    assert light.mean().item() == pytest.approx(goal.mean().item(), abs=1e-3)
    assert light.std().item() == pytest.approx(goal.std().item(), abs=1e-3)
    torch.testing.assert_close(finish(scene.content), muted, rtol=0, atol=1e-3)
    canvas = grey(0.9 * muted + 0.05)
    found = finish(canvas)
    torch.testing.assert_close(grey(found), canvas, rtol=0, atol=1e-3)
    chroma = [image - image.mean(dim=1, keepdim=True) for image in (found, muted)]
    assert np.corrcoef(chroma[0].flatten(), chroma[1].flatten())[0, 1] > 0.99
    assert with_colours_of(muted, canvas[:, :, ::2, ::2].contiguous()).shape == (1, 3, 20, 24)  # of a smaller scale


@pytest.mark.parametrize("color", ["covariance", "histogram"])
def test_other_modes_change_the_styles_alone(color, muted, style, content):
    scene, finish = recolour(Scene(muted, style, further=(content,), shares=(0.5, 0.5)), color)
    assert scene.content is muted
    assert finish(muted) is muted
    for before, after in zip((style, content), scene.styles, strict=True):
        assert (after - before).abs().mean() > 0.02


def test_nothing_is_done_without_both_pictures(muted, style):
    for scene, color in (
        (Scene(muted, style), "style"),
        (Scene(None, style), "luminance"),
        (Scene(muted, None), "histogram"),
    ):
        same, finish = recolour(scene, color)
        assert same is scene
        assert finish(style) is style
