"""The first canvas."""

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from nstkit.errors import UserError
from nstkit.pictures import read_picture, to_tensor
from transfer.canvas import start_canvas


@pytest.fixture
def file(tmp_path, draw_picture):
    path = tmp_path / "start.png"
    draw_picture((30, 70), seed=5).save(path)
    return path


@pytest.mark.parametrize("init", ["content", "style", "noise", "grey", "file"])
def test_every_start_has_the_contents_size_and_range(init, content, style, file):
    for picture in (content, content.to(memory_format=torch.channels_last)):
        canvas = start_canvas(str(file) if init == "file" else init, picture, style, seed=0)
        assert canvas.shape == content.shape
        assert canvas.dtype == torch.float32
        assert canvas.is_contiguous()
        assert canvas.min() >= 0
        assert canvas.max() <= 1


def test_content_is_copied(content, style):
    canvas = start_canvas("content", content, style, seed=0)
    torch.testing.assert_close(canvas, content, rtol=0, atol=0)
    canvas.zero_()
    assert content.max() > 0


def test_grey_is_grey(content, style):
    assert (start_canvas("grey", content, style, seed=0) == 0.5).all()


def test_noise_is_uniform_and_the_seeds(content, style):
    first, again, other = (start_canvas("noise", content, style, seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.mean() == pytest.approx(1 / 2, abs=0.02)
    assert first.std() == pytest.approx(12**-0.5, abs=0.02)


@pytest.mark.parametrize("init", ["style", "file"])
def test_other_pictures_are_stretched(init, content, style, file):
    source = to_tensor(read_picture(file)) if init == "file" else style
    canvas = start_canvas(str(file) if init == "file" else init, content, style, seed=0)
    # Compared on a coarse grid: each part of the picture lies where it lay.
    coarse, expected = (adaptive_avg_pool2d(image, 4) for image in (canvas, source))
    torch.testing.assert_close(coarse, expected, rtol=0, atol=0.06)


def test_style_of_the_contents_size_is_taken_as_it_is(content, style_of_content_size):
    canvas = start_canvas("style", content, style_of_content_size, seed=0)
    torch.testing.assert_close(canvas, style_of_content_size)
    canvas.zero_()
    assert style_of_content_size.max() > 0


def test_unknown_word_is_refused_with_what_is_allowed(content, style):
    with pytest.raises(UserError, match=r"--init nose: no such picture. Allowed: content, style, noise, grey, or"):
        start_canvas("nose", content, style, seed=0)


def test_file_that_is_no_picture_is_refused(content, style, tmp_path):
    path = tmp_path / "text.png"
    path.write_text("hello")
    for wrong in (path, tmp_path):
        with pytest.raises(UserError, match="not a readable picture"):
            start_canvas(str(wrong), content, style, seed=0)
