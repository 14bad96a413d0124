"""The first picture, and the canvases that show it."""

import numpy as np
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from nstkit.errors import UserError
from nstkit.pictures.tensors import to_tensor
from transfer.painting.canvas import (
    DARKEST,
    MARGIN_PX,
    FourierCanvas,
    PixelCanvas,
    build_canvas,
    mirrored,
    start_picture,
)
from transfer.painting.scene import Scene


@pytest.fixture
def start(draw_picture):
    """A start picture of another size, (1, 3, 70, 30)."""
    return to_tensor(draw_picture((30, 70), seed=5))


@pytest.mark.parametrize("init", ["content", "style", "noise", "grey", "own"])
def test_every_start_has_the_contents_size_and_range(init, content, style, start):
    for picture in (content, content.to(memory_format=torch.channels_last)):
        canvas = start_picture(Scene(picture, style, start if init == "own" else None), init, seed=0)
        assert canvas.shape == content.shape
        assert canvas.dtype == torch.float32
        assert canvas.is_contiguous()
        assert canvas.min() >= 0
        assert canvas.max() <= 1


def test_content_is_copied(content, style):
    canvas = start_picture(Scene(content, style), "content", seed=0)
    torch.testing.assert_close(canvas, content, rtol=0, atol=0)
    canvas.zero_()
    assert content.max() > 0


def test_grey_is_grey(content, style):
    assert (start_picture(Scene(content, style), "grey", seed=0) == 0.5).all()


def test_noise_is_uniform_and_the_seeds(content, style):
    first, again, other = (start_picture(Scene(content, style), "noise", seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.mean() == pytest.approx(1 / 2, abs=0.02)
    assert first.std() == pytest.approx(12**-0.5, abs=0.02)


def test_noise_of_a_spectrum_is_clouds_and_the_seeds(content, style):
    first, again, other = (start_picture(Scene(content, style), "noise", seed, "fourier") for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    white = start_picture(Scene(content, style), "noise", 3)
    rough, smooth = ((image.diff(dim=3).std() / image.std()).item() for image in (white, first))
    assert smooth < 0.6 * rough  # neighbours are alike
    assert first.mean().item() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("init", ["style", "own"])
def test_other_pictures_are_stretched(init, content, style, start):
    source = start if init == "own" else style
    canvas = start_picture(Scene(content, style, start if init == "own" else None), init, seed=0)
    # Compared on a coarse grid: each part of the picture lies where it lay.
    coarse, expected = (adaptive_avg_pool2d(image, 4) for image in (canvas, source))
    torch.testing.assert_close(coarse, expected, rtol=0, atol=0.06)


def test_own_start_comes_before_the_word(content, style, start):
    own, word = (start_picture(Scene(content, style, picture), "grey", seed=0) for picture in (start, None))
    assert (word == 0.5).all()
    assert own.std() > 0.1


def test_style_of_the_contents_size_is_taken_as_it_is(content, style_of_content_size):
    canvas = start_picture(Scene(content, style_of_content_size), "style", seed=0)
    torch.testing.assert_close(canvas, style_of_content_size)
    canvas.zero_()
    assert style_of_content_size.max() > 0


def test_unknown_word_is_refused_with_what_is_allowed(content, style):
    with pytest.raises(UserError, match=r"--init nose: no such picture. Allowed: content, style, noise, grey, or"):
        start_picture(Scene(content, style), "nose", seed=0)


@pytest.mark.parametrize("init", ["noise", "grey", "style", "own"])
def test_texture_starts_at_the_styles_size(init, style, start):
    picture = start_picture(Scene(None, style, start if init == "own" else None), init, seed=0)
    assert picture.shape == style.shape
    assert 0 <= picture.min() <= picture.max() <= 1


def test_picture_that_is_not_there_is_no_start(content, style):
    with pytest.raises(UserError, match="--init content: there is no content picture in this mode"):
        start_picture(Scene(None, style), "content", seed=0)
    with pytest.raises(UserError, match="--init style: there is no style picture in this mode"):
        start_picture(Scene(content, None), "style", seed=0)


# Canvases


def random_picture(size, seed=0):
    return torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", ["pixels", "fourier"])
@pytest.mark.parametrize("size", [(40, 48), (41, 48), (40, 47), (33, 35), (1, 5), (2, 2)])
def test_canvas_shows_the_start(kind, size):
    start = random_picture(size)
    start[..., 0], start[..., -1] = 0, 1  # black and white, which a sigmoid does not reach
    canvas = build_canvas(kind, start)
    image = canvas.image()
    assert image.shape == start.shape
    assert image.dtype == torch.float32
    assert (image - start).abs().max() < (1e-9 if kind == "pixels" else DARKEST + 1e-5) < 1 / 255
    assert canvas.parameters.is_leaf
    assert canvas.parameters.requires_grad
    assert 0 <= image.min() <= image.max() <= 1


@pytest.mark.parametrize("kind", ["pixels", "fourier"])
def test_start_is_not_changed_by_the_canvas(kind, content):
    before = content.clone()
    canvas = build_canvas(kind, content)
    with torch.no_grad():
        canvas.parameters.add_(0.3)
    assert torch.equal(content, before)
    assert not torch.equal(canvas.image(), before)


def test_pixels_are_bounded_and_the_spectrum_is_not():
    start = random_picture((6, 7))
    assert PixelCanvas(start).range == (0, 1)
    assert PixelCanvas(start, 255.0).range == (0, 255)
    canvas = FourierCanvas(start)
    assert canvas.range is None
    with torch.no_grad():
        canvas.parameters.add_(100 * torch.randn(canvas.parameters.shape, generator=torch.Generator().manual_seed(1)))
    assert 0 <= canvas.image().min() <= canvas.image().max() <= 1


@pytest.mark.parametrize("size", [(4, 6), (5, 4), (4, 5), (3, 3)])
def test_gradient_of_the_spectrum(size):
    canvas = FourierCanvas(random_picture(size).double(), margin_px=3)

    def picture(parameters):
        canvas.parameters = parameters
        return canvas.image()

    assert torch.autograd.gradcheck(picture, canvas.parameters.detach().requires_grad_())


def test_spectrum_by_numpy():
    start = random_picture((6, 9)).double()
    canvas = FourierCanvas(start, margin_px=0)
    values = np.clip(start[0].numpy(), DARKEST, 1 - DARKEST)
    logits = np.log(values / (1 - values))
    colours = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    colours /= np.linalg.norm(colours, axis=0).max()
    planes = np.tensordot(np.linalg.inv(colours), logits, 1)
    spectrum = np.fft.rfft2(planes) / np.sqrt(6 * 9)
    frequency = np.hypot(np.fft.fftfreq(6)[:, None], np.fft.rfftfreq(9)[None])
    weights = 1 / np.maximum(frequency, 1 / 9)
    weights /= np.sqrt((weights**2).mean())
    found = torch.view_as_complex(canvas.parameters.detach())[0].numpy()
    np.testing.assert_allclose(found, spectrum / weights, rtol=1e-4, atol=1e-5)


def test_a_step_of_the_spectrum_moves_coarse_structure_more_than_fine(content):
    canvas = FourierCanvas(content)
    moved = {}
    for name, column in (("coarse", 2), ("fine", 20)):
        with torch.no_grad():
            canvas.parameters[0, 0, 2, column, 0] += 1
            moved[name] = (canvas.image() - content).square().mean().sqrt().item()
            canvas.parameters[0, 0, 2, column, 0] -= 1
    assert moved["coarse"] > 3 * moved["fine"] > 0


def move_the_left_column(canvas):
    """Return the change of the picture by a step that brightens its left column, over that column's own."""
    before = canvas.image()
    (gradient,) = torch.autograd.grad(before[..., 0].sum(), canvas.parameters)
    with torch.no_grad():
        canvas.parameters.add_(0.01 * gradient)
        change = (canvas.image() - before).mean(dim=(0, 1, 2))
    return change / change[0]


def test_opposite_edges_are_no_neighbours():
    grey = torch.full((1, 3, 40, 60), 0.5)
    periodic, change = (move_the_left_column(FourierCanvas(grey, margin_px=px)) for px in (0, MARGIN_PX))
    torch.testing.assert_close(periodic[-1], periodic[1])  # of a spectrum alone they are
    assert change[-1] < 0.5 * change[1]
    assert change[-1] < 0.6 * periodic[-1]


def test_margin_mirrors_both_edges():
    picture = random_picture((5, 40))
    wide = mirrored(picture, 7)
    assert wide.shape == (1, 3, 12, 47)
    assert torch.equal(wide[:, :, :5, :40], picture)
    expected = np.pad(picture[0].numpy(), ((0, 0), (3, 4), (3, 4)), mode="symmetric")  # above and left lies behind
    expected = np.roll(expected, (-3, -3), axis=(1, 2))
    np.testing.assert_array_equal(wide[0].numpy(), expected)
    assert mirrored(picture[:, :, :1, :2], 50).shape == (1, 3, 51, 52)  # wider than the picture itself
    assert torch.equal(mirrored(picture, 0), picture)


def test_pixels_up_to_255_show_the_same_picture_and_have_small_gradients():
    start = random_picture((6, 7))
    levels, unit = build_canvas("pixels", start, "0-255"), build_canvas("pixels", start)
    assert torch.equal(levels.parameters, 255 * start)
    torch.testing.assert_close(levels.image(), start)
    gradients = [torch.autograd.grad(canvas.image().square().sum(), canvas.parameters)[0] for canvas in (levels, unit)]
    torch.testing.assert_close(255 * gradients[0], gradients[1])
