"""Whatever names a network leads to the same kind of extractor, with its own weights and normalisation."""

import json
import os
import re
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models
from torchvision.models import get_model
from torchvision.models import vgg as tv

import nstkit
from nstkit.backbones import load as loading
from nstkit.backbones.build import build_network
from nstkit.backbones.load import library_backbone, load_as_is
from nstkit.backbones.spec import CARRIED, parse_backbone, split_norm
from nstkit.backbones.vgg import GATYS_CONTENT_TAPS, GATYS_STYLE_TAPS
from nstkit.backbones.weights import read_safetensors
from nstkit.checkpoint import write_checkpoint
from nstkit.export import export

SHARED = Path(__file__).parents[4] / "shared" / "data"
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("given", ["run/ckpt.pt", "run"])
def test_checkpoint_brings_weights_normalisation_taps_and_quality(tmp_path, write_run, small_vgg, image, given):
    network = small_vgg("vgg13", norm="batch")
    write_run(tmp_path / "run", network)
    backbone = nstkit.load_backbone(given)
    assert backbone.label == "run"
    assert (backbone.style_taps, backbone.content_taps) == (("relu1_1", "relu2_1"), ("conv3_1",))
    assert backbone.quality == {"extractor/top1": 0.5, "val/top1": 0.25}
    facts = {"arch": "vgg13", "norm": "batch", "width": 0.0625, "classes": 3, "dataset": "patterns", "epochs": 2}
    assert backbone.facts == facts
    normalised = (image - torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)) / torch.tensor([0.2, 0.25, 0.3]).view(3, 1, 1)
    expected = network.features[: network.taps["conv3_1"] + 1](normalised)
    assert torch.allclose(backbone.features(image, ["conv3_1"])["conv3_1"], expected, rtol=1e-4, atol=1e-5)


def test_taps_tell_channels_and_strides(tmp_path, write_run, small_vgg, image):
    write_run(tmp_path / "run", small_vgg("vgg11", norm="batch", width=0.125))
    backbone = load_as_is("run")
    for name, maps in backbone.features(image, backbone.taps).items():
        tap = backbone.taps[name]
        assert maps.shape[1:] == (tap.channels, 40 // tap.stride, 32 // tap.stride)
        assert tap.name == name


def test_exported_folder_loads_from_its_parts(tmp_path, make_content, small_vgg):
    export(make_content(small_vgg()), tmp_path / "out", half=True)
    backbone = load_as_is("out/")
    assert backbone.label == "out"
    # Its batch norm is folded away; the table of runs still tells how it was trained.
    assert (backbone.network.arguments["norm"], backbone.facts["norm"]) == ("none", "batch")
    assert {value.dtype for value in backbone.network.state_dict().values()} == {torch.float32}


def test_the_carried_backbone_loads_and_does_not_say_where_it_was_made(image):
    backbone = load_as_is("carried")
    assert backbone.label == "carried"
    assert set(backbone.style_taps + backbone.content_taps) <= set(backbone.taps)
    maps = backbone.features(image, backbone.style_taps)
    assert all(value.isfinite().all() and value.std() > 0 for value in maps.values())
    assert 0.5 < backbone.quality["extractor/top1"] < 1
    text = (CARRIED / "config.json").read_text() + (CARRIED / "README.md").read_text()
    assert not re.search(r"/(home|root|tmp|work|Users)/", text)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"nstkit": {}}', '{"nstkit": {"arch": {}, "classes": []}}', None])
def test_damaged_exported_folder_is_refused_by_name(tmp_path, make_content, small_vgg, user_error, text):
    export(make_content(small_vgg()), tmp_path / "out", half=False)
    path = tmp_path / "out" / "config.json"
    path.unlink() if text is None else path.write_text(text)
    with user_error("out: not a whole exported backbone"):
        load_as_is("out")


def test_checkpoint_whose_weights_do_not_fit_is_refused(tmp_path, make_content, small_vgg, user_error):
    content = make_content(small_vgg("vgg11", width=0.0625))
    write_checkpoint(tmp_path / "a.pt", {**content, "arch": {**content["arch"], "width": 0.125}})
    with user_error("a.pt", "of another shape"):
        load_as_is("a.pt")


def test_foreign_file_alone_is_refused_with_the_way_to_load_it(tmp_path, vgg11_weights, user_error):
    torch.save({"a": torch.ones(1)}, tmp_path / "w.pth")
    with user_error("vgg19@w.pth"):
        load_as_is("w.pth")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vgg19", ("vgg19", "none")),
        ("vgg11_bn", ("vgg11", "batch")),
        ("vgg12", None),
        ("vgg19_bn.tv_in1k", None),  # a timm name
        ("resnet18", None),
    ],
)
def test_our_own_names(name, expected):
    assert split_norm(name) == expected


def test_random_weights_depend_on_the_seed_alone(image):
    def first_maps(text):
        torch.rand(3)
        return load_as_is(text).features(image, ["conv2_1"])["conv2_1"]

    assert torch.equal(first_maps("vgg11@random:3"), first_maps("vgg11@random:3"))
    assert torch.equal(first_maps("vgg11@random"), first_maps("vgg11@random:0"))
    assert not torch.allclose(first_maps("vgg11@random:3"), first_maps("vgg11@random:4"), rtol=0.5)


def test_random_vgg_has_the_papers_taps_and_imagenets_normalisation(image):
    backbone = load_as_is("vgg11_bn@random:1")
    assert (backbone.style_taps, backbone.content_taps) == (GATYS_STYLE_TAPS, GATYS_CONTENT_TAPS)
    assert backbone.mean.flatten().tolist() == pytest.approx(IMAGENET[0])
    assert backbone.std.flatten().tolist() == pytest.approx(IMAGENET[1])
    assert backbone.facts == {"arch": "vgg11", "norm": "batch", "width": 1.0}
    assert isinstance(backbone.network.features[1], nn.BatchNorm2d)
    # Kaiming, not torch's default, with which deep maps vanish.
    maps = backbone.features(image, ["conv1_1", "conv5_2"])
    assert maps["conv5_2"].std() > 0.1 * maps["conv1_1"].std()


class _FeaturesOnly(nn.Module):
    def __init__(self, weights):
        super().__init__()
        self.features = tv.make_layers(tv.cfgs["A"])
        self.load_state_dict(weights)


def test_pretrained_vgg_is_timms(monkeypatch, vgg11_weights, vgg11_maps, image):
    asked = []

    def create(name, *, pretrained):
        asked.append((name, pretrained))
        return _FeaturesOnly(vgg11_weights)

    monkeypatch.setattr(timm, "create_model", create)
    found = load_as_is("vgg11").features(image, ["relu5_2"])["relu5_2"]
    assert torch.allclose(found, vgg11_maps(image)[-1], rtol=1e-3, atol=1e-4)
    assert asked == [("vgg11", True)]


@pytest.mark.parametrize("name", ["vgg19", "resnet18.a1_in1k", "hf-hub:timm/resnet18"])
def test_pretrained_without_a_network_is_one_line(monkeypatch, user_error, name):
    def fail(*args, **kwargs):
        raise RuntimeError("cannot reach huggingface.co\nsecond line")

    monkeypatch.setattr(timm, "create_model", fail)
    with user_error(f"--backbone {name}", "cannot reach huggingface.co", "@random", "@FILE"):
        load_as_is(name)


def test_torchvisions_weights_without_a_network_are_one_line(monkeypatch, user_error):
    def fail(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models.get_model", fail)
    with user_error("--backbone squeezenet1_1", "no route to host", "squeezenet1_1@random"):
        load_as_is("squeezenet1_1")


@pytest.mark.parametrize("name", ["test_resnet", "mobilenetv3_small_050", "test_convnext"])
def test_stages_are_those_that_timm_publishes(name, image):
    backbone = load_as_is(f"{name}@random:1")
    reference = timm.create_model(name, features_only=True)
    image = torch.nn.functional.interpolate(image, (64, 96))
    info = reference.feature_info
    stages = [tap for tap_name, tap in backbone.taps.items() if tap_name in {f"stage{k}" for k in range(9)}]
    assert [tap.name for tap in stages] == [f"stage{k}" for k in range(len(stages))]
    assert [(tap.channels, tap.stride) for tap in stages] == list(zip(info.channels(), info.reduction(), strict=True))
    maps = backbone.features(image, [tap.name for tap in stages])
    for tap in stages:
        assert maps[tap.name].shape == (2, tap.channels, 64 // tap.stride, 96 // tap.stride)
    stem = ("stem",) if "stem" in backbone.taps else ()
    assert backbone.style_taps == (*stem, *(tap.name for tap in stages if tap.stride <= 16))
    assert backbone.content_taps == backbone.style_taps[-1:]
    config = timm.data.resolve_model_data_config(reference)
    assert backbone.mean.flatten().tolist() == pytest.approx(config["mean"])
    assert backbone.std.flatten().tolist() == pytest.approx(config["std"])


@pytest.mark.parametrize("name", ["test_resnet", "squeezenet1_1"])
def test_random_weights_of_a_library_depend_on_the_seed_alone(image, name):
    def first_maps(text):
        torch.rand(3)
        return load_as_is(text).features(image, ["stage0"])["stage0"]

    assert torch.equal(first_maps(f"{name}@random:3"), first_maps(f"{name}@random:3"))
    assert not torch.allclose(first_maps(f"{name}@random:3"), first_maps(f"{name}@random:4"), rtol=0.5)


def test_torchvisions_network_has_the_last_module_at_each_stride(image):
    backbone = load_as_is("squeezenet1_1@random:1")
    network = get_model("squeezenet1_1", weights=None).eval()
    network.load_state_dict(backbone.network.state_dict())
    normalised = (image - torch.tensor(IMAGENET[0]).view(3, 1, 1)) / torch.tensor(IMAGENET[1]).view(3, 1, 1)
    found = backbone.features(image, ["stage0", "stage1", "stage2", "stage3"])
    # The last layers before each of the three poolings, and the last of all.
    for name, end in (("stage0", 2), ("stage1", 5), ("stage2", 8), ("stage3", 13)):
        assert torch.allclose(found[name], network.features[:end](normalised), rtol=1e-4, atol=1e-5), name
    assert [backbone.taps[f"stage{k}"].stride for k in range(4)] == [2, 4, 8, 16]
    assert backbone.style_taps == ("stage0", "stage1", "stage2", "stage3")


def test_weights_file_of_a_library_network(tmp_path, image):
    source = load_as_is("test_resnet@random:5")
    weights = {name: value for name, value in source.network.state_dict().items() if not name.startswith("fc.")}
    save_file({f"module.{name}": value.contiguous() for name, value in weights.items()}, tmp_path / "w.safetensors")
    found = load_as_is("test_resnet@w.safetensors").features(image, ["stage3"])["stage3"]
    assert torch.equal(found, source.features(image, ["stage3"])["stage3"])


def test_local_folder_of_timm(tmp_path, image):
    source = load_as_is("test_resnet@random:5")
    mean = [0.1, 0.2, 0.3]
    config = {"architecture": "test_resnet", "num_classes": 1000, "pretrained_cfg": {"mean": mean, "std": mean}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = {name: value.contiguous() for name, value in source.network.state_dict().items()}
    save_file(weights, tmp_path / "model.safetensors")
    backbone = load_as_is(f"local-dir:{tmp_path}")
    assert backbone.mean.flatten().tolist() == pytest.approx(mean)
    weights = backbone.network.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in source.network.state_dict().items())
    assert backbone.features(image, ["stage1"])["stage1"].shape == (2, 32, 10, 8)


class _Headless(nn.Module):
    def forward(self, image):
        return image.mean(dim=(2, 3))


def test_network_without_feature_maps_is_refused_in_one_line(user_error):
    spec = parse_backbone("resnet18@random")
    with user_error("--backbone resnet18@random", "could not be looked at", "choose another network"):
        library_backbone(_Headless(), spec, {"mean": IMAGENET[0], "std": IMAGENET[1]}, {"arch": "mean"})


@pytest.mark.parametrize(
    ("name", "suggestion"), [("vgg29", "vgg"), ("resnet5O", "'resnet50'"), ("squeezenet1_2", "squeezenet1_")]
)
def test_unknown_name_gets_the_nearest(user_error, name, suggestion):
    with user_error(f"--backbone {name}@random", f"no network '{name}'", "Did you mean", suggestion, "NAME@FILE"):
        load_as_is(f"{name}@random")


def test_unknown_timm_tag_is_one_line(user_error):
    with user_error("test_resnet.bogus", "Invalid pretrained tag"):
        load_as_is("test_resnet.bogus@random")


@pytest.mark.shared
def test_imagenet_vgg19_gives_torchvisions_maps(image):
    path = SHARED / "weights" / "vgg19_imagenet_features_fp16.safetensors"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    reference = tv.make_layers(tv.cfgs["E"])  # `torchvision.models.vgg19().features`
    weights = {name.removeprefix("features."): value for name, value in read_safetensors(path).items()}
    reference.load_state_dict(weights)
    for layer in reference:
        layer.inplace = False
    backbone = load_as_is(f"vgg19@{path}")
    found = backbone.features(image, ["relu1_1", "conv4_2", "relu5_1"])
    normalised = (image - torch.tensor(IMAGENET[0]).view(3, 1, 1)) / torch.tensor(IMAGENET[1]).view(3, 1, 1)
    with torch.no_grad():
        for name, index in (("relu1_1", 1), ("conv4_2", 21), ("relu5_1", 29)):
            expected = reference[: index + 1](normalised)
            assert (found[name] - expected).norm() < 1e-4 * expected.norm()
    # Trained weights, not what a random network would give: deep channels differ in strength by far.
    strength = found["relu5_1"].mean(dim=(0, 2, 3))
    assert strength.max() > 10 * strength.median()


# Weights of ours under a name keep the normalisation that they were trained with


def test_our_checkpoint_under_a_name_brings_its_normalisation(tmp_path, make_content, small_vgg):
    write_checkpoint(tmp_path / "a.pt", make_content(small_vgg(width=1.0, norm="none")))
    export(make_content(small_vgg(width=1.0, norm="none")), tmp_path / "out", half=True)
    for text in ("vgg11@a.pt", "vgg11@out/model.safetensors"):
        backbone = load_as_is(text)
        assert backbone.mean.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])
        assert backbone.std.flatten().tolist() == pytest.approx([0.2, 0.25, 0.3])


def test_foreign_weights_under_a_name_keep_the_names_normalisation(tmp_path, vgg11_weights):
    torch.save(vgg11_weights, tmp_path / "w.pth")
    save_file(vgg11_weights, tmp_path / "w.safetensors")
    (tmp_path / "config.json").write_text('{"architectures": ["other"]}')
    for text in ("vgg11@w.pth", "vgg11@w.safetensors"):
        assert load_as_is(text).mean.flatten().tolist() == pytest.approx(IMAGENET[0])


@pytest.mark.parametrize(("spec", "expected"), [("test_resnet@random:2", True), ("vgg11@random", True)])
def test_a_random_backbone_says_so(spec, expected):
    assert load_as_is(spec).is_random == expected
    assert not load_as_is("carried").is_random


# A folder or a library that would run code


class _Touches:
    """Makes a file when it is unpickled without care."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


def test_hostile_weights_of_timms_folder_never_run(tmp_path, user_error, monkeypatch):
    config = {
        "architecture": "test_resnet",
        "num_classes": 10,
        "pretrained_cfg": {"num_classes": 10, "mean": [0.5] * 3},
    }
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "config.json").write_text(json.dumps(config))
    torch.save({"w": _Touches(tmp_path / "trace")}, tmp_path / "net" / "pytorch_model.bin")
    with user_error("--backbone local-dir:net", "could not make it"):
        load_as_is("local-dir:net")

    def before_1_0_26(*args, **kwargs):
        return torch.load(tmp_path / "net" / "pytorch_model.bin", map_location="cpu", weights_only=False)

    # Whatever a version of a library asks for: its wish is not heard.
    monkeypatch.setattr(timm, "create_model", before_1_0_26)
    with user_error("--backbone local-dir:net", "could not make it"):
        load_as_is("local-dir:net")
    monkeypatch.setattr(models, "get_model", before_1_0_26)
    with user_error("--backbone squeezenet1_1", "its weights could not be"):
        load_as_is("squeezenet1_1")
    assert not (tmp_path / "trace").exists()
    before_1_0_26()
    assert (tmp_path / "trace").exists()  # it would have run: the test is worth something


def test_network_larger_than_its_weights_is_never_made(tmp_path, make_content, small_vgg, user_error, monkeypatch):
    content = make_content(small_vgg())
    sizes = []
    monkeypatch.setattr(loading, "build_network", lambda arch, factory=None: sizes.append(arch) or build_network(arch))
    for arch in ({"width": 1e6}, {"width": 64.0}, {"width": 1e30}, {"arch": "vgg19", "width": 64.0}):
        write_checkpoint(tmp_path / "a.pt", {**content, "arch": {**content["arch"], **arch}})
        with user_error("a.pt"):
            load_as_is("a.pt")
    giant = {"arch": "vit_giant_patch14_224", "library": "timm", "classes": 3, "small_stem": False}
    write_checkpoint(tmp_path / "a.pt", {**content, "arch": giant})
    with user_error("a.pt", "do not fit the architecture"):
        load_as_is("a.pt")
    assert len(sizes) == 5  # once each, where tensors have no memory
