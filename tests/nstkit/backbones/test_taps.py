"""Taps that are found by a look at the maps of a network."""

import pytest
import timm
import torch

from nstkit.backbones.build import build_network
from nstkit.backbones.load import load_backbone
from nstkit.backbones.taps import PROBE_PX, default_taps, look_at, stage_taps
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
    assert [(tap.name, tap.path) for tap in stage_taps(network, look_at(network, *PROBE_PX).taps)] == [
        ("stage1", "features.2"),
        ("stage2", "features.5"),
    ]


def test_default_taps_leave_the_network_as_it_was():
    network = build_network({"arch": "test_resnet", "library": "timm", "classes": 3, "small_stem": False}).train()
    assert default_taps(network) == {"style": ["stage0", "stage1", "stage2", "stage3"], "content": ["stage3"]}
    assert all(module.training for module in network.modules())
    assert all(value.requires_grad for value in network.parameters())
    assert any(getattr(module, "inplace", False) for module in network.modules())


def test_default_taps_of_ours_are_gatys():
    assert default_taps(VGG("vgg11", width=0.0625))["content"] == ["relu4_2"]


def test_stages_of_one_stride_are_the_quarters_of_the_depth():
    backbone = load_backbone("test_vit@random")  # six blocks
    paths = {name: tap.path for name, tap in list(backbone.taps.items())[:5]}
    assert paths == {
        "stem": "patch_embed",
        "stage0": "blocks.1",
        "stage1": "blocks.2",
        "stage2": "blocks.4",
        "stage3": "blocks.5",
    }
    assert backbone.style_taps == ("stem", "stage0", "stage1", "stage2")
    assert backbone.content_taps == ("stage1",)
    assert {tap.stride for tap in backbone.taps.values()} == {16}


@pytest.mark.parametrize(
    ("name", "path"),
    [("test_convnext", "stem"), ("mobilenetv3_small_050", None), ("test_resnet", None), ("test_efficientnet", "bn1")],
)
def test_stem_is_the_last_before_the_first_stage(name, path):
    backbone = load_backbone(f"{name}@random")
    stem = backbone.taps.get("stem")
    assert (stem and stem.path) == path
    assert (backbone.style_taps[0] == "stem") == (path is not None)


@pytest.mark.parametrize("name", ["hrnet_w18_small", "selecsls42"])
def test_cnn_whose_published_names_are_few_or_no_modules_is_taken(name):
    backbone = load_backbone(f"{name}@random")
    strides = [backbone.taps[name].stride for name in backbone.taps if name.startswith("stage") and name[5:].isdigit()]
    assert strides == sorted(strides)
    assert len(strides) >= 3
    assert backbone.style_taps[0] == "stage0"


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("shufflenet_v2_x0_5", ["conv1", "maxpool", "stage2", "stage3"]),
        ("mnasnet0_5", ["layers.7", "layers.8", "layers.9", "layers.11"]),
    ],
)
def test_stages_of_torchvisions_networks_end_where_the_next_begins(name, paths):
    backbone = load_backbone(f"{name}@random")
    assert [backbone.taps[f"stage{k}"].path for k in range(4)] == paths
