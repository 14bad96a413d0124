"""Nearest neighbours: against a search by hand, and how layers are joined."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from transfer.painting.losses.statistics import nearest_neighbours as module
from transfer.painting.losses.statistics.nearest_neighbours import hypercolumns, neighbour_distance


def random_maps(seed, shape):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_distance_is_that_of_the_nearest_centred_vector(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 4)
    canvas, style = random_maps(0, (1, 3, 10)), random_maps(1, (1, 3, 7))
    total = 0.0
    for place in canvas[0].T:
        centred = [vector - style[0].mean(dim=1) for vector in style[0].T]
        cosines = [torch.cosine_similarity(place - canvas[0].mean(dim=1), vector, dim=0) for vector in centred]
        best = style[0].T[int(torch.stack(cosines).argmax())]
        total += 1 - torch.cosine_similarity(place, best, dim=0).item()
    assert neighbour_distance(canvas, style).item() == pytest.approx(total / 10)


def test_layers_are_brought_to_one_grid_and_count_alike(monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 8)
    fine, coarse = random_maps(0, (1, 3, 16, 12)), 1000 * random_maps(1, (1, 5, 4, 3))
    columns = hypercolumns([fine, coarse], [1.0, 1.0])
    assert columns.shape == (1, 8, 8 * 6)
    first, second = columns[:, :3], columns[:, 3:]
    pooled = avg_pool2d(fine, 2).flatten(2)
    torch.testing.assert_close(first / first.norm(), pooled / pooled.norm())
    assert first.norm().item() == pytest.approx(second.norm().item())
    heavier = hypercolumns([fine, coarse], [1.0, 4.0])
    torch.testing.assert_close(heavier[:, :3], first)
    torch.testing.assert_close(heavier[:, 3:], 2 * second)
