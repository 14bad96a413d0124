"""The loss of a canvas: the conventions of the literature over a whole network, and what is taken and left out."""

import pytest
import torch
from torch import nn

from nstkit.backbones.backbone import Backbone, Tap
from transfer.painting.losses.objective import Objective
from transfer.painting.scene import Scene
from transfer.painting.settings import WEIGHTS

LOSSES = tuple(WEIGHTS)


def test_gradient_reaches_every_pixel(backbone, content, style, settings):
    canvas = content.clone().requires_grad_()
    # At the content itself the content loss is at its lowest, so all of the gradient is the style's.
    total = Objective(backbone, Scene(content, style), settings().losses, "fp32")(canvas)["loss/total"]
    (gradient,) = torch.autograd.grad(total, canvas)
    assert torch.isfinite(gradient).all()
    assert (gradient != 0).float().mean() > 0.99


def test_objective_is_one_at_the_content_and_zero_at_the_style(backbone, content, style_of_content_size, settings):
    objective = Objective(backbone, Scene(content, style_of_content_size), settings(tv_weight=0.0).losses, "fp32")
    at_content, at_style = objective(content), objective(style_of_content_size)
    for tap in backbone.style_taps:
        assert at_content[f"loss/style/{tap}"].item() == pytest.approx(1, rel=1e-5)
        assert at_style[f"loss/style/{tap}"].item() == 0
    assert at_content["loss/style"].item() == pytest.approx(1, rel=1e-5)
    assert at_content["loss/content"].item() == 0
    assert at_content["loss/total"].item() == pytest.approx(30, rel=1e-5)
    assert at_style["loss/style"].item() == 0
    assert at_style["loss/total"].item() == at_style["loss/content"].item() > 0


@pytest.mark.parametrize("factor", [0.01, 30.0])
def test_relative_loss_does_not_see_the_scale_of_a_networks_weights(factor, backbone, content, style, settings):
    canvas = (0.5 + 0.5 * content.flip(3)).contiguous()
    found = {loss: [] for loss in LOSSES}
    for c in (1.0, factor):
        with torch.no_grad():
            for parameter in backbone.network.features[0].parameters():
                parameter.mul_(c)  # ReLU, pooling and convolutions without bias pass the factor on to all layers
        for loss, values in found.items():
            losses = Objective(backbone, Scene(content, style), settings(loss=loss, tv_weight=0.0).losses, "fp32")(
                canvas
            )
            values.append(losses)
    for tag, value in found["relative"][0].items():
        assert value.item() == pytest.approx(found["relative"][1][tag].item(), rel=1e-4)
    for loss in ("gatys", "neural-style"):
        for kind, power in (("style", 4), ("content", 2)):
            before, after = (losses[f"loss/{kind}"].item() for losses in found[loss])
            assert after == pytest.approx(before * factor**power, rel=1e-3)


# What the objective takes and leaves out


def test_weights_and_taps_of_the_settings_hold(backbone, content, style, settings):
    weights = {"style_weight": 3.0, "content_weight": 0.0, "tv_weight": 0.0}
    config = settings(style_taps=("relu1_1", "conv2_1"), content_taps=("pool2",), **weights)
    losses = Objective(backbone, Scene(content, style), config.losses, "fp32")(content)
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


def test_taps_that_do_not_vary_are_left_out_with_a_warning(partly_dead, content, style, settings, parts_of):
    with pytest.warns(UserWarning, match="left out") as caught:
        objective = Objective(partly_dead, Scene(content, style), settings().losses, "fp32")
    assert sorted(str(warning.message).split(" do not")[0] for warning in caught) == sorted(
        2 * ["test: the features of constant", "test: the features of dead"]
    )
    assert [(part.kind, part.tap) for part in parts_of(objective)] == [("style", "alive"), ("content", "alive")]
    losses = objective(content)
    assert losses["loss/style"] == losses["loss/style/alive"]
    assert "loss/style/constant" not in losses


# Precision


@pytest.mark.numerics
@pytest.mark.parametrize("loss", LOSSES)
def test_bfloat16_gives_finite_losses_and_gradients_near_those_of_float32(
    loss, backbone, content, style, settings, parts_of
):
    canvas = (0.5 + 0.5 * content).requires_grad_()
    found = {}
    for precision in ("fp32", "bf16"):
        objective = Objective(backbone, Scene(content, style), settings(loss=loss).losses, precision)
        losses = objective(canvas)
        (gradient,) = torch.autograd.grad(losses["loss/total"], canvas)
        found[precision] = (losses, gradient)
        assert torch.isfinite(gradient).all()
        grams = [part.target for part in parts_of(objective) if part.kind == "style"]
        assert {gram.dtype for gram in grams} == {torch.float32}
    full, half = found["fp32"], found["bf16"]
    for tag in ("loss/total", "loss/style", "loss/content"):
        assert half[0][tag].item() == pytest.approx(full[0][tag].item(), rel=0.05)
        assert half[0][tag].dtype == torch.float32
    assert torch.cosine_similarity(full[1].flatten(), half[1].flatten(), dim=0) > 0.9


# A texture, and what content alone keeps


def test_texture_has_no_content_and_is_one_at_the_start(backbone, style, settings, draw_picture, parts_of):
    start = torch.rand(style.shape, generator=torch.Generator().manual_seed(0))
    objective = Objective(backbone, Scene(None, style, start), settings(mode="texture", tv_weight=3.0).losses, "fp32")
    losses = objective(start)
    assert {part.kind for part in parts_of(objective)} == {"style"}
    assert losses["loss/style"].item() == pytest.approx(1, rel=1e-5)
    assert losses["loss/content"] == 0
    assert not [tag for tag in losses if tag.startswith("loss/content/")]
    at_style = objective(style)
    assert at_style["loss/style"] == 0
    assert at_style["loss/total"].item() == pytest.approx(3 * at_style["loss/tv"].item())
    assert losses["loss/total"].item() == pytest.approx(30 + 3 * losses["loss/tv"].item(), rel=1e-5)


def test_content_alone_has_no_style(backbone, content, settings, parts_of):
    objective = Objective(backbone, Scene(content, None), settings(mode="content", tv_weight=0.0).losses, "fp32")
    assert [(part.kind, part.tap) for part in parts_of(objective)] == [("content", "relu4_2")]
    assert objective(content)["loss/total"] == 0
    losses = objective(1 - content)
    assert losses["loss/total"] == losses["loss/content"] == losses["loss/content/relu4_2"] > 0
    assert losses["loss/style"] == 0
    assert not objective.facts
