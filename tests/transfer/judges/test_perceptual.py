import pytest
import torch
import torch.nn.functional as F
from torchvision import models

from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import parse_backbone
from transfer.judges.perceptual import perceptual_distance, read_channel_weights


def test_only_for_networks_that_it_was_learned_for(tmp_path):
    file = tmp_path / "weights.pth"
    file.touch()
    assert read_channel_weights(parse_backbone("squeezenet1_1@random")) == {}
    assert read_channel_weights(parse_backbone(f"vgg19@{file}")) == {}
    for name, count in (("squeezenet1_1", 7), ("vgg16", 5)):
        assert len(read_channel_weights(parse_backbone(f"{name}@{file}"))) == count


def test_against_torchmetrics_with_the_same_trunk(tmp_path):
    from torchmetrics.functional.image.lpips import _LPIPS

    torch.manual_seed(0)
    trunk = models.squeezenet1_1()
    torch.save(trunk.state_dict(), tmp_path / "trunk.pth")
    spec = parse_backbone(f"squeezenet1_1@{tmp_path / 'trunk.pth'}")
    backbone, weights = load_backbone(spec), read_channel_weights(spec)
    a, b = (F.interpolate(torch.rand(1, 3, 8, 8), (64, 72), mode="bilinear") for _ in range(2))
    peer = _LPIPS(net="squeeze", pnet_rand=True).eval()
    modules = [module for part in peer.net.slices for module in part]
    for module, own in zip(modules, trunk.features, strict=True):
        module.load_state_dict(own.state_dict())
    with torch.no_grad():
        expected = peer(2 * a - 1, 2 * b - 1).item()
        features = [backbone.features(each, weights) for each in (a, b)]
    assert perceptual_distance(*features, weights) == pytest.approx(expected, rel=0.01)
    assert perceptual_distance(features[0], features[0], weights) == 0
