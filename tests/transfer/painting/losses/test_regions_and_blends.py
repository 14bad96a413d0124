"""The style term over regions and blends: guided Grams, shares, what is too small, what jitter moves."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from transfer.painting.losses.objective import Objective
from transfer.painting.losses.statistics.gram import gram_matrix
from transfer.painting.losses.statistics.table import STATISTICS
from transfer.painting.regions import Region
from transfer.painting.scene import Scene

SHALLOW = {"style_taps": ("relu1_1", "relu2_1=2", "relu3_1"), "content_taps": ("relu3_2",), "tv_weight": 0.0}


def numbers(losses):
    return {tag: value.item() for tag, value in losses.items()}


def ones(picture):
    return torch.ones(1, 1, *picture.shape[2:])


def left_half(picture):
    guide = torch.zeros(1, 1, *picture.shape[2:])
    guide[..., : picture.shape[3] // 2] = 1
    return guide


@pytest.fixture
def canvas(content):
    """A picture that is neither content nor style."""
    return (0.3 + 0.4 * content.flip(3) + 0.3 * content.flip(2)).contiguous()


@pytest.fixture
def losses_of(backbone, settings):
    def measure(scene, canvas, shift=(0, 0), **given):
        objective = Objective(backbone, scene, settings(**{**SHALLOW, **given}).losses, "fp32")
        return objective, numbers(objective(canvas, shift))

    return measure


@pytest.mark.parametrize("statistic", STATISTICS)
def test_mask_that_is_one_everywhere_changes_nothing(statistic, content, style, canvas, losses_of):
    whole = Scene(content, style)
    masked = replace(whole, regions=(Region("#ffffff", ones(content), (ones(style),)),))
    plain, guided = (losses_of(scene, canvas, statistic=statistic)[1] for scene in (whole, masked))
    assert guided["loss/style"] == pytest.approx(plain["loss/style"], rel=1e-5)
    assert guided["loss/total"] == pytest.approx(plain["loss/total"], rel=1e-5)


def test_masked_grams_of_ones_are_the_unmasked_to_a_millionth(backbone, content, style, settings, parts_of):
    whole = Scene(content, style)
    masked = replace(whole, regions=(Region("#ffffff", ones(content), (ones(style),)),))
    targets = [
        [part.target for part in parts_of(Objective(backbone, scene, settings().losses, "fp32"))]
        for scene in (whole, masked)
    ]
    for plain, guided in zip(*targets, strict=True):
        assert ((plain - guided).norm() / plain.norm()).item() < 1e-6


@pytest.mark.parametrize("statistic", STATISTICS)
def test_every_statistic_is_one_at_the_content_and_zero_at_the_style(
    statistic, backbone, content, style_of_content_size, losses_of
):
    scene = Scene(content, style_of_content_size)
    objective, at_content = losses_of(scene, content, statistic=statistic)
    assert at_content["loss/style"] == pytest.approx(1, rel=1e-4)
    assert numbers(objective(style_of_content_size))["loss/style"] == pytest.approx(0, abs=1e-5)
    tags = {tag for tag in at_content if tag.startswith("loss/style/")}
    joined = (
        {"loss/style/taps"}
        if STATISTICS[statistic].joins_taps
        else {"loss/style/relu1_1", "loss/style/relu2_1", "loss/style/relu3_1"}
    )
    assert tags == joined


def test_regions_are_measured_apart_and_weigh_their_share(backbone, content, style, canvas, losses_of):
    left, whole_style = left_half(content), ones(style)
    regions = (Region("#ff0000", left, (whole_style,), 0.5), Region("#0000ff", 1 - left, (whole_style,), 0.5))
    _, found = losses_of(Scene(content, style, regions=regions), canvas, loss="neural-style", style_taps=("relu1_1",))
    features, goal = (backbone.features(picture, ["relu1_1"])["relu1_1"] for picture in (canvas, style))
    for part, name in ((features[..., :24], "#ff0000"), (features[..., 24:], "#0000ff")):
        expected = ((gram_matrix(part) - gram_matrix(goal)) / part.shape[1]).square().mean().item()
        assert found[f"loss/style/relu1_1/{name}"] == pytest.approx(expected, rel=1e-4)
    parts = [found[f"loss/style/relu1_1/{name}"] for name in ("#ff0000", "#0000ff")]
    assert found["loss/style"] == pytest.approx(sum(parts) / 2, rel=1e-5)


def test_strokes_are_as_strong_in_a_small_region_as_in_the_whole(content, style, canvas, backbone, settings):
    """At the style's distance of 1 a region's gradient, at its pixels, has the size of the whole picture's."""
    gradients = []
    for regions in ((), (Region("#ff0000", left_half(content), (ones(style),), 0.5),)):
        scene = Scene(content, style, regions=regions)
        objective = Objective(backbone, scene, settings(**SHALLOW, loss="gatys").losses, "fp32")
        image = canvas.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(objective(image)["loss/style"], image)
        gradients.append(gradient[..., :16].abs().mean().item())
    assert 0.4 < gradients[1] / gradients[0] < 2.5


def test_too_small_a_region_is_left_out_where_it_is_and_said(content, style, canvas, losses_of):
    corner = torch.zeros_like(ones(content))
    corner[..., :3, :3] = 1
    scene = Scene(content, style, regions=(Region("#ff0000", corner, (ones(style),), 0.1),))
    with pytest.warns(UserWarning, match="region #ff0000 is smaller than the stride of relu3_1, it is left out there"):
        _, found = losses_of(scene, canvas)
    assert {tag for tag in found if tag.startswith("loss/style/")} == {
        "loss/style/relu1_1/#ff0000",
        "loss/style/relu2_1/#ff0000",
    }


@pytest.mark.parametrize("shift", [(0, 0), (8, -16)])
def test_regions_move_with_the_canvas(shift, content, style, canvas, losses_of):
    left = left_half(content)
    region = Region("#ff0000", left, (ones(style),), 0.5)
    _, found = losses_of(Scene(content, style, regions=(region,)), canvas, shift, loss="gatys")
    rolled = [torch.from_numpy(np.roll(picture.numpy(), shift, axis=(2, 3))) for picture in (content, canvas, left)]
    moved = replace(region, content=rolled[2])
    _, expected = losses_of(Scene(rolled[0], style, regions=(moved,)), rolled[1], loss="gatys")
    assert found == pytest.approx(expected, rel=1e-4)


# Blends


@pytest.mark.parametrize("statistic", ["gram", "mean-std", "sliced-wasserstein"])
def test_targets_of_a_blend_are_mixed_at_every_tap(
    statistic, backbone, content, style, draw_picture, losses_of, parts_of, canvas
):
    other = style.flip(2).roll(1, dims=1).contiguous()
    targets = {}
    for name, scene in {
        "first": Scene(content, style),
        "second": Scene(content, other),
        "blend": Scene(content, style, further=(other,), shares=(0.75, 0.25)),
    }.items():
        objective, _ = losses_of(scene, canvas, statistic=statistic)
        targets[name] = [part.target for part in parts_of(objective) if part.kind == "style"]
    for first, second, blend in zip(*targets.values(), strict=True):
        torch.testing.assert_close(blend, 0.75 * first + 0.25 * second)


def test_distances_are_mixed_where_statistics_are_not(content, style, losses_of, canvas):
    other = style.flip(2).roll(1, dims=1).contiguous()
    found = []
    for scene in (
        Scene(content, style),
        Scene(content, other),
        Scene(content, style, further=(other,), shares=(0.75, 0.25)),
    ):
        objective, losses = losses_of(scene, canvas, statistic="nearest-neighbours")
        (part,) = (part for term in objective.terms if term.name == "style" for part in term.parts)
        found.append(losses["loss/style"] * part.scale.item())
    assert found[2] == pytest.approx(0.75 * found[0] + 0.25 * found[1], rel=1e-4)


def test_style_without_a_region_has_no_share_in_it(content, style, canvas, losses_of, parts_of):
    other = style.flip(2).roll(1, dims=1).contiguous()
    nothing = torch.zeros_like(ones(style))
    regions = (Region("#ff0000", left_half(content), (ones(style), nothing), 0.5),)
    objective, _ = losses_of(Scene(content, style, further=(other,), shares=(0.1, 0.9), regions=regions), canvas)
    alone, _ = losses_of(Scene(content, style), canvas)
    for part, expected in zip(parts_of(objective), parts_of(alone), strict=True):
        torch.testing.assert_close(part.target, expected.target, rtol=1e-5, atol=1e-6)
