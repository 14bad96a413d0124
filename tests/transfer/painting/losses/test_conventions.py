"""The conventions: against formulas written in numpy from the papers, and what the relative one promises."""

import numpy as np
import pytest
import torch

from transfer.painting.losses.conventions import CONVENTIONS, mean_variation, variation_of_levels
from transfer.painting.losses.functions import (
    channel_moments,
    gatys_style_loss,
    relative_content_scale,
    relative_style_scale,
    squared_distance,
    total_variation,
)
from transfer.painting.losses.objective import Objective
from transfer.painting.losses.statistics.gram import gram_matrix
from transfer.painting.scene import Scene
from transfer.painting.settings import WEIGHTS

LOSSES = tuple(WEIGHTS)


def random_maps(seed, shape=(1, 5, 6, 7), dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def style_target(content, style):
    """Return the target of a style loss and the scale of the relative one."""
    gram = gram_matrix(style)
    return gram, relative_style_scale(gram_matrix(content), lambda summary: squared_distance(summary, gram))


def style_loss(loss, gram, target, scale):
    return (CONVENTIONS[loss].style or squared_distance)(gram, target) / (scale if loss == "relative" else 1)


def content_loss(loss, features, target, scale):
    positions = target.shape[2] * target.shape[3]
    scale = scale if loss == "relative" else CONVENTIONS[loss].content_scale(channel_moments(target), positions)
    return CONVENTIONS[loss].content(features, target) / scale


def content_target(content):
    return content, relative_content_scale(channel_moments(content), content.shape[2] * content.shape[3])


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


# The conventions of the literature, written down here from the equations alone


def numpy_features(backbone, image, taps):
    """Return each tap's F (N, M) in float64."""
    with torch.no_grad():
        return {name: value[0].flatten(1).double().numpy() for name, value in backbone.features(image, taps).items()}


def numpy_neighbours(image):
    pixels = image[0].double().numpy()
    return np.abs(np.diff(pixels, axis=1)).sum() + np.abs(np.diff(pixels, axis=2)).sum()


def numpy_gatys(backbone, canvas, content, style):
    """Gatys, Ecker, Bethge 2016: eq. 1 (content), 3 (Gram), 4 (one layer's style), 5 with w_l = 1/5, 7."""
    f, p, s = (
        numpy_features(backbone, x, backbone.style_taps + backbone.content_taps) for x in (canvas, content, style)
    )
    content_part = sum(0.5 * ((f[tap] - p[tap]) ** 2).sum() for tap in backbone.content_taps)
    style_part = 0.0
    for tap in backbone.style_taps:
        n, m = f[tap].shape
        style_part += 1 / 5 * ((f[tap] @ f[tap].T - s[tap] @ s[tap].T) ** 2).sum() / (4 * n**2 * m**2)
    return content_part, style_part, 1.0 * content_part + 1e3 * style_part


def numpy_neural_style(backbone, canvas, content, style):
    """neural_style.lua: G = F F^T / (N M), MSE criteria, layers summed, strengths 5 and 100, TVLoss 1e-3."""
    f, p, s = (
        numpy_features(backbone, x, backbone.style_taps + backbone.content_taps) for x in (canvas, content, style)
    )
    content_part = sum(((f[tap] - p[tap]) ** 2).mean() for tap in backbone.content_taps)
    style_part = sum(
        ((f[tap] @ f[tap].T / f[tap].size - s[tap] @ s[tap].T / s[tap].size) ** 2).mean() for tap in backbone.style_taps
    )
    return content_part, style_part, 5 * content_part + 100 * style_part + 1e-3 * 256 * numpy_neighbours(canvas)


def numpy_keras(backbone, canvas, content, style):
    """neural_style_transfer.py of keras.io: sums, 3 channels and the picture's size at every layer, 1.25 in the TV."""
    taps = backbone.style_taps + backbone.content_taps
    f, p, s = (numpy_features(backbone, x, taps) for x in (canvas, content, style))
    content_part = sum(((f[tap] - p[tap]) ** 2).sum() for tap in backbone.content_taps)
    size = canvas.shape[2] * canvas.shape[3]
    style_part = sum(
        ((f[tap] @ f[tap].T - s[tap] @ s[tap].T) ** 2).sum() / (4.0 * 3**2 * size**2) / 5 for tap in backbone.style_taps
    )
    x = 255 * canvas[0].double().numpy()
    a, b = (x[:, :-1, :-1] - x[:, 1:, :-1]) ** 2, (x[:, :-1, :-1] - x[:, :-1, 1:]) ** 2
    return content_part, style_part, 2.5e-8 * content_part + 1e-6 * style_part + 1e-6 * ((a + b) ** 1.25).sum()


def numpy_tensorflow(backbone, canvas, content, style):
    """style_transfer.ipynb of tensorflow.org: means, Grams over the positions, tf.image.total_variation."""
    taps = backbone.style_taps + backbone.content_taps
    f, p, s = (numpy_features(backbone, x, taps) for x in (canvas, content, style))
    content_part = np.mean([((f[tap] - p[tap]) ** 2).mean() for tap in backbone.content_taps])
    style_part = np.mean(
        [
            ((f[tap] @ f[tap].T / f[tap].shape[1] - s[tap] @ s[tap].T / s[tap].shape[1]) ** 2).mean()
            for tap in backbone.style_taps
        ]
    )
    return content_part, style_part, 1e4 * content_part + 1e-2 * style_part + 30 * numpy_neighbours(canvas)


FORMULAS = {
    "gatys": numpy_gatys,
    "neural-style": numpy_neural_style,
    "keras": numpy_keras,
    "tensorflow": numpy_tensorflow,
}


@pytest.mark.parametrize(("loss", "formula"), FORMULAS.items())
def test_convention_is_the_literatures(loss, formula, backbone, content, style_of_content_size, settings):
    canvas = (0.7 * content + 0.3 * style_of_content_size.flip(3)).contiguous()
    losses = Objective(backbone, Scene(content, style_of_content_size), settings(loss=loss).losses, "fp32")(canvas)
    expected = formula(backbone, canvas, content, style_of_content_size)
    found = [losses[tag].item() for tag in ("loss/content", "loss/style", "loss/total")]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_neural_style_divides_each_gram_by_its_own_size(backbone, content, style, settings):
    losses = Objective(backbone, Scene(content, style), settings(loss="neural-style").losses, "fp32")(content)
    assert losses["loss/style"].item() == pytest.approx(
        numpy_neural_style(backbone, content, content, style)[1], rel=1e-4
    )


def test_total_variation_has_the_units_of_its_convention(backbone, content, style, settings):
    for loss, scale in (("relative", 1 / content.numel()), ("neural-style", 256)):
        objective = Objective(backbone, Scene(content, style), settings(loss=loss, tv_weight=2.0).losses, "fp32")
        losses = objective(content)
        assert losses["loss/tv"].item() == pytest.approx(scale * numpy_neighbours(content), rel=1e-5)
        weights = settings(loss=loss).losses
        parts = weights.style_weight * losses["loss/style"] + weights.content_weight * losses["loss/content"]
        assert losses["loss/total"].item() == pytest.approx((parts + 2 * losses["loss/tv"]).item(), rel=1e-6)


def test_every_loss_has_a_convention_and_weights():
    assert set(CONVENTIONS) == set(WEIGHTS)


def test_absolute_losses_have_no_scale_but_the_count_of_values():
    content, style = gram_matrix(random_maps(0)), gram_matrix(random_maps(1))
    for loss in FORMULAS:
        assert CONVENTIONS[loss].style_scale(content, lambda summary: squared_distance(summary, style)) == 1
        scale = CONVENTIONS[loss].content_scale(channel_moments(random_maps(0)), 6 * 7)
        assert scale == (5 * 6 * 7 if loss in ("neural-style", "tensorflow") else 1)


def test_variation_is_a_mean_or_in_levels():
    image = torch.rand(1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert mean_variation(image).item() == pytest.approx(total_variation(image).item() / 60)
    assert variation_of_levels(image).item() == pytest.approx(256 * total_variation(image).item())
