"""The losses: against formulas written in numpy from the papers, and the invariances they promise."""

import numpy as np
import pytest
import torch

from transfer.config import WEIGHTS
from transfer.losses import (
    content_loss,
    gatys_content_loss,
    gatys_style_loss,
    gram_matrix,
    neural_style_content_loss,
    neural_style_style_loss,
    relative_content_scale,
    relative_style_scale,
    squared_distance,
    style_loss,
    total_variation,
)

LOSSES = tuple(WEIGHTS)


def random_maps(seed, shape=(1, 5, 6, 7), dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def style_target(content, style):
    """Return the target of a style loss and the scale of the relative one."""
    gram = gram_matrix(style)
    return gram, relative_style_scale(gram_matrix(content), gram)


def content_target(content):
    return content, relative_content_scale(content)


# Gram


def test_gram_of_two_channels_by_hand():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    assert gram_matrix(features).tolist() == [[[2.5, 5.5], [5.5, 12.5]]]


def test_gram_is_the_mean_of_the_products_of_channels():
    features = random_maps(0, (2, 3, 4, 5))
    expected = np.einsum("bchw,bdhw->bcd", features.numpy(), features.numpy()) / 20
    np.testing.assert_allclose(gram_matrix(features).numpy(), expected, rtol=1e-12)


def test_gram_is_symmetric_and_positive_semidefinite():
    gram = gram_matrix(random_maps(1, (1, 8, 2, 3)))[0]  # 8 channels at 6 positions: singular
    torch.testing.assert_close(gram, gram.T, rtol=0, atol=0)
    eigenvalues = torch.linalg.eigvalsh(gram)
    assert eigenvalues.min() > -1e-12 * eigenvalues.max()
    assert (eigenvalues > 1e-9 * eigenvalues.max()).sum() == 6


def test_gram_forgets_where_things_are():
    features = random_maps(2)
    order = torch.randperm(42, generator=torch.Generator().manual_seed(3))
    permuted = features.flatten(2)[:, :, order].view_as(features)
    torch.testing.assert_close(gram_matrix(permuted), gram_matrix(features))
    assert not torch.allclose(gram_matrix(features.flip(1)), gram_matrix(features))


@pytest.mark.parametrize(("dtype", "naive_error"), [(torch.bfloat16, 1e-3), (torch.float16, float("inf"))])
def test_gram_of_half_precision_is_summed_in_float32(dtype, naive_error):
    features = (5 + random_maps(4, (1, 4, 64, 64))).to(dtype)
    gram, reference = gram_matrix(features), gram_matrix(features.double())
    flat = features.flatten(2)
    naive = flat @ flat.transpose(1, 2) / 4096  # rounded to 8 bits, and more than float16 can hold
    assert ((naive - reference).abs() / reference).max() >= naive_error
    assert gram.dtype == torch.float32
    torch.testing.assert_close(gram.double(), reference, rtol=1e-5, atol=0)


def test_squared_distance_of_half_precision_is_summed_in_float32():
    a, b = torch.ones(1, 4, 64, 64, dtype=torch.bfloat16), torch.zeros(1, 4, 64, 64, dtype=torch.bfloat16)
    a[0, 0, 0, 0] = 3
    assert squared_distance(a, b).item() == 4 * 64 * 64 + 8  # the nearest bfloat16 is 16384


# Gradients


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_of_the_style_losses(loss):
    target = style_target(random_maps(0), random_maps(1, (1, 5, 4, 3)))
    canvas = random_maps(2).requires_grad_()
    assert torch.autograd.gradcheck(lambda features: style_loss(loss, gram_matrix(features), *target), canvas)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_of_the_content_losses(loss):
    target = content_target(random_maps(0))
    canvas = random_maps(2).requires_grad_()
    assert torch.autograd.gradcheck(lambda features: content_loss(loss, features, *target), canvas)


def test_gradient_of_the_gram():
    assert torch.autograd.gradcheck(gram_matrix, random_maps(0, (2, 3, 2, 3)).requires_grad_())


def test_gradient_of_the_scales_and_of_total_variation():
    content, style = random_maps(0).requires_grad_(), random_maps(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: relative_style_scale(gram_matrix(a), gram_matrix(b)), (content, style))
    # The content's scale is made in float32, which is all it needs.
    assert torch.autograd.gradcheck(relative_content_scale, content, eps=1e-2, atol=1e-2, rtol=1e-2)
    assert torch.autograd.gradcheck(total_variation, content)


# The scale-free losses


@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e4])
def test_relative_losses_do_not_see_the_scale_of_the_features(factor):
    content, style, canvas = (random_maps(seed) for seed in range(3))
    styles = [
        style_loss("relative", gram_matrix(canvas * c), *style_target(content * c, style * c)) for c in (1, factor)
    ]
    contents = [content_loss("relative", canvas * c, *content_target(content * c)) for c in (1, factor)]
    torch.testing.assert_close(*styles)
    torch.testing.assert_close(*contents, rtol=1e-5, atol=0)
    gatys = [gatys_style_loss(gram_matrix(canvas * c), gram_matrix(style * c)) for c in (1, factor)]
    assert gatys[0] != pytest.approx(gatys[1])


def test_relative_style_loss_is_one_at_the_content_and_zero_at_the_style():
    content, style = random_maps(0), random_maps(1)
    target = style_target(content, style)
    assert style_loss("relative", gram_matrix(content), *target) == 1
    assert style_loss("relative", gram_matrix(style), *target) == 0


def test_relative_content_loss_is_zero_at_the_content_and_one_where_all_layout_is_lost():
    content = random_maps(0)
    target = content_target(content)
    assert content_loss("relative", content, *target) == 0
    flat = content.mean(dim=(2, 3), keepdim=True).expand_as(content)
    assert content_loss("relative", flat, *target).item() == pytest.approx(1, rel=1e-6)


def test_scales_have_a_floor_for_a_content_that_has_the_style_and_for_hardly_varying_maps():
    gram = gram_matrix(random_maps(0))
    assert relative_style_scale(gram, gram) == pytest.approx(0.01 * gram.square().sum())
    flat = torch.ones(1, 2, 3, 3) + 1e-4 * random_maps(1, (1, 2, 3, 3), torch.float32)
    assert relative_content_scale(flat).item() == pytest.approx(0.01 * 18, rel=1e-3)


# The conventions of the literature


def test_loss_functions_by_hand():
    gram, target = torch.tensor([[[1.0, 2.0], [2.0, 5.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert gatys_style_loss(gram, target) == 24 / (4 * 4)
    assert neural_style_style_loss(gram, target) == (24 / 4) / 4
    features, goal = torch.full((1, 2, 1, 3), 2.0), torch.full((1, 2, 1, 3), 5.0)
    assert gatys_content_loss(features, goal) == 27
    assert neural_style_content_loss(features, goal) == 9


def test_total_variation_by_hand():
    image = torch.tensor([[[[0.0, 0.5, 0.5], [1.0, 0.5, 0.25]]]]).expand(1, 3, 2, 3)
    assert total_variation(image) == 3 * ((0.5 + 0 + 0.5 + 0.25) + (1 + 0 + 0.25))


def test_gatys_is_the_papers_sum_over_all_pairs_of_channels():
    canvas, style, content = random_maps(0, (1, 3, 2, 4)), random_maps(1, (1, 3, 2, 4)), random_maps(2, (1, 3, 2, 4))
    f, s, p = (maps[0].flatten(1).tolist() for maps in (canvas, style, content))
    style_part = content_part = 0.0
    for i in range(3):
        for j in range(3):  # equations 3 and 4: G_ij = sum_k F_ik F_jk, E = sum (G - A)^2 / (4 N^2 M^2)
            g, a = (sum(x[i][k] * x[j][k] for k in range(8)) for x in (f, s))
            style_part += (g - a) ** 2 / (4 * 3**2 * 8**2)
    for row, goal in zip(f, p, strict=True):  # equation 1
        content_part += sum((x - y) ** 2 for x, y in zip(row, goal, strict=True)) / 2
    one = torch.ones((), dtype=torch.float64)
    assert style_loss("gatys", gram_matrix(canvas), gram_matrix(style), one).item() == pytest.approx(style_part)
    assert content_loss("gatys", canvas, content, one).item() == pytest.approx(content_part)


def test_neural_style_gives_the_numbers_of_the_package():
    """Against neural-style 0.5.7 (PyPI), whose StyleLoss, ContentLoss and TVLoss gave the numbers below.

    The package parses the command line on import, so it is not imported here. On random features of five shapes, up to
    512 channels, of which the style's differ in size, losses and gradients agreed to 2e-7 in float32 and to 4e-16 in
    float64.
    """
    index = torch.arange(24, dtype=torch.float64)
    canvas, content = torch.sin(0.7 * index).view(1, 3, 2, 4), torch.cos(0.5 * index).view(1, 3, 2, 4)
    style = torch.cos(0.3 * index[:18]).view(1, 3, 3, 2)
    one = torch.ones((), dtype=torch.float64)
    gram = gram_matrix(canvas) / 3  # theirs is divided by the count of channels too
    first_row = [0.17047422525993752, 0.11955312647519734, 0.014968425866829184]
    assert gram[0, 0].tolist() == pytest.approx(first_row, rel=1e-12)
    found = style_loss("neural-style", gram_matrix(canvas), gram_matrix(style), one)
    assert found.item() == pytest.approx(0.019253784123984, rel=1e-12)
    found = content_loss("neural-style", canvas, content, one)
    assert found.item() == pytest.approx(0.684735246602174, rel=1e-12)
    assert total_variation(canvas).item() == pytest.approx(23.2672484536791, rel=1e-12)
