"""The losses: against formulas written in numpy from the papers, and the invariances they promise."""

import pytest
import torch

from transfer.painting.losses.functions import (
    channel_moments,
    count_of_values,
    gatys_content_loss,
    gatys_style_loss,
    neural_style_style_loss,
    relative_content_scale,
    relative_style_scale,
    squared_distance,
    total_variation,
    varies,
)
from transfer.painting.losses.statistics.gram import gram_matrix

pytestmark = pytest.mark.numerics


def random_maps(seed, shape=(1, 5, 6, 7), dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def test_squared_distance_of_half_precision_is_summed_in_float32():
    a, b = torch.ones(1, 4, 64, 64, dtype=torch.bfloat16), torch.zeros(1, 4, 64, 64, dtype=torch.bfloat16)
    a[0, 0, 0, 0] = 3
    assert squared_distance(a, b).item() == 4 * 64 * 64 + 8  # the nearest bfloat16 is 16384


# Gradients


def test_gradient_of_the_scales_and_of_total_variation():
    content, style = random_maps(0).requires_grad_(), random_maps(1).requires_grad_()
    goal = gram_matrix(style)
    distance = lambda summary: squared_distance(summary, goal)  # noqa: E731
    assert torch.autograd.gradcheck(lambda maps: relative_style_scale(gram_matrix(maps), distance), content)
    # The content's scale is given in float32, which is all it needs.
    scale = lambda maps: relative_content_scale(channel_moments(maps), 42)  # noqa: E731
    assert torch.autograd.gradcheck(scale, content, eps=1e-2, atol=1e-2, rtol=1e-2)
    assert torch.autograd.gradcheck(total_variation, content)


# The scale-free losses


def test_scales_have_a_floor_for_a_content_that_has_the_style_and_for_hardly_varying_maps():
    gram = gram_matrix(random_maps(0))
    scale = relative_style_scale(gram, lambda summary: squared_distance(summary, gram))
    assert scale == pytest.approx(0.01 * gram.square().sum())
    flat = torch.ones(1, 2, 3, 3) + 1e-4 * random_maps(1, (1, 2, 3, 3), torch.float32)
    assert relative_content_scale(channel_moments(flat), 9).item() == pytest.approx(0.01 * 18, rel=1e-3)


# The conventions of the literature


def test_loss_functions_by_hand():
    gram, target = torch.tensor([[[1.0, 2.0], [2.0, 5.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert gatys_style_loss(gram, target) == 24 / (4 * 4)
    assert neural_style_style_loss(gram, target) == (24 / 4) / 4
    features, goal = torch.full((1, 2, 1, 3), 2.0), torch.full((1, 2, 1, 3), 5.0)
    assert gatys_content_loss(features, goal) == 27
    moments = channel_moments(goal)
    assert squared_distance(features, goal) / count_of_values(moments, 3) == 9


def test_total_variation_by_hand():
    image = torch.tensor([[[[0.0, 0.5, 0.5], [1.0, 0.5, 0.25]]]]).expand(1, 3, 2, 3)
    assert total_variation(image) == 3 * ((0.5 + 0 + 0.5 + 0.25) + (1 + 0 + 0.25))


# What carries something


def varies_in(maps):
    return varies(channel_moments(maps))


def test_maps_that_do_not_vary_or_are_not_finite_carry_nothing():
    flat = torch.full((1, 3, 4, 5), 7.0)
    assert varies_in(random_maps(0))
    assert not varies_in(flat)
    assert not varies_in(torch.zeros(1, 3, 4, 5))
    assert not varies_in(flat + 1e-4 * random_maps(1, (1, 3, 4, 5), torch.float32))  # by a millionth of their energy
    assert varies_in(flat + 0.1 * random_maps(1, (1, 3, 4, 5), torch.float32))
    assert not varies_in(random_maps(0) * float("inf"))
    assert varies_in(random_maps(0).to(torch.bfloat16))
