"""The options of the loss: octaves, weights of layers, equalised and normalised gradients, smoothing, jitter."""

import numpy as np
import pytest
import torch

from nstkit.errors import UserError
from transfer.painting.lens import softmax_smooth
from transfer.painting.losses import objective as module
from transfer.painting.losses.objective import Objective
from transfer.painting.losses.statistics.gram import gram_matrix
from transfer.painting.scene import Scene

SHALLOW = {"style_taps": ("relu1_1", "relu2_1", "relu3_1"), "content_taps": ("relu3_2",)}


@pytest.fixture
def canvas(content):
    """A picture that is neither content nor style."""
    return (0.3 + 0.4 * content.flip(3) + 0.3 * content.flip(2)).contiguous()


def halved(picture):
    """Return the means of blocks of 2 x 2."""
    blocks = picture.numpy().reshape(1, 3, picture.shape[2] // 2, 2, picture.shape[3] // 2, 2)
    return torch.from_numpy(blocks.mean(axis=(3, 5)))


def numbers(losses):
    return {tag: value.item() for tag, value in losses.items()}


# Octaves


@pytest.mark.parametrize("loss", ["relative", "gatys", "neural-style"])
def test_second_octave_is_the_loss_at_half_the_size(loss, backbone, content, style, canvas, settings, monkeypatch):
    monkeypatch.setattr(module, "SMALLEST_OCTAVE_PX", 16)
    both = Objective(
        backbone, Scene(content, style), settings(loss=loss, octaves=2, tv_weight=0.0, **SHALLOW).losses, "fp32"
    )
    one = settings(loss=loss, tv_weight=0.0, **SHALLOW)
    whole = numbers(Objective(backbone, Scene(content, style), one.losses, "fp32")(canvas))
    half = numbers(Objective(backbone, Scene(halved(content), halved(style)), one.losses, "fp32")(halved(canvas)))
    found = numbers(both(canvas))
    for tag in ("loss/style/relu1_1", "loss/style/relu3_1", "loss/content/relu3_2"):
        assert found[tag] == pytest.approx(whole[tag], rel=1e-5)
        assert found[f"{tag}/octave1"] == pytest.approx(half[tag], rel=1e-4)
    share = 1 if loss == "neural-style" else 0.5  # which adds its terms up, the others take the mean
    for tag in ("loss/style", "loss/content", "loss/total"):
        assert found[tag] == pytest.approx(share * (whole[tag] + half[tag]), rel=1e-4)


def test_octaves_too_small_to_show_anything_are_left_out(backbone, content, style, settings, parts_of):
    objective = Objective(
        backbone, Scene(content, style), settings(octaves=4).losses, "fp32"
    )  # half of 36 px is below 48
    assert {part.octave for part in parts_of(objective)} == {0}


# Weights of layers


@pytest.mark.parametrize(("loss", "divisor"), [("relative", 4), ("gatys", 4), ("neural-style", 1)])
def test_taps_have_the_weights_given(loss, divisor, backbone, content, style, canvas, settings):
    taps = {"style_taps": ("relu1_1=3", "relu2_1"), "content_taps": ("relu3_2=0.5", "conv2_1=3.5")}
    losses = numbers(Objective(backbone, Scene(content, style), settings(loss=loss, **taps).losses, "fp32")(canvas))
    expected = (3 * losses["loss/style/relu1_1"] + losses["loss/style/relu2_1"]) / divisor
    assert losses["loss/style"] == pytest.approx(expected, rel=1e-5)
    expected = (0.5 * losses["loss/content/relu3_2"] + 3.5 * losses["loss/content/conv2_1"]) / divisor
    assert losses["loss/content"] == pytest.approx(expected, rel=1e-5)


def test_equal_losses_at_the_start(backbone, content, style, canvas, settings, parts_of):
    config = settings(loss="gatys", equalize="loss", **SHALLOW)
    objective = Objective(backbone, Scene(content, style, canvas), config.losses, "fp32")
    losses = objective(canvas)
    for part in parts_of(objective):
        share = 1 / 3 if part.kind == "style" else 1
        assert (part.weight * losses[part.tag]).item() == pytest.approx(share, rel=1e-4)
    assert losses["loss/style"].item() == pytest.approx(1, rel=1e-4)
    assert losses["loss/content"].item() == pytest.approx(1, rel=1e-4)


def gradient_norms(objective, picture, parts_of):
    """Return the L1 norm of the gradient of each weighted term, by tag."""
    image = picture.clone().requires_grad_(True)
    losses = objective(image)
    gradients = {
        part.tag: torch.autograd.grad(part.weight * losses[part.tag], image, retain_graph=True)[0]
        for part in parts_of(objective)
    }
    return {tag: gradient.abs().sum().item() for tag, gradient in gradients.items()}


def test_equal_gradients_at_the_start(backbone, content, style, canvas, settings, parts_of):
    taps = {**SHALLOW, "style_taps": ("relu1_1=2", "relu2_1", "relu3_1")}
    plain = Objective(backbone, Scene(content, style, canvas), settings(loss="gatys", **taps).losses, "fp32")
    weights = {part.tag: part.weight for part in parts_of(plain)}
    raw = {tag: norm / weights[tag] for tag, norm in gradient_norms(plain, canvas, parts_of).items()}
    config = settings(loss="gatys", equalize="gradient", **taps)
    norms = gradient_norms(Objective(backbone, Scene(content, style, canvas), config.losses, "fp32"), canvas, parts_of)
    own = [tag for tag in norms if "style" in tag]
    mean = np.mean([raw[tag] for tag in own])
    assert max(raw[tag] for tag in own) > 2 * min(raw[tag] for tag in own)  # not equal by themselves
    for tag, share in zip(own, (2 / 4, 1 / 4, 1 / 4), strict=True):
        assert norms[tag] == pytest.approx(share * mean, rel=1e-3)
    assert norms["loss/content/relu3_2"] == pytest.approx(raw["loss/content/relu3_2"], rel=1e-3)


def test_equalising_leaves_a_term_that_is_zero_at_the_start(backbone, content, style, settings, parts_of):
    for equalize in ("loss", "gradient"):
        objective = Objective(backbone, Scene(content, style, content), settings(equalize=equalize).losses, "fp32")
        assert [part.weight for part in parts_of(objective) if part.kind == "content"] == [1.0]


# Normalised gradients


def test_normalised_gradients_have_norm_one_in_the_features_and_keep_the_weights(
    backbone, content, style, canvas, settings
):
    taps = {"style_taps": ("relu1_1=3", "relu3_1"), "content_taps": ("relu2_1",)}
    weights = {"style_weight": 7.0, "content_weight": 0.2, "tv_weight": 0.0}
    image = canvas.clone().requires_grad_(True)
    features = backbone.features(image, ["relu1_1", "relu2_1", "relu3_1"])
    with torch.no_grad():
        styles, goal = backbone.features(style, ["relu1_1", "relu3_1"]), backbone.features(content, ["relu2_1"])
    expected = 0
    for tap, weight in (("relu1_1", 7 * 3), ("relu3_1", 7 * 1), ("relu2_1", 0.2)):
        f = features[tap][0].flatten(1)
        if tap in styles:  # the gradient of |F F^T / M - A|^2 is a multiple of (F F^T / M - A) F
            s = styles[tap][0].flatten(1)
            direction = (f @ f.T / f.shape[1] - s @ s.T / s.shape[1]) @ f
        else:
            direction = f - goal[tap][0].flatten(1)
        direction = direction.detach()
        expected = expected + weight * (f * direction / direction.abs().sum()).sum()
    expected = torch.autograd.grad(expected, image)[0]
    config = settings(loss="neural-style", normalize_gradients=True, **weights, **taps)
    losses = Objective(backbone, Scene(content, style), config.losses, "fp32")(image)
    found = torch.autograd.grad(losses["loss/total"], image)[0]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5 * expected.abs().max().item())
    plain = Objective(backbone, Scene(content, style), settings(loss="neural-style", **weights, **taps).losses, "fp32")(
        canvas
    )
    assert numbers(losses) == pytest.approx(numbers(plain), rel=1e-6)
    with torch.no_grad():
        again = Objective(backbone, Scene(content, style), config.losses, "fp32")(canvas)
    assert numbers(again) == pytest.approx(numbers(plain), rel=1e-6)


# Smoothing


def test_softmax_smooths_the_taps_that_are_named(backbone, content, style_of_content_size, settings, parts_of):
    style = style_of_content_size
    config = settings(smoothing="softmax", smoothing_taps=("relu2_1",), temperature=0.5, **SHALLOW)
    objective = Objective(backbone, Scene(content, style), config.losses, "fp32")
    targets = {part.tap: part.target for part in parts_of(objective) if part.kind == "style"}
    features = backbone.features(style, ["relu1_1", "relu2_1"])
    torch.testing.assert_close(targets["relu1_1"], gram_matrix(features["relu1_1"]))
    torch.testing.assert_close(targets["relu2_1"], gram_matrix(softmax_smooth(features["relu2_1"], 0.5)))
    assert objective(style)["loss/style"] == 0
    assert set(objective.facts) == {"peak/relu2_1", "peak_smoothed/relu2_1"}
    assert objective.facts["peak_smoothed/relu2_1"] != objective.facts["peak/relu2_1"]


def test_softmax_smooths_all_taps_unless_some_are_named(backbone, content, style, settings, parts_of):
    objective = Objective(backbone, Scene(content, style), settings(smoothing="softmax", **SHALLOW).losses, "fp32")
    features = backbone.features(content, ["relu3_2"])
    (target,) = (part.target for part in parts_of(objective) if part.kind == "content")
    torch.testing.assert_close(target, softmax_smooth(features["relu3_2"]))
    smoothed = {fact.split("/")[1] for fact in objective.facts if fact.startswith("peak_smoothed/")}
    assert smoothed == {*SHALLOW["style_taps"], *SHALLOW["content_taps"]}


def test_scaling_switches_deep_layers_off(backbone, content, style, canvas, settings):
    found = []
    for smoothing in ("none", "scale"):
        config = settings(loss="neural-style", smoothing=smoothing)
        found.append(numbers(Objective(backbone, Scene(content, style), config.losses, "fp32")(canvas)))
    plain, scaled = found
    assert scaled["loss/style/relu4_1"] == pytest.approx(plain["loss/style/relu4_1"])  # stride 8
    assert scaled["loss/style/relu5_1"] == pytest.approx(1e-12 * plain["loss/style/relu5_1"], rel=1e-3)  # stride 16


def test_unknown_tap_to_smooth_is_refused(backbone, content, style, settings):
    with pytest.raises(UserError, match="tap 'relu9_9' is not in"):
        Objective(
            backbone, Scene(content, style), settings(smoothing="softmax", smoothing_taps=("relu9_9",)).losses, "fp32"
        )


# Jitter


@pytest.mark.parametrize("shift", [(0, 0), (3, -5), (-8, 16)])
def test_shifted_canvas_is_compared_with_the_content_shifted_alike(
    shift, backbone, content, style, canvas, settings, monkeypatch
):
    monkeypatch.setattr(module, "SMALLEST_OCTAVE_PX", 16)
    config = settings(loss="gatys", octaves=2, tv_weight=1.0, **SHALLOW)
    losses = numbers(Objective(backbone, Scene(content, style), config.losses, "fp32")(canvas, shift))
    rolled = [torch.from_numpy(np.roll(picture.numpy(), shift, axis=(2, 3))) for picture in (content, canvas)]
    expected = numbers(Objective(backbone, Scene(rolled[0], style), config.losses, "fp32")(rolled[1]))
    del losses["loss/tv"], expected["loss/tv"], losses["loss/total"], expected["loss/total"]  # not of the seam
    assert losses == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", ["relative", "gatys", "neural-style"])
def test_content_is_reached_at_every_shift(loss, backbone, content, style, settings):
    objective = Objective(backbone, Scene(content, style), settings(loss=loss).losses, "fp32")
    assert objective(content, (5, -3))["loss/content"] == 0
    assert objective(content.roll(1, dims=3), (5, -3))["loss/content"] > 0


def test_texture_may_be_shifted_too(backbone, style, settings):
    start = torch.rand(style.shape, generator=torch.Generator().manual_seed(0))
    objective = Objective(backbone, Scene(None, style, start), settings(mode="texture", loss="gatys").losses, "fp32")
    rolled = objective(start.roll((2, 7), dims=(2, 3)))["loss/style"]
    torch.testing.assert_close(objective(start, (2, 7))["loss/style"], rolled)
