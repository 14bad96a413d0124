"""The canonical scale of channels: what it is, and that it takes away the freedom it is meant to take away."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from nstkit.pictures import to_tensor
from transfer import gauge
from transfer.gauge import channel_scales
from transfer.objective import Objective

TAPS = {"style_taps": ("relu1_1", "relu2_1"), "content_taps": ("relu3_1",)}


@pytest.fixture(autouse=True)
def quick(monkeypatch, draw_picture):
    """Smaller pictures, and no painting drawn for each objective."""
    monkeypatch.setattr(gauge, "GAUGE_PX", 64)
    monkeypatch.setattr(gauge, "sample_style", lambda: draw_picture((64, 64), seed=9))


def rescale(backbone, before, after, factors):
    """Multiply the channels of one convolution and divide the weights that read them: a ReLU network stays itself."""
    first, second = (backbone.network.get_submodule(backbone.taps[name].path) for name in (before, after))
    factors = torch.tensor(factors, dtype=torch.float32).repeat(first.out_channels // len(factors))
    with torch.no_grad():
        first.weight.mul_(factors[:, None, None, None])
        first.bias.mul_(factors)
        second.weight.div_(factors[None, :, None, None])


@pytest.mark.parametrize("loss", ["relative", "gatys", "neural-style"])
def test_scale_of_a_channel_that_the_next_layer_takes_back_is_not_seen(loss, backbone, content, style, settings):
    canvas = (0.5 + 0.5 * content.flip(3)).contiguous()
    found = {name: [] for name in ("raw", "canonical")}
    deep = []
    for number in range(2):
        if number:
            rescale(backbone, "conv1_1", "conv2_1", (1.5, 0.7))
        deep.append(backbone.features(canvas, ["relu5_1"])["relu5_1"])
        for name, values in found.items():
            objective = Objective(backbone, content, style, settings(loss=loss, gauge=name, **TAPS), "fp32")
            values.append({tag: value.item() for tag, value in objective(canvas).items()})
    torch.testing.assert_close(*deep, rtol=1e-4, atol=1e-6)  # the network's answers are what they were
    assert found["canonical"][1] == pytest.approx(found["canonical"][0], rel=1e-4)
    tag = "loss/style/relu1_1"
    assert found["raw"][1][tag] != pytest.approx(found["raw"][0][tag], rel=0.01)


def test_scale_is_the_mean_over_three_pictures(backbone, draw_picture):
    scales = channel_scales(backbone, ["relu1_1", "conv2_1"], "fp32")
    pictures = [Image.fromarray(image) for image in load_sample_images().images] + [draw_picture((64, 64), seed=9)]
    for tap in ("relu1_1", "conv2_1"):
        maps = [backbone.features(to_tensor(picture, 64), [tap])[tap].numpy() for picture in pictures]
        means = np.mean([np.abs(values).mean(axis=(0, 2, 3)) for values in maps], axis=0)
        alive = means[means > 0]
        expected = np.maximum(means, 0.05 * np.sort(alive)[(len(alive) - 1) // 2])
        np.testing.assert_allclose(scales[tap].flatten(), expected, rtol=1e-5)
        assert scales[tap].shape == (1, len(means), 1, 1)


def test_dead_channels_are_not_blown_up(backbone):
    layer = backbone.network.features[0]
    with torch.no_grad():
        layer.weight[0], layer.bias[0] = 0, 0
        layer.weight[1] *= 1e-6
        layer.bias[1] *= 1e-6
    scale = channel_scales(backbone, ["relu1_1"], "fp32")["relu1_1"].flatten()
    floor = 0.05 * scale[2:].min().item()  # the median of three that are alive, one of them hardly
    assert scale[:2].tolist() == pytest.approx([floor, floor], rel=1e-5)
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.zero_()
    assert (channel_scales(backbone, ["relu1_1"], "fp32")["relu1_1"] == 1).all()


def test_features_are_divided_before_they_are_compared(backbone, content, settings):
    config = settings(mode="content", gauge="canonical", **TAPS)
    (term,) = Objective(backbone, content, None, config, "fp32").terms
    scale = channel_scales(backbone, ["relu3_1"], "fp32")["relu3_1"]
    torch.testing.assert_close(term.target, backbone.features(content, ["relu3_1"])["relu3_1"] / scale)
