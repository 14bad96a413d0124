"""What is said of taps is what is known of these architectures, or counted by hand."""

import math

import pytest
from torch import nn

from nstkit.backbones.backbone import Backbone, Tap
from nstkit.backbones.describe import describe_taps, receptive_fields, taps_table
from nstkit.backbones.load import vgg_backbone
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import parse_backbone


@pytest.fixture
def vgg(small_vgg):
    normalisation = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}
    return vgg_backbone(small_vgg("vgg11", "none"), parse_backbone("vgg11@random"), normalisation, {})


def _backbone(network, strides):
    taps = {path: Tap(path, path, 4, stride) for path, stride in strides.items()}
    return Backbone(network, label="net", taps=taps, style_taps=list(taps)[:1], content_taps=list(taps)[-1:],
                    mean=(0.0,) * 3, std=(1.0,) * 3)  # fmt: skip


def test_receptive_fields_of_a_vgg_are_the_known_ones(vgg):
    known, jump, field = {}, 1, 1
    for name in vgg.taps:
        if name.startswith("conv"):
            field += 2 * jump
        elif name.startswith("pool"):
            field, jump = field + jump, 2 * jump
        known[name] = field
    assert receptive_fields(vgg) == known
    assert known["relu3_1"] == 18


class _Squeeze(nn.Module):
    def forward(self, maps):
        return maps * maps.mean(dim=(2, 3), keepdim=True)


def test_receptive_fields_of_paths_that_differ_and_of_what_sees_all():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.narrow, self.wide = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, (1, 5), padding=(0, 6), dilation=3)
            self.add, self.rectify, self.squeeze = nn.Identity(), nn.ReLU(), _Squeeze()

        def forward(self, image):
            maps = self.add(self.narrow(image) + self.wide(image))
            return self.squeeze(self.rectify(maps))

    backbone = _backbone(Network(), dict.fromkeys(("narrow", "wide", "add", "rectify", "squeeze"), 1))
    found = receptive_fields(backbone)
    # The wide one has holes: it depends on 5 columns, the sum on the same five.
    assert found == {"narrow": 1, "wide": 5, "add": 5, "rectify": 5, "squeeze": math.inf}
    assert " all " in taps_table(backbone)


def test_network_that_takes_no_such_picture_has_no_known_field(vgg):
    class Refusing(nn.Sequential):
        def forward(self, image):
            if image.shape[2] != image.shape[3]:
                raise AssertionError("square pictures only")
            return super().forward(image)

    backbone = _backbone(Refusing(nn.Conv2d(3, 4, 1)), {"0": 1})
    assert math.isnan(receptive_fields(backbone)["0"])
    assert " ? " in taps_table(backbone)


def test_facts_of_a_picture_are_those_of_its_maps(vgg, image):
    facts = {tap.name: tap for tap in describe_taps(vgg, image[:1])}
    assert list(facts) == list(vgg.taps)
    tap = facts["relu2_1"]
    maps = vgg.features(image[:1], ["relu2_1"])["relu2_1"]
    assert (tap.channels, tap.stride, tap.path) == (8, 2, "features.4")
    assert tap.scale == pytest.approx(maps.square().mean().sqrt().item())
    assert (tap.is_style, tap.is_content, facts["relu4_2"].is_content) == (True, False, True)
    assert 0 < tap.entropy < 1
    assert describe_taps(vgg)[0].scale is None


def test_table_shows_names_and_defaults_before_module_paths(image):
    backbone = load_backbone("test_resnet@random")
    lines = taps_table(backbone, image[:1]).splitlines()
    stages = [k for k, line in enumerate(lines) if line.startswith("stage")]
    paths = [k for k, line in enumerate(lines) if line.startswith("layer1.0.conv")]
    assert stages
    assert paths
    assert max(stages) < min(paths)
    assert any("style" in line for line in lines)
    assert any("= layer1" in line for line in lines)
    assert not any(".aa " in line for line in lines)  # an identity
    assert max(map(len, lines)) <= 120
