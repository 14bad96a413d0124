import sys

import numpy as np
import pytest
import torch
from torch import nn

from nstkit.backbones.batchnorm import settled
from nstkit.backbones.build import build_network
from nstkit.backbones.initialise import undo_identity_start
from nstkit.backbones.prepare import load_backbone
from nstkit.export import export
from nstkit.quality.twin import random_twin, read_header


def weights_of(backbone):
    return {name: value for name, value in backbone.network.state_dict().items() if value.is_floating_point()}


@pytest.fixture
def exported(tmp_path, make_content, small_vgg):
    export(make_content(small_vgg(seed=7)), tmp_path / "exported", half=False)
    return tmp_path / "exported"


@pytest.mark.parametrize("kind", ["small_run", "exported"])
def test_twin_of_a_checkpoint_is_the_same_architecture_before_training(kind, request):
    folder = request.getfixturevalue(kind)
    trained, twin = load_backbone(str(folder)), random_twin(str(folder))
    assert (twin.taps, twin.style_taps, twin.content_taps) == (trained.taps, trained.style_taps, trained.content_taps)
    assert torch.equal(twin.mean, trained.mean)
    assert torch.equal(twin.std, trained.std)
    assert twin.label == f"{trained.label}-random"
    assert twin.quality == {}
    assert not any(module.training for module in twin.network.modules())
    for name, value in weights_of(twin).items():
        other = weights_of(trained)[name]
        assert value.shape == other.shape
        assert name == "classifier.bias" or not torch.equal(value, other), name  # that one is 0 in both
    first = twin.network.features[0].weight
    assert float(first.std()) == pytest.approx((2 / (9 * first.shape[0])) ** 0.5, rel=0.25)  # Kaiming's, by fan_out
    assert weights_of(twin)["features.0.bias"].eq(0).all()


def test_twin_of_a_library_network_starts_as_its_library_makes_it_with_its_branches_open(tmp_path, write_run):
    arch = {"arch": "resnet10t", "library": "timm", "classes": 3, "small_stem": True}
    torch.manual_seed(9)
    trained = build_network(arch)
    write_run(tmp_path / "run", trained, taps={"style": ["stage0", "stage1"], "content": ["stage1"]})
    twin = random_twin(str(tmp_path / "run"))
    torch.manual_seed(0)
    network = build_network(arch)
    assert undo_identity_start(network)  # timm starts the last norm of each block at 0
    expected = network.state_dict()
    assert twin.style_taps == ("stage0", "stage1")
    assert twin.network.state_dict().keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(twin.network.state_dict()[name], value)
    assert not torch.equal(expected["fc.weight"], trained.state_dict()["fc.weight"])


def test_factory_of_a_twin_runs_only_where_it_is_named(tmp_path, write_run, small_vgg, monkeypatch, user_error):
    network = small_vgg()
    (tmp_path / "my_twin.py").write_text("def build(num_classes):\n    raise SystemError('it ran')\n")
    monkeypatch.syspath_prepend(tmp_path)
    arch = {"arch": "my_twin:build", "library": "factory", "classes": 3}
    run = write_run(tmp_path / "run", network, arch=arch)
    with user_error("my_twin:build", "add --arch"):
        random_twin(str(run))
    with user_error("it ran"):
        random_twin(str(run), factory="my_twin:build")
    sys.modules.pop("my_twin", None)


def test_twin_is_always_the_same(small_run):
    first, second = random_twin(str(small_run)), random_twin(str(small_run))
    for name, value in weights_of(first).items():
        assert torch.equal(value, weights_of(second)[name])


@pytest.mark.parametrize(
    ("spec", "same"),
    [
        ("vgg11@random:4", "vgg11@random:5"),
        ("resnet10t@random", "resnet10t@random:1"),
        ("vgg11@WEIGHTS", "vgg11@random:0"),
    ],
)
def test_twin_of_a_name_is_its_random_network(spec, same, tmp_path):
    if "WEIGHTS" in spec:
        torch.save(load_backbone("vgg11@random:9").network.state_dict(), tmp_path / "weights.pt")
        spec = spec.replace("WEIGHTS", str(tmp_path / "weights.pt"))
    twin, expected = random_twin(spec), load_backbone(same)
    assert twin.label == expected.label
    for name, value in weights_of(expected).items():
        assert torch.equal(value, weights_of(twin)[name])
    assert any(
        not torch.equal(value, weights_of(twin)[name]) for name, value in weights_of(load_backbone(spec)).items()
    )


@pytest.mark.parametrize("spec", ["RUN", "resnet10t@random"])
def test_global_random_numbers_are_left_alone(spec, small_run):
    torch.manual_seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    random_twin(spec.replace("RUN", str(small_run)))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_settled_batchnorm_has_the_pictures_statistics(small_run, textures):
    image = textures.train.images.permute(0, 3, 1, 2) / 255
    twin = random_twin(str(small_run))
    path = next(path for path, module in twin.network.named_modules() if isinstance(module, nn.BatchNorm2d))
    before = {name: value.clone() for name, value in twin.network.named_parameters()}
    twin = settled(settled(twin, image), image)  # a second time changes nothing
    norm = twin.network.get_submodule(path)
    incoming = twin.network.features[0]((image - twin.mean) / twin.std)
    torch.testing.assert_close(norm.running_mean, incoming.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, incoming.var(dim=(0, 2, 3)), rtol=1e-4, atol=1e-5)
    maps = twin.features(image, ["conv1_1", "conv5_2"])
    for values in maps.values():
        torch.testing.assert_close(values.mean(dim=(0, 2, 3)), torch.zeros(values.shape[1]), atol=0.02, rtol=0)
        assert float(values.std()) == pytest.approx(1, abs=0.05)
    assert norm.momentum == 0.1
    assert not any(module.training for module in twin.network.modules())
    assert all(torch.equal(value, before[name]) for name, value in twin.network.named_parameters())


def test_nothing_to_settle_without_batchnorm(exported, image):
    twin = random_twin(str(exported))
    assert settled(twin, image) is twin


def test_header(small_run, exported):
    from nstkit.backbones.spec import parse_backbone

    assert read_header(parse_backbone(str(small_run)))["classes"] == ["checks", "dots", "stripes"]
    assert read_header(parse_backbone(str(exported)))["input"]["size_px"] == 32
    assert read_header(parse_backbone("vgg11@random")) is None
