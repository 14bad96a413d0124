from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nstkit.backbones.batchnorm import settled
from nstkit.measure import Measure
from nstkit.quality import MEASURES, Quality, measure_quality, random_twin
from nstkit.quality.classification import TOP1
from nstkit.quality.measuring import PER_TAP, count_pictures, style_means
from nstkit.quality.sample import stratified
from nstkit.runs import MEASURE_KEYS

TAPS = ("relu1_1", "relu2_1", "conv3_1")  # the small backbone's own
HEADED = {"extractor/top1", "extractor/top5", "extractor/mean_per_class", "extractor/ece"}


class Headless(nn.Module):
    """A network that gives maps and no logits."""

    def __init__(self, features):
        super().__init__()
        self.features = features

    def forward(self, image):
        return self.features(image)


@pytest.fixture
def measure(small_backbone, textures, cpu):
    def call(backbone=small_backbone, data=textures, **more):
        return measure_quality(backbone, data, device=cpu, precision="fp32", **more)

    return call


def test_one_value_a_measure_and_tap_and_one_for_the_table(measure):
    quality = measure()
    assert isinstance(quality, Quality)
    assert quality.taps == TAPS
    tags = {f"{each.name}/{tap}" for each in PER_TAP for tap in TAPS} | {each.name for each in PER_TAP}
    assert set(quality.values) == tags | HEADED
    for each in MEASURES:
        for tag, value in quality.values.items():
            if tag.startswith(each.name):
                assert each.range[0] <= value <= each.range[1], tag
    for each in PER_TAP:
        mean = (quality.values[f"{each.name}/relu1_1"] + quality.values[f"{each.name}/relu2_1"]) / 2
        assert quality.values[each.name] == pytest.approx(mean)


def test_every_measure_says_what_it_is():
    assert len({each.name for each in MEASURES}) == len(MEASURES) == 11
    for each in MEASURES:
        assert isinstance(each, Measure)
        assert each.name.startswith("extractor/")
        assert each.function.__doc__
        assert each.aspect == "extractor"
        assert each.source
        assert each.range[0] < each.range[1]
    assert {key for key in MEASURE_KEYS if key.startswith("extractor/")} <= {each.name for each in MEASURES}


def test_head_is_measured_on_the_test_pictures(measure, small_backbone, textures):
    quality = measure(limit=40)
    assert torch.equal(quality.order, stratified(textures.test.labels, 20))
    image = textures.test.images[quality.order].permute(0, 3, 1, 2) / 255
    logits = small_backbone.network((image - small_backbone.mean) / small_backbone.std)
    labels = textures.test.labels[quality.order]
    assert torch.equal(quality.predicted, logits.argmax(dim=1))
    assert quality.values["extractor/top1"] == pytest.approx(TOP1.function(logits, labels))
    assert quality.confusion.sum() == 20
    assert quality.confusion.sum(dim=1).tolist() == torch.bincount(labels, minlength=3).tolist()


@pytest.mark.parametrize("reason", ["other classes", "other number", "no head"])
def test_a_head_that_does_not_fit_is_not_measured(reason, measure, small_backbone):
    more = {"use_head": False} if reason == "other classes" else {}
    if reason == "other number":
        small_backbone.network.classifier = nn.Linear(32, 4)
    if reason == "no head":
        small_backbone.network = Headless(small_backbone.network.features)
    quality = measure(**more)
    assert not HEADED & set(quality.values)
    assert quality.predicted is None
    assert quality.confusion is None
    assert "extractor/probe" in quality.values


def test_a_trained_network_and_its_twin_are_told_apart(measure, small_run, textures):
    twin = random_twin(str(small_run))
    both = measure(baseline=twin)
    first = textures.train.images[stratified(textures.train.labels, None)].permute(0, 3, 1, 2) / 255
    alone = measure(settled(twin, first))
    for tag, value in alone.values.items():
        assert both.values[tag.replace("extractor", "random")] == value
    assert {tag: value for tag, value in both.values.items() if tag.startswith("extractor")} == measure().values
    assert measure(twin).values["extractor/rankme/relu2_1"] != alone.values["extractor/rankme/relu2_1"]
    assert both.values["random/rankme/relu2_1"] != both.values["extractor/rankme/relu2_1"]


def test_features_that_hold_the_class_are_found(measure, small_backbone, textures):
    """A network whose first channels are red, green, blue and red, on pictures that are dyed by their class."""

    def dyed(part):
        images = part.images // 4
        images += (150 * nn.functional.one_hot(part.labels, 3)).to(torch.uint8)[:, None, None]
        return replace(part, images=images)

    first = small_backbone.network.features[0]
    first.weight.zero_()
    first.weight[range(4), [0, 1, 2, 0], 1, 1] = 1.0
    dyed_data = replace(textures, train=dyed(textures.train), test=dyed(textures.test))
    quality = measure(data=dyed_data, taps=["conv1_1"])
    assert quality.values["extractor/probe/conv1_1"] == 1
    assert quality.values["extractor/knn/conv1_1"] == 1
    undyed = measure(taps=["conv1_1"])
    assert undyed.values["extractor/probe/conv1_1"] < 0.8
    assert undyed.values["extractor/knn/conv1_1"] < 0.8


def test_dead_channels_are_counted(measure, small_backbone):
    norm = small_backbone.network.features[1]
    norm.bias[0] = -1e6
    assert measure(taps=["relu1_1"]).values["extractor/dead/relu1_1"] == 1 / len(norm.bias)


def test_no_value_for_the_table_from_other_taps(measure):
    quality = measure(taps=["relu1_1", "relu3_1"])
    assert "extractor/probe/relu3_1" in quality.values
    assert "extractor/probe" not in quality.values
    assert "extractor/top1" in quality.values
    assert (
        measure(taps=["relu2_1", "conv4_1", "relu1_1"]).values["extractor/probe"] == measure().values["extractor/probe"]
    )


def test_style_means_of_no_taps():
    assert style_means({"extractor/probe/a": 1.0}, ()) == {}


def test_default_taps_stand_in_order_of_depth(small_backbone):
    small_backbone.style_taps, small_backbone.content_taps = ("relu4_1", "relu1_1"), ("conv3_1", "relu1_1")
    assert small_backbone.default_taps == ("relu1_1", "conv3_1", "relu4_1")


def test_size_of_the_pictures_counts(measure):
    assert measure(size_px=48, use_head=False).values != measure(use_head=False).values
    assert measure(size_px=32).values == measure().values


def test_nothing_global_is_touched(measure, small_backbone, small_run):
    before = {name: value.clone() for name, value in small_backbone.network.state_dict().items()}
    torch.manual_seed(5)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    measure(baseline=random_twin(str(small_run)))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])
    for name, value in small_backbone.network.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(module.training for module in small_backbone.network.modules())


@pytest.mark.parametrize("limit", [None, 40])
def test_every_picture_is_counted(limit, measure, small_run, textures):
    counts = []
    measure(limit=limit, advance=counts.append, baseline=random_twin(str(small_run)))
    expected = 120 + 60 + 60 if limit is None else 40 + 20 + 20
    assert count_pictures(textures, limit) == expected
    assert sum(counts) == 2 * expected


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_named(value, measure, small_backbone, user_error):
    small_backbone.network.get_submodule(small_backbone.taps["conv2_1"].path).bias[0] = value
    with user_error("features at relu2_1, conv3_1 are not finite in fp32"):
        measure(taps=["relu1_1", "relu2_1", "conv3_1"])


def test_two_measurements_agree(measure):
    assert measure().values == measure().values


def test_mistakes(measure, user_error):
    with user_error("tap 'relu9_9' is not in small", "Allowed: conv1_1"):
        measure(taps=["relu9_9"])
    with user_error("--limit 1", "at least 2"):
        measure(limit=1)
    with user_error("no tap", "--taps"):
        measure(taps=[])
    with user_error("too small", "small"):
        measure(size_px=8, taps=["relu5_1"])
