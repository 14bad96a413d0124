"""A look in tiles comes to the same as one at the whole picture: losses, gradients, targets and their scales."""

import numpy as np
import pytest
import torch

from transfer.painting.losses import objective as module
from transfer.painting.losses.objective import Objective
from transfer.painting.losses.statistics.table import STATISTICS
from transfer.painting.regions import Region
from transfer.painting.scene import Scene
from transfer.painting.tiles import Tiling

SIZE, STYLE_SIZE = (150, 213), (201, 139)  # odd ones, cut into several tiles on both axes
SAME = {"rel": 1e-4, "abs": 1e-9}
TILING = Tiling(core_px=48, reach_px=80, step_px=16)  # what is measured for VGG19's layers down to relu4_2


def picture(seed, size):
    """Return a picture of smooth noise and a ramp of light, which no two tiles see alike, of contrasts of its own."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 9, 11, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)
    ramp = torch.linspace(0, 1, size[1]).expand(1, 3, *size)
    mixed = 0.5 * smooth + 0.2 * ramp + 0.3 * torch.rand(1, 3, *size, generator=generator)
    return mixed.pow((1, 4, 0.3, 2)[seed]).contiguous()  # what is alike leaves only rounding to compare


@pytest.fixture
def scene():
    return Scene(picture(0, SIZE), picture(1, STYLE_SIZE), picture(2, SIZE))


@pytest.fixture
def compare(backbone):
    """Return what a canvas comes to whole and in tiles, as losses and gradient."""

    def measure(scene, settings, shift=(0, 0)):
        found = []
        for cut in (None, TILING):
            image = scene.start.clone().requires_grad_(True)
            losses = Objective(backbone, scene, settings.losses, "fp32", cut)(image, shift)
            (gradient,) = torch.autograd.grad(losses["loss/total"], image)
            found.append(({tag: loss.item() for tag, loss in losses.items()}, gradient))
        return found

    return measure


def assert_same(found):
    (whole, gradient), (tiled, gradient_tiled) = found
    assert tiled == pytest.approx(whole, **SAME)
    assert ((gradient_tiled - gradient).norm() / gradient.norm()).item() < 1e-5
    assert (gradient_tiled - gradient).abs().max() < 1e-4 * gradient.abs().max()


@pytest.mark.parametrize(
    "given",
    [
        *({"loss": loss} for loss in ("relative", "neural-style", "keras")),
        {"statistic": "covariance"},
        {"statistic": "mean-std"},
        {"equalize": "gradient", "loss": "gatys"},
        {"gauge": "canonical", "tv_weight": 3.0},
        {"smoothing": "scale", "loss": "neural-style", "smoothing_taps": ("relu2_1",)},
        {"style_taps": ("relu1_1", "relu3_1=2"), "content_taps": ("conv2_1", "relu1_1")},
    ],
    ids=lambda given: " ".join(map(str, given.values())),
)
def test_loss_and_gradient_are_those_of_the_whole(given, scene, settings, compare):
    assert_same(compare(scene, settings(**given)))


@pytest.mark.parametrize("statistic", ["gram", "covariance", "mean-std"])
def test_so_are_those_of_regions_some_tiles_see_nothing_of(statistic, settings, compare):
    content, style = picture(0, SIZE), picture(1, STYLE_SIZE)
    left = torch.zeros(1, 1, *SIZE)
    left[..., :60] = 1
    left[..., 60:70] = 0.3
    of_style = torch.zeros(1, 1, *STYLE_SIZE)
    of_style[..., :50, :] = 1
    regions = (Region("#ff0000", left, (of_style,), 0.3), Region("#0000ff", 1 - left, (1 - of_style,), 0.7))
    scene = Scene(content, style, picture(2, SIZE), regions=regions)
    assert_same(compare(scene, settings(statistic=statistic), (5, -3)))


def test_so_are_those_of_a_shifted_canvas_and_a_blend(scene, settings, compare):
    blend = Scene(scene.content, scene.style, scene.start, further=(picture(3, (90, 300)),), shares=(0.75, 0.25))
    assert_same(compare(blend, settings(octaves=2), (-7, 20)))


def test_octaves_have_tiles_of_their_own(scene, settings, compare, monkeypatch):
    monkeypatch.setattr(module, "SMALLEST_OCTAVE_PX", 16)
    found = compare(scene, settings(octaves=3, style_taps=("relu1_1", "relu2_1"), content_taps=("relu2_1",)))
    assert "loss/style/relu1_1/octave2" in found[0][0]
    assert_same(found)


def test_a_texture_is_the_same(settings, compare):
    texture = Scene(None, picture(1, STYLE_SIZE), picture(2, STYLE_SIZE))
    assert_same(compare(texture, settings(mode="texture")))


@pytest.mark.parametrize("name", ["gram", "covariance", "mean-std"])
def test_parts_of_a_picture_are_put_together_again(name):
    statistic = STATISTICS[name]
    features = 50 + torch.randn(1, 6, 8, 10, generator=torch.Generator().manual_seed(0))  # of a mean far from 0
    features[:, 0] = 0
    whole = statistic.summary([features], [1.0], None)
    parts = [features[..., :4], features[..., 4:]]
    opened = [statistic.opened(statistic.summary([part], [1.0], None)) for part in parts]
    put_together = statistic.closed(0.4 * opened[0] + 0.6 * opened[1])
    np.testing.assert_allclose(put_together, whole, rtol=1e-5, atol=1e-5)
