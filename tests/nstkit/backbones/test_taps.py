"""Taps that are found by a look at the maps of a network: of any layout, at any size, as timm's own extractor's."""

import pytest
import timm
import torch
from timm.models.beit import Beit
from timm.models.efficientformer import EfficientFormer
from timm.models.hiera import Hiera
from timm.models.mlp_mixer import MlpMixer
from timm.models.mvitv2 import MultiScaleVit, MultiScaleVitCfg
from timm.models.pvt_v2 import PyramidVisionTransformerV2
from timm.models.swin_transformer import SwinTransformer
from timm.models.xcit import Xcit

from nstkit.backbones.build import build_network
from nstkit.backbones.load import library_backbone
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import parse_backbone
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


# Tiny networks of every layout

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
PLAIN = {"img_size": 64, "patch_size": 16, "embed_dim": 16, "num_classes": 5}

NETWORKS = {
    "resnet": lambda: timm.create_model("test_resnet"),
    "byobnet": lambda: timm.create_model("test_byobnet"),
    "efficientnet": lambda: timm.create_model("test_efficientnet"),
    "convnext": lambda: timm.create_model("test_convnext"),
    "nfnet": lambda: timm.create_model("test_nfnet"),
    "mambaout": lambda: timm.create_model("test_mambaout"),
    "vit": lambda: timm.create_model("test_vit2"),
    "swin": lambda: SwinTransformer(64, embed_dim=8, depths=(1, 2, 1), num_heads=(1, 2, 4), window_size=4),
    "hiera": lambda: Hiera(
        (64, 64), embed_dim=8, num_heads=1, stages=(1, 1, 2, 1), mask_unit_attn=(True, True, False, False)
    ),
    "pvt": lambda: PyramidVisionTransformerV2(depths=(1, 1, 1, 1), embed_dims=(8, 16, 16, 32), num_heads=(1, 1, 2, 2)),
    "xcit": lambda: Xcit(depth=4, num_heads=2, cls_attn_layers=1, eta=1.0, **PLAIN),
    "beit": lambda: Beit(depth=4, num_heads=2, use_rel_pos_bias=True, **PLAIN),
    "mvit": lambda: MultiScaleVit(
        MultiScaleVitCfg(depths=(1, 1, 1, 1), embed_dim=(8, 16, 16, 32), num_heads=(1, 1, 2, 2)), img_size=(224, 224)
    ),
    "efficientformer": lambda: EfficientFormer(
        depths=(1, 1, 1, 2), embed_dims=(8, 16, 16, 32), num_vit=1, layer_scale_init_value=1.0
    ),
    "mixer": lambda: MlpMixer(img_size=128, patch_size=16, embed_dim=16, num_blocks=4),
}
FIXED = {"mixer"}
SAME_AS_TIMMS = ["mambaout", "vit", "swin", "hiera", "pvt", "xcit", "convnext"]


@pytest.fixture(scope="module")
def load():
    """Load a network by the name that it has here, once."""
    loaded = {}

    def build(name):
        if name not in loaded:
            torch.manual_seed(0)
            network = NETWORKS[name]()
            if name in FIXED:
                network.default_cfg = network.pretrained_cfg = {"input_size": (3, 128, 128)}
            loaded[name] = library_backbone(network, parse_backbone("resnet18@random"), IMAGENET, {"arch": name})
        return loaded[name]

    return build


@pytest.mark.parametrize("name", NETWORKS)
def test_default_taps_of_a_picture_of_any_size(load, name):
    backbone = load(name)
    image = torch.rand(1, 3, 86, 117, generator=torch.Generator().manual_seed(0)).requires_grad_()
    names = [*backbone.style_taps, *backbone.content_taps]
    found = backbone.features(image, names)
    assert len(found) >= 3
    for key, maps in found.items():
        tap = backbone.taps[key]
        assert maps.shape[:2] == (1, tap.channels), key
        assert abs(maps.shape[2] - 86 / tap.stride) <= 1, key
        assert abs(maps.shape[3] - 117 / tap.stride) <= 1, key
        assert maps.isfinite().all(), key
        assert (maps.std(dim=(2, 3)) > 1e-6).float().mean() > 0.4, key
    sum((maps / maps.detach().abs().mean()).square().mean() for maps in found.values()).backward()
    assert image.grad.isfinite().all()
    assert (image.grad != 0).float().mean() > 0.9


@pytest.mark.parametrize("name", SAME_AS_TIMMS)
def test_stages_are_what_timms_own_extractor_gives(load, name):
    backbone = load(name)
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    paths = [info["module"] for info in backbone.network.feature_info]
    stages = [tap for key, tap in backbone.taps.items() if key.startswith("stage") and key[5:].isdigit()]
    found = backbone.features(image, [tap.name for tap in stages])  # Hiera is told the size here
    expected = backbone.network.forward_intermediates(
        (image - backbone.mean) / backbone.std,
        indices=[paths.index(tap.path) for tap in stages],
        intermediates_only=True,
    )
    assert len(stages) >= 3
    for tap, maps in zip(stages, expected, strict=True):
        assert torch.allclose(found[tap.name], maps, rtol=1e-4, atol=1e-5), tap.name


@pytest.mark.parametrize("name", sorted(FIXED))
def test_a_network_of_one_size_says_so_in_one_line(load, user_error, name):
    backbone = load(name)
    with user_error(backbone.label, "up to 128 x 128 px only", "160 x 90", "--size 128"):
        backbone.features(torch.rand(1, 3, 90, 160), backbone.style_taps)


def test_what_each_network_takes(load):
    sizes = {name: load(name).sizes for name in NETWORKS}
    assert {name for name, size in sizes.items() if size.only} == FIXED
    assert {name for name, size in sizes.items() if size.is_set} == {"beit"}
    assert {name for name, size in sizes.items() if size.is_partial} == {"efficientformer"}
    assert sizes["resnet"].multiple == sizes["xcit"].multiple == 1
    assert (sizes["vit"].multiple, sizes["hiera"].multiple) == (16, 32)
