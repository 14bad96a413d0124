"""Taps that are found by a look at the maps of a network."""

import pytest
import timm
import torch

from nstkit.backbones.build import build_network
from nstkit.backbones.load import load_backbone
from nstkit.backbones.taps import default_taps, discover_taps, stage_taps
from nstkit.backbones.vgg import VGG


def test_stages_are_what_timms_own_extractor_computes(image):
    backbone = load_backbone("test_resnet@random:1")
    reference = timm.create_model("test_resnet", features_only=True).eval()
    reference.load_state_dict(backbone.network.state_dict(), strict=False)
    stages = [f"stage{k}" for k in range(5)]
    found = backbone.features(image, [*stages, "layer1.0"])
    expected = reference((image - backbone.mean) / backbone.std)
    for name, maps in zip(stages, expected, strict=True):
        assert torch.allclose(found[name], maps, rtol=1e-4, atol=1e-5), name


def test_module_paths_are_taps_beside_the_stages():
    backbone = load_backbone("test_resnet@random")
    assert {"stage0", "conv1", "layer1", "layer1.0.conv1"} <= set(backbone.taps)
    assert backbone.facts == {"arch": "test_resnet"}
    assert backbone.label == "test_resnet-random0"


def test_a_stage_keeps_timms_number_where_an_earlier_one_has_no_map(small_vgg):
    network = small_vgg("vgg11", norm="none")
    network.feature_info = [{"module": "no.hook"}, {"module": "features.2"}, {"module": "features.5"}]
    assert [(tap.name, tap.path) for tap in stage_taps(network, discover_taps(network))] == [
        ("stage1", "features.2"),
        ("stage2", "features.5"),
    ]


def test_default_taps_leave_the_network_as_it_was():
    network = build_network({"arch": "test_resnet", "library": "timm", "classes": 3, "small_stem": False}).train()
    assert default_taps(network) == {"style": ["stage0", "stage1", "stage2", "stage3"], "content": ["stage3"]}
    assert all(module.training for module in network.modules())
    assert all(value.requires_grad for value in network.parameters())
    assert any(getattr(module, "inplace", False) for module in network.modules())


def test_default_taps_of_ours_are_gatys_and_of_tokens_none():
    assert default_taps(VGG("vgg11", width=0.0625))["content"] == ["relu4_2"]
    assert default_taps(timm.create_model("test_vit")) == {"style": [], "content": []}


@pytest.mark.parametrize("name", ["hrnet_w18_small", "selecsls42"])
def test_cnn_whose_published_names_are_few_or_no_modules_is_taken(name):
    backbone = load_backbone(f"{name}@random")
    strides = [backbone.taps[name].stride for name in backbone.taps if name.startswith("stage") and name[5:].isdigit()]
    assert strides == sorted(strides)
    assert len(strides) >= 3
    assert backbone.style_taps[0] == "stage0"


@pytest.mark.parametrize("name", ["twins_svt_small", "swin_t", "xcit_nano_12_p16_224", "swin_v2_t"])
def test_network_whose_maps_are_tokens_behind_a_stem_is_refused(user_error, name):
    with user_error(f"--backbone {name}@random", "no convolutional feature maps", "choose a CNN"):
        load_backbone(f"{name}@random")
