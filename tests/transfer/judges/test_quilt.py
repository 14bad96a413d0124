import itertools

import numpy as np
import pytest
import torch

from transfer.judges.quilt import cheapest_cut, quilt, seam_mask


def cheapest_by_trying_all(cost):
    rows, columns = cost.shape
    paths = [
        path
        for path in itertools.product(range(columns), repeat=rows)
        if all(abs(a - b) <= 1 for a, b in itertools.pairwise(path))
    ]
    return min(sum(cost[row, column] for row, column in enumerate(path)) for path in paths)


@pytest.mark.parametrize("seed", range(5))
def test_cut_is_the_cheapest_of_all(seed):
    cost = np.random.default_rng(seed).random((5, 4))
    path = cheapest_cut(cost)
    assert np.abs(np.diff(path)).max() <= 1
    assert cost[np.arange(5), path].sum() == pytest.approx(cheapest_by_trying_all(cost))


def test_cut_follows_a_free_path():
    cost = np.ones((6, 5))
    free = np.array([1, 2, 3, 3, 2, 1])
    cost[np.arange(6), free] = 0
    assert np.array_equal(cheapest_cut(cost), free)


def test_seam_keeps_what_is_beyond_the_cut():
    old, new = np.zeros((9, 9, 3), np.float32), np.ones((9, 9, 3), np.float32)
    new[:, 1] = 0  # no seam shows here
    assert seam_mask(old, new, 3, has_left=False, has_top=False).all()
    mask = seam_mask(old, new, 3, has_left=True, has_top=False)
    assert np.array_equal(mask, np.tile(np.arange(9) >= 1, (9, 1)))
    across = seam_mask(old, new.transpose(1, 0, 2), 3, has_left=False, has_top=True)
    assert np.array_equal(across, mask.T)


def ramp(height, width):
    """Dark on the left, light on the right."""
    return torch.linspace(0, 1, width).expand(1, 3, height, width).contiguous()


def test_every_pixel_is_one_of_the_style():
    style = torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(0))
    picture = quilt(style, ramp(41, 67), patch_px=9)
    assert picture.shape == (1, 3, 41, 67)
    own = {tuple(pixel) for pixel in style[0].flatten(1).T.tolist()}
    assert {tuple(pixel) for pixel in picture[0].flatten(1).T.tolist()} <= own


def test_layout_is_the_contents_and_without_agreement_it_is_not():
    style = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(1)).repeat(1, 3, 1, 1)
    style = torch.nn.functional.interpolate(style, (64, 64), mode="bilinear")
    content = ramp(48, 64)
    columns = quilt(style, content, patch_px=9, agreement=0.9).mean(dim=(0, 1, 2))
    assert np.corrcoef(columns, np.arange(64))[0, 1] > 0.9
    free = [quilt(style, content, patch_px=9, agreement=0.0, seed=seed).mean(dim=(0, 1, 2)) for seed in range(4)]
    assert np.mean([np.corrcoef(columns, np.arange(64))[0, 1] for columns in free]) < 0.6


def test_a_style_that_only_tiles_is_continued_without_a_seam():
    stripes = (torch.arange(48) % 6 < 3).float().expand(1, 3, 48, 48).contiguous()
    picture = quilt(stripes, torch.rand(1, 3, 30, 40), patch_px=12, agreement=0.0)
    assert torch.equal(picture, picture[..., :1, :].expand_as(picture))  # stripes stay upright
    assert torch.equal(picture[..., 6:], picture[..., :-6])  # and keep their period


def test_same_seed_same_picture():
    style, content = torch.rand(1, 3, 30, 30), torch.rand(1, 3, 30, 30)
    assert torch.equal(quilt(style, content, seed=3), quilt(style, content, seed=3))
    assert not torch.equal(quilt(style, content, seed=3), quilt(style, content, seed=4))


def test_refusals_name_what_is_too_small():
    with pytest.raises(ValueError, match="patch_px is 5"):
        quilt(torch.rand(1, 3, 30, 30), torch.rand(1, 3, 30, 30), patch_px=5)
    with pytest.raises(ValueError, match="style: 30 x 10 px"):
        quilt(torch.rand(1, 3, 10, 30), torch.rand(1, 3, 30, 30))
