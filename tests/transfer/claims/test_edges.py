"""Edges: against scipy's Sobel filter, and what they are of pictures that are known."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from transfer.claims.edges import edge_strength, sobel


def test_edges_are_scipys():
    image = torch.rand(1, 3, 9, 13, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grey = image[0].mean(dim=0).numpy()
    for found, axis in zip(sobel(image), (1, 0), strict=True):
        np.testing.assert_allclose(found[0, 0].numpy(), ndimage.sobel(grey, axis, mode="nearest") / 4, atol=1e-12)


def test_strength_grows_with_contrast_and_is_nothing_where_all_is_one_colour():
    board = (torch.arange(16)[:, None] // 4 + torch.arange(16)[None] // 4).remainder(2).float().expand(1, 3, 16, 16)
    assert edge_strength(torch.full((1, 3, 8, 8), 0.3)) == pytest.approx(0, abs=1e-6)
    assert edge_strength(board) == pytest.approx(2 * edge_strength(0.5 * board + 0.2), rel=1e-5)
