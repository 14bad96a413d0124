"""The pictures of a painting: their sizes, and what is not there."""

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from transfer.painting.scene import Scene, resize


def test_mode_size_and_frame_follow_from_the_pictures_that_there_are(content, style):
    both, texture, alone = Scene(content, style), Scene(None, style), Scene(content, None)
    assert [scene.mode for scene in (both, texture, alone)] == ["transfer", "texture", "content"]
    assert [scene.size for scene in (both, texture, alone)] == [(40, 48), (36, 52), (40, 48)]
    assert both.frame is alone.frame is content
    assert texture.frame is style
    assert [len(scene.pictures) for scene in (both, texture, alone)] == [2, 1, 1]
    with pytest.raises(ValueError, match="needs a content or a style"):
        Scene(None, None)


def test_smaller_scene_shrinks_both_pictures_alike_and_leaves_the_start(content, style):
    start = torch.rand(1, 3, 7, 9)
    small = Scene(content, style, start).at((20, 24))
    assert small.content.shape == (1, 3, 20, 24)
    assert small.style.shape == (1, 3, 18, 26)
    assert small.start is start
    assert Scene(content, style).at((40, 48)).content is content
    assert Scene(None, style).at((9, 13)).style.shape == (1, 3, 9, 13)
    assert Scene(content, style[:, :, :2]).at((1, 1)).style.shape == (1, 3, 1, 1)


def test_pictures_go_to_a_device_in_float32(content, style):
    scene = Scene(content.double(), None, style.half()).to(torch.device("cpu"))
    assert (scene.content.dtype, scene.style, scene.start.dtype) == (torch.float32, None, torch.float32)


def test_resized_picture_keeps_its_range_and_its_parts(content):
    assert resize(content, (40, 48)) is content
    extreme = (content > 0.5).float()
    for size in ((20, 24), (80, 96), (36, 44)):
        resized = resize(extreme, size)
        assert resized.shape == (1, 3, *size)
        assert 0 <= resized.min() <= resized.max() <= 1
        coarse, expected = (adaptive_avg_pool2d(image, 4) for image in (resized, extreme))
        torch.testing.assert_close(coarse, expected, rtol=0, atol=0.08)
