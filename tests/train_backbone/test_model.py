"""The network of the settings, with its initial weights, or one line."""

import sys

import pytest
import torch
from torch import nn

from nstkit.backbones.initialise import initialise
from nstkit.backbones.vgg import VGG
from nstkit.errors import UserError
from train_backbone.config import NetworkSettings
from train_backbone.model import build_model, check_logits


@pytest.fixture
def pictures():
    """Normalised pictures, (8, 3, 32, 32)."""
    return torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_ours_by_its_settings():
    torch.manual_seed(4)
    model = build_model(NetworkSettings(arch="vgg13", norm="none", width=0.0625, init="kaiming"), 7, 32)
    torch.manual_seed(4)
    reference = VGG("vgg13", norm="none", width=0.0625, classes=7)
    initialise(reference, "kaiming")
    assert all(torch.equal(value, reference.state_dict()[name]) for name, value in model.state_dict().items())
    assert model.arguments == {"arch": "vgg13", "norm": "none", "width": 0.0625, "classes": 7}


def test_papers_head_is_asked_for():
    model = build_model(NetworkSettings(arch="vgg11", width=0.0625, head="fc4096"), 7, 32)
    assert model.arguments["head"] == "fc4096"
    assert len(model.classifier) == 7


def test_timms_network_keeps_its_own_weights_and_ours_get_kaiming_where_none_are_named():
    def deviation(arch, path, **more):
        torch.manual_seed(0)
        return build_model(NetworkSettings(arch=arch, **more), 7, 32).get_submodule(path).weight.std().item()

    assert deviation("test_resnet", "layer1.0.conv1") == deviation("test_resnet", "layer1.0.conv1", init="default")
    assert deviation("test_resnet", "fc") > 2 * deviation("test_resnet", "fc", init="kaiming")
    assert deviation("vgg11", "features.0", width=0.25) == pytest.approx((2 / (16 * 9)) ** 0.5, rel=0.15)


def test_lsuv_looks_at_the_pictures(pictures):
    model = build_model(NetworkSettings(arch="vgg11", norm="none", width=0.0625, init="lsuv"), 7, 32, pictures)
    assert model.features[0](pictures).std().item() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("size", [32, 96])
def test_stem_follows_the_pictures(size):
    model = build_model(NetworkSettings(arch="test_resnet"), 7, size)
    assert model.arguments == {"arch": "test_resnet", "library": "timm", "classes": 7, "small_stem": size == 32}
    assert model.conv1[0].stride[0] == (1 if size == 32 else 2)


def test_pictures_that_are_too_small_for_a_network_are_one_line():
    with pytest.raises(
        UserError, match=r"^--arch inception_v3: it does not take pictures of 32 px .*--image-size"
    ) as e:
        build_model(NetworkSettings(arch="inception_v3"), 7, 32)
    assert "\n" not in str(e.value)


def test_factory_of_the_user(tmp_path, monkeypatch):
    code = (
        "from torch import nn\nmake = lambda num_classes: nn.Sequential(nn.Flatten(), nn.Linear(3072, num_classes))\n"
    )
    (tmp_path / "their_net.py").write_text(code + "wrong = lambda num_classes: make(num_classes + 1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        model = build_model(NetworkSettings(arch="their_net:make"), 7, 32)
        with pytest.raises(UserError, match=r"--arch their_net:wrong: it gives \(2, 8\) .* not logits \(2, 7\)"):
            build_model(NetworkSettings(arch="their_net:wrong"), 7, 32)
    finally:
        sys.modules.pop("their_net", None)
    assert model.arguments == {"arch": "their_net:make", "library": "factory", "classes": 7}


def test_more_than_the_logits_in_training_is_refused():
    class Two(nn.Linear):
        def forward(self, image):
            logits = super().forward(image.flatten(1))
            return (logits, logits) if self.training else logits

    with pytest.raises(UserError, match="--arch a:two: it gives tuple of two pictures in training"):
        check_logits(Two(3072, 7), "a:two", 7, 32)


def test_the_look_at_the_logits_leaves_model_and_random_state():
    model = VGG("vgg11", norm="batch", width=0.0625, classes=7, head="fc4096").eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    check_logits(model, "vgg11", 7, 32)
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
