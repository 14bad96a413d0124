"""Weights of other programs: wrappers and prefixes come off, a head may be missing, all that does not fit is listed."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nstkit.backbones.normalisation import IMAGENET
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.vgg import VGG
from nstkit.backbones.weights import load_file, load_weights, read_content
from nstkit.checkpoint import write_checkpoint


def _same(backbone, image, expected):
    """Return whether relu2_1 and relu5_2, the second and last convolution of a VGG11, are as expected."""
    found = backbone.features(image, ["relu2_1", "relu5_2"])
    return torch.allclose(found["relu2_1"], expected[1], rtol=1e-3, atol=1e-4) and torch.allclose(
        found["relu5_2"], expected[-1], rtol=1e-3, atol=1e-4
    )


def _prefixed(weights, prefix):
    return {prefix + name: value for name, value in weights.items()}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: _prefixed(weights, "module."),
        lambda weights: _prefixed(weights, "_orig_mod.module."),
        lambda weights: {"state_dict": _prefixed(weights, "model."), "epoch": 3},
        lambda weights: {"model": weights, "args": {"lr": 0.1}},
        lambda weights: {"model_state_dict": _prefixed(weights, "module._orig_mod.")},
        lambda weights: weights | {"classifier.0.weight": torch.zeros(3, 3), "classifier.0.bias": torch.zeros(3)},
        lambda weights: weights | {"pre_logits.fc1.weight": torch.zeros(3), "head.fc.bias": torch.zeros(3)},
    ],
    ids=["plain", "module", "compiled", "nested", "model", "both", "torchvision head", "timm head"],
)
def test_weights_of_another_program(tmp_path, vgg11_weights, vgg11_maps, image, wrap):
    torch.save(wrap(vgg11_weights), tmp_path / "w.pth")
    backbone = load_backbone("vgg11@w.pth")
    assert _same(backbone, image, vgg11_maps(image))
    assert backbone.label == "vgg11-w"


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_safetensors_in_half_precision(tmp_path, vgg11_weights, vgg11_maps, image, prefix):
    halves = {name: value.half() for name, value in _prefixed(vgg11_weights, prefix).items()}
    save_file(halves, tmp_path / "w.safetensors")
    found = load_backbone("vgg11@w.safetensors").features(image, ["relu5_2"])["relu5_2"]
    expected = vgg11_maps(image)[-1]
    assert found.dtype == torch.float32
    assert (found - expected).norm() < 2e-3 * expected.norm()


def test_a_checkpoint_of_ours_is_a_weights_file_too(tmp_path, make_content, small_vgg):
    network = small_vgg(norm="batch")
    write_checkpoint(tmp_path / "a.pt", make_content(network))
    assert read_content(tmp_path / "a.pt")["model"]["features.1.num_batches_tracked"].dtype == torch.int64
    loaded = small_vgg(norm="batch", seed=1)
    assert load_file(loaded, tmp_path / "a.pt", IMAGENET)["mean"] == [0.4, 0.5, 0.6]
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in network.state_dict().items())


def test_missing_and_unexpected_weights_are_listed_once(tmp_path, vgg11_weights, user_error):
    wrong = dict(vgg11_weights)
    del wrong["features.0.weight"], wrong["features.3.bias"]
    wrong |= {"features.99.weight": torch.zeros(1), "extra": torch.zeros(1)}
    wrong["features.6.bias"] = torch.zeros(7)
    torch.save(wrong, tmp_path / "w.pth")
    with user_error(
        "w.pth",
        "2 missing (features.0.weight, features.3.bias)",
        "2 unexpected (extra, features.99.weight)",
        "1 of another shape (features.6.bias)",
    ):
        load_backbone("vgg11@w.pth")


def test_a_long_list_of_missing_weights_is_cut(tmp_path, vgg11_weights, user_error):
    torch.save(vgg11_weights, tmp_path / "w.pth")
    with user_error("missing (", ", ...)") as caught:
        load_backbone("vgg19_bn@w.pth")
    assert len(str(caught.value)) < 600


def test_nothing_is_loaded_of_weights_that_do_not_fit(user_error):
    network = VGG("vgg11", norm="none", width=0.0625)
    before = network.features[0].weight.clone()
    with user_error("missing"):
        load_weights(network, {"features.0.weight": torch.zeros_like(before)}, Path("w.pth"))
    assert torch.equal(network.features[0].weight, before)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.pth", [torch.zeros(1)]),
        ("w.pth", {"epoch": 3}),
        ("w.pth", torch.zeros(3)),
        ("w.pth", b"text"),
        ("w.safetensors", b"text"),
        ("w.safetensors", b""),
    ],
)
def test_file_without_weights_is_refused_by_name(tmp_path, user_error, name, content):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        torch.save(content, tmp_path / name)
    with user_error(name):
        load_backbone(f"vgg11@{name}")


def test_truncated_safetensors_is_refused_by_name(tmp_path, user_error):
    save_file({"features.0.weight": torch.zeros(100)}, tmp_path / "w.safetensors")
    whole = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(whole[:-10])
    with user_error("w.safetensors", "not a whole safetensors file"):
        load_backbone("vgg11@w.safetensors")


def test_weights_of_an_averaged_model(tmp_path, small_vgg):
    network = small_vgg(norm="none")
    averaged = torch.optim.swa_utils.AveragedModel(network)
    averaged.update_parameters(network)
    torch.save(averaged.state_dict(), tmp_path / "averaged.pt")
    loaded = small_vgg(norm="none", seed=1)
    load_file(loaded, tmp_path / "averaged.pt", IMAGENET)
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in network.state_dict().items())


# Files of other programs under other names


def _gatys(weights, arch):
    """Return `features.N` weights under the paper's names, as Gatys published them."""
    places = {f"features.{index}": name for name, index in VGG(arch, norm="none", width=0.0625).taps.items()}
    return {f"{places[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": value for name, value in weights.items()}


def test_gatys_file_takes_blue_green_red_less_the_mean(tmp_path, vgg11_weights, image):
    weights = _gatys(vgg11_weights, "vgg11")
    assert "conv5_2.bias" in weights
    torch.save(weights | {"fc6.weight": torch.zeros(3, 3), "fc6.bias": torch.zeros(3)}, tmp_path / "w.pth")
    backbone = load_backbone("vgg11@w.pth")
    bgr = 255 * image[:, [2, 1, 0]] - torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)
    expected = torch.nn.functional.conv2d(
        bgr, vgg11_weights["features.0.weight"], vgg11_weights["features.0.bias"], padding=1
    )
    found = backbone.features(image, ["conv1_1", "relu5_2"])
    assert torch.allclose(found["conv1_1"], expected, rtol=1e-4, atol=1e-2)
    assert found["relu5_2"].std() > 0


def test_gatys_file_of_another_vgg_is_one_line(tmp_path, vgg11_weights, user_error):
    torch.save(_gatys(vgg11_weights, "vgg11"), tmp_path / "w.pth")
    with user_error("w.pth", "do not fit", "missing (features."):
        load_backbone("vgg16@w.pth")


def test_features_alone_load_under_timms_name(tmp_path, vgg11_weights, vgg11_maps, image):
    torch.save(vgg11_weights, tmp_path / "w.pth")
    found = load_backbone("vgg11.tv_in1k@w.pth").features(image, ["features.19"])["features.19"]
    assert torch.allclose(found, vgg11_maps(image)[-1], rtol=1e-3, atol=1e-4)


def test_features_alone_load_under_torchvisions_name(tmp_path, image):
    source = load_backbone("squeezenet1_1@random:3")
    weights = {name: value for name, value in source.network.state_dict().items() if name.startswith("features.")}
    torch.save({"model": _prefixed(weights, "module.")}, tmp_path / "w.pth")
    found = load_backbone("squeezenet1_1@w.pth").features(image, ["stage2"])["stage2"]
    assert torch.equal(found, source.features(image, ["stage2"])["stage2"])


def test_a_file_of_the_authors_goes_through_timms_filter(tmp_path):
    source = load_backbone("test_convnext@random:3").network.state_dict()
    authors = {  # as facebookresearch/ConvNeXt names them
        name.replace("stem.", "downsample_layers.0.")
        .replace(".blocks.", ".")
        .replace("conv_dw", "dwconv")
        .replace("mlp.fc", "pwconv")
        .replace("head.norm.", "norm.")
        .replace("head.fc.", "head."): value
        for name, value in source.items()
    }
    for stage in range(1, 4):
        authors = {
            name.replace(f"stages.{stage}.downsample.", f"downsample_layers.{stage}."): value
            for name, value in authors.items()
        }
    assert set(authors) != set(source)
    torch.save({"model": authors}, tmp_path / "w.pth")
    found = load_backbone("test_convnext@w.pth").network.state_dict()
    body = [name for name in source if not name.startswith("head.")]
    assert all(torch.equal(found[name], source[name]) for name in body)
