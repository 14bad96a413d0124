"""Features as the losses compare them: the canonical scale of channels, and smoothing."""

import numpy as np
import pytest
import torch

from nstkit.errors import UserError
from nstkit.pictures.tensors import to_tensor
from nstkit.sample import sample_content
from transfer.painting import lens
from transfer.painting.lens import SCALE, Lens, channel_scales, smooth, smoothed_taps, softmax_smooth
from transfer.painting.losses.objective import Objective
from transfer.painting.scene import Scene

TAPS = {"style_taps": ("relu1_1", "relu2_1"), "content_taps": ("relu3_1",)}


@pytest.fixture(autouse=True)
def quick(monkeypatch, draw_picture):
    """Smaller pictures, and no painting drawn for each objective."""
    lens._fixed_pictures.cache_clear()
    monkeypatch.setattr(lens, "GAUGE_PX", 64)
    monkeypatch.setattr(lens, "sample_style", lambda: draw_picture((64, 64), seed=9))


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
            objective = Objective(
                backbone, Scene(content, style), settings(loss=loss, gauge=name, **TAPS).losses, "fp32"
            )
            values.append({tag: value.item() for tag, value in objective(canvas).items()})
    torch.testing.assert_close(*deep, rtol=1e-4, atol=1e-6)  # the network's answers are what they were
    assert found["canonical"][1] == pytest.approx(found["canonical"][0], rel=1e-4)
    tag = "loss/style/relu1_1"
    assert found["raw"][1][tag] != pytest.approx(found["raw"][0][tag], rel=0.01)


def test_scale_is_the_mean_over_three_pictures(backbone, draw_picture):
    scales = channel_scales(backbone, ["relu1_1", "conv2_1"], "fp32")
    pictures = [sample_content(), sample_content("flower"), draw_picture((64, 64), seed=9)]
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


def test_features_are_divided_before_they_are_compared(backbone, content, settings, parts_of):
    config = settings(mode="content", gauge="canonical", **TAPS)
    (part,) = parts_of(Objective(backbone, Scene(content, None), config.losses, "fp32"))
    scale = channel_scales(backbone, ["relu3_1"], "fp32")["relu3_1"]
    torch.testing.assert_close(part.target, backbone.features(content, ["relu3_1"])["relu3_1"] / scale)


# Smoothing


def random_maps(seed, shape=(2, 5, 6, 7), dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 20.0])
def test_softmax_is_over_channels_and_positions_of_each_picture(temperature):
    maps = random_maps(0)
    exponentials = np.exp(maps.numpy() / temperature)
    expected = exponentials / exponentials.sum(axis=(1, 2, 3), keepdims=True) * (5 * 6 * 7)
    np.testing.assert_allclose(softmax_smooth(maps, temperature).numpy(), expected, rtol=1e-12)


def test_two_values_by_hand():
    maps = torch.tensor([1.0, 3.0], dtype=torch.float64).log().view(1, 2, 1, 1)
    torch.testing.assert_close(softmax_smooth(maps), torch.tensor([0.5, 1.5], dtype=torch.float64).view(1, 2, 1, 1))
    torch.testing.assert_close(
        softmax_smooth(2 * maps, 2.0), torch.tensor([0.5, 1.5], dtype=torch.float64).view(1, 2, 1, 1)
    )


def test_mean_is_one_and_peaks_shrink_with_the_temperature():
    maps = 10 * random_maps(1)
    peaks = []
    for temperature in (1.0, 10.0, 1000.0):
        smoothed = softmax_smooth(maps, temperature)
        np.testing.assert_allclose(smoothed.mean(dim=(1, 2, 3)), 1, rtol=1e-12)
        peaks.append(smoothed.max().item())
    assert peaks[0] > 2 * peaks[1] > 2 * peaks[2]
    assert peaks[2] == pytest.approx(1, abs=0.05)


def test_large_values_do_not_overflow():
    smoothed = softmax_smooth(torch.tensor([[[[3e4, 3e4, 0.0, 0.0]]]]))
    torch.testing.assert_close(smoothed, torch.tensor([[[[2.0, 2.0, 0.0, 0.0]]]]))


def test_a_constant_added_changes_nothing():
    maps = random_maps(2)
    torch.testing.assert_close(softmax_smooth(maps + 5), softmax_smooth(maps))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype):
    maps = random_maps(3, (1, 8, 64, 64)).to(dtype)
    smoothed = softmax_smooth(maps)
    assert smoothed.dtype == torch.float32
    torch.testing.assert_close(smoothed.double(), softmax_smooth(maps.double()), rtol=1e-5, atol=0)


def test_gradient_of_the_softmax():
    maps = random_maps(4, (1, 2, 2, 3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda features: softmax_smooth(features, 0.7), maps)


def test_settings_name_the_two_ways():
    maps = random_maps(5)
    torch.testing.assert_close(smooth("softmax", maps, 2.0), softmax_smooth(maps, 2.0))
    torch.testing.assert_close(smooth("scale", maps, 2.0), 0.001 * maps)
    assert SCALE == 0.001


def test_which_taps_are_smoothed(backbone):
    taps = ("relu1_1", "relu3_1", "relu5_1")
    assert smoothed_taps("none", backbone, taps, ("relu1_1",)) == set()
    assert smoothed_taps("softmax", backbone, taps, ()) == set(taps)
    assert smoothed_taps("scale", backbone, taps, ()) == {"relu5_1"}  # of stride 16
    for smoothing in ("softmax", "scale"):
        assert smoothed_taps(smoothing, backbone, taps, ("relu3_1",)) == {"relu3_1"}
    with pytest.raises(UserError, match="--smoothing-taps relu2_1: no layer of the loss"):
        smoothed_taps("softmax", backbone, taps, ("relu2_1", "relu3_1"))
    with pytest.raises(UserError, match="tap 'relu9_9' is not in"):
        smoothed_taps("softmax", backbone, taps, ("relu9_9",))


# The lens


def test_lens_smooths_and_scales(backbone, content, settings):
    losses = settings(smoothing="softmax", smoothing_taps=("relu2_1",), gauge="canonical", temperature=3.0).losses
    seen = Lens(backbone, losses, ["relu1_1", "relu2_1"], "fp32")
    maps = backbone.features(content, ["relu1_1", "relu2_1"])
    scales = channel_scales(backbone, ["relu1_1", "relu2_1"], "fp32")
    plain = {tap: maps[tap] / scales[tap] for tap in maps}
    assert seen.smoothed == {"relu2_1"}
    torch.testing.assert_close(seen.unsmoothed(content, ["relu1_1", "relu2_1"]), plain)
    smoothed = seen.features(content, ["relu1_1", "relu2_1"])
    torch.testing.assert_close(smoothed["relu1_1"], plain["relu1_1"])
    torch.testing.assert_close(smoothed["relu2_1"], softmax_smooth(plain["relu2_1"], 3.0))
