"""The losses: against formulas written in numpy from the papers, and the invariances they promise."""

import numpy as np
import pytest
import torch
from torch import nn

from nstkit.backbones.features import Backbone, Tap
from transfer.config import WEIGHTS
from transfer.losses import (
    Objective,
    Target,
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


def style_target(loss_content, loss_style):
    gram = gram_matrix(loss_style)
    return Target(gram, relative_style_scale(gram_matrix(loss_content), gram))


def content_target(content):
    return Target(content, relative_content_scale(content))


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
    assert torch.autograd.gradcheck(lambda features: style_loss(loss, gram_matrix(features), target), canvas)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_of_the_content_losses(loss):
    target = content_target(random_maps(0))
    canvas = random_maps(2).requires_grad_()
    assert torch.autograd.gradcheck(lambda features: content_loss(loss, features, target), canvas)


def test_gradient_of_the_scales_and_of_total_variation():
    content, style = random_maps(0).requires_grad_(), random_maps(1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: relative_style_scale(gram_matrix(a), gram_matrix(b)), (content, style))
    # The content's scale is made in float32, which is all it needs.
    assert torch.autograd.gradcheck(relative_content_scale, content, eps=1e-2, atol=1e-2, rtol=1e-2)
    assert torch.autograd.gradcheck(total_variation, content)


def test_gradient_reaches_every_pixel(backbone, content, style, settings):
    canvas = content.clone().requires_grad_()
    # At the content itself the content loss is at its lowest, so all of the gradient is the style's.
    total = Objective(backbone, content, style, settings(), "fp32")(canvas)["loss/total"]
    (gradient,) = torch.autograd.grad(total, canvas)
    assert torch.isfinite(gradient).all()
    assert (gradient != 0).float().mean() > 0.99


# The scale-free losses


@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e4])
def test_relative_losses_do_not_see_the_scale_of_the_features(factor):
    content, style, canvas = (random_maps(seed) for seed in range(3))
    styles = [
        style_loss("relative", gram_matrix(canvas * c), style_target(content * c, style * c)) for c in (1, factor)
    ]
    contents = [content_loss("relative", canvas * c, content_target(content * c)) for c in (1, factor)]
    torch.testing.assert_close(*styles)
    torch.testing.assert_close(*contents, rtol=1e-5, atol=0)
    gatys = [gatys_style_loss(gram_matrix(canvas * c), gram_matrix(style * c)) for c in (1, factor)]
    assert gatys[0] != pytest.approx(gatys[1])


def test_relative_style_loss_is_one_at_the_content_and_zero_at_the_style():
    content, style = random_maps(0), random_maps(1)
    target = style_target(content, style)
    assert style_loss("relative", gram_matrix(content), target) == 1
    assert style_loss("relative", gram_matrix(style), target) == 0


def test_relative_content_loss_is_zero_at_the_content_and_one_where_all_layout_is_lost():
    content = random_maps(0)
    target = content_target(content)
    assert content_loss("relative", content, target) == 0
    flat = content.mean(dim=(2, 3), keepdim=True).expand_as(content)
    assert content_loss("relative", flat, target).item() == pytest.approx(1, rel=1e-6)


def test_scales_have_a_floor_for_a_content_that_has_the_style_and_for_hardly_varying_maps():
    gram = gram_matrix(random_maps(0))
    assert relative_style_scale(gram, gram) == pytest.approx(0.01 * gram.square().sum())
    flat = torch.ones(1, 2, 3, 3) + 1e-4 * random_maps(1, (1, 2, 3, 3), torch.float32)
    assert relative_content_scale(flat).item() == pytest.approx(0.01 * 18, rel=1e-3)


def test_objective_is_one_at_the_content_and_zero_at_the_style(backbone, content, style_of_content_size, settings):
    objective = Objective(backbone, content, style_of_content_size, settings(tv_weight=0.0), "fp32")
    at_content, at_style = objective(content), objective(style_of_content_size)
    for tap in backbone.style_taps:
        assert at_content[f"loss/style/{tap}"].item() == pytest.approx(1, rel=1e-5)
        assert at_style[f"loss/style/{tap}"].item() == 0
    assert at_content["loss/style"].item() == pytest.approx(1, rel=1e-5)
    assert at_content["loss/content"].item() == 0
    assert at_content["loss/total"].item() == pytest.approx(10, rel=1e-5)
    assert at_style["loss/style"].item() == 0
    assert at_style["loss/total"].item() == at_style["loss/content"].item() > 0


# The conventions of the literature, written down here from the equations alone


def numpy_features(backbone, image, taps):
    """Return each tap's F (N, M) in float64."""
    with torch.no_grad():
        return {name: value[0].flatten(1).double().numpy() for name, value in backbone.features(image, taps).items()}


def numpy_neighbours(image):
    pixels = image[0].double().numpy() * 255
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
    return content_part, style_part, 5 * content_part + 100 * style_part + 1e-3 * numpy_neighbours(canvas)


@pytest.mark.parametrize(("loss", "formula"), [("gatys", numpy_gatys), ("neural-style", numpy_neural_style)])
def test_convention_is_the_literatures(loss, formula, backbone, content, style_of_content_size, draw_picture, settings):
    canvas = (0.7 * content + 0.3 * style_of_content_size.flip(3)).contiguous()
    losses = Objective(backbone, content, style_of_content_size, settings(loss=loss), "fp32")(canvas)
    expected = formula(backbone, canvas, content, style_of_content_size)
    found = [losses[tag].item() for tag in ("loss/content", "loss/style", "loss/total")]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_neural_style_divides_each_gram_by_its_own_size(backbone, content, style, settings):
    losses = Objective(backbone, content, style, settings(loss="neural-style"), "fp32")(content)
    assert losses["loss/style"].item() == pytest.approx(
        numpy_neural_style(backbone, content, content, style)[1], rel=1e-4
    )


def test_loss_functions_by_hand():
    gram, target = torch.tensor([[[1.0, 2.0], [2.0, 5.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    assert gatys_style_loss(gram, target) == 24 / (4 * 4)
    assert neural_style_style_loss(gram, target) == (24 / 4) / 4
    features, goal = torch.full((1, 2, 1, 3), 2.0), torch.full((1, 2, 1, 3), 5.0)
    assert gatys_content_loss(features, goal) == 27
    assert neural_style_content_loss(features, goal) == 9


def test_total_variation_by_hand_and_its_units(backbone, content, style, settings):
    image = torch.tensor([[[[0.0, 0.5, 0.5], [1.0, 0.5, 0.25]]]]).expand(1, 3, 2, 3)
    assert total_variation(image) == 3 * ((0.5 + 0 + 0.5 + 0.25) + (1 + 0 + 0.25))
    for loss, scale in (("relative", 1 / content.numel()), ("neural-style", 255)):
        objective = Objective(backbone, content, style, settings(loss=loss, tv_weight=2.0), "fp32")
        losses = objective(content)
        assert losses["loss/tv"].item() == pytest.approx(scale * numpy_neighbours(content) / 255, rel=1e-5)
        weights = settings(loss=loss)
        parts = weights.style_weight * losses["loss/style"] + weights.content_weight * losses["loss/content"]
        assert losses["loss/total"].item() == pytest.approx((parts + 2 * losses["loss/tv"]).item(), rel=1e-6)


# What the objective takes and leaves out


def test_weights_and_taps_of_the_settings_hold(backbone, content, style, settings):
    weights = {"style_weight": 3.0, "content_weight": 0.0, "tv_weight": 0.0}
    config = settings(style_taps=("relu1_1", "conv2_1"), content_taps=("pool2",), **weights)
    losses = Objective(backbone, content, style, config, "fp32")(content)
    assert set(losses) == {
        *("loss/total", "loss/style", "loss/content"),
        *("loss/style/relu1_1", "loss/style/conv2_1", "loss/content/pool2"),
    }
    assert losses["loss/total"].item() == pytest.approx(3 * losses["loss/style"].item())


class PartlyDead(nn.Module):
    """A convolution that varies, one that is the same everywhere, and one whose maps are all zero."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.alive, self.constant, self.dead = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        for layer, value in ((self.constant, 0.7), (self.dead, 0.0)):
            nn.init.zeros_(layer.weight)
            nn.init.constant_(layer.bias, value)

    def forward(self, image):
        return self.dead(self.constant(self.alive(image)))


@pytest.fixture
def partly_dead():
    taps = {name: Tap(name, name, 4, 1) for name in ("alive", "constant", "dead")}
    return Backbone(
        PartlyDead(), label="test", taps=taps, style_taps=taps, content_taps=taps, mean=[0.0] * 3, std=[1.0] * 3
    )


def test_taps_that_do_not_vary_are_left_out_with_a_warning(partly_dead, content, style, settings):
    with pytest.warns(UserWarning, match="left out") as caught:
        objective = Objective(partly_dead, content, style, settings(), "fp32")
    assert sorted(str(warning.message).split(" do not")[0] for warning in caught) == sorted(
        2 * ["test: the features of constant", "test: the features of dead"]
    )
    assert set(objective.style_targets) == set(objective.content_targets) == {"alive"}
    losses = objective(content)
    assert losses["loss/style"] == losses["loss/style/alive"]
    assert "loss/style/constant" not in losses


# Precision


@pytest.mark.parametrize("loss", LOSSES)
def test_bfloat16_gives_finite_losses_and_gradients_near_those_of_float32(loss, backbone, content, style, settings):
    canvas = (0.5 + 0.5 * content).requires_grad_()
    found = {}
    for precision in ("fp32", "bf16"):
        objective = Objective(backbone, content, style, settings(loss=loss), precision)
        losses = objective(canvas)
        (gradient,) = torch.autograd.grad(losses["loss/total"], canvas)
        found[precision] = (losses, gradient)
        assert torch.isfinite(gradient).all()
        assert {target.value.dtype for target in objective.style_targets.values()} == {torch.float32}
    full, half = found["fp32"], found["bf16"]
    for tag in ("loss/total", "loss/style", "loss/content"):
        assert half[0][tag].item() == pytest.approx(full[0][tag].item(), rel=0.05)
        assert half[0][tag].dtype == torch.float32
    assert torch.cosine_similarity(full[1].flatten(), half[1].flatten(), dim=0) > 0.9
