"""A plain VGG11 at full width under torchvision's names, and its maps computed apart from any of our code."""

import pytest
import torch
from torch import nn
from torchvision.models import vgg as tv

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Work in an empty folder, so that no name happens to be a file."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def vgg11_weights():
    """Weights of a plain VGG11 at full width under torchvision's names, without a head."""
    torch.manual_seed(1)
    layers = tv.make_layers(tv.cfgs["A"])
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)
    return {f"features.{name}": value for name, value in layers.state_dict().items()}


@pytest.fixture(scope="module")
def vgg11_maps(vgg11_weights):
    """A function that computes the plain VGG11's relu maps of a picture, layer by layer."""

    def compute(image):
        maps, index, found = image, 0, []
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET)
        maps = (image - mean) / std
        for word in tv.cfgs["A"]:
            if word == "M":
                maps, index = nn.functional.max_pool2d(maps, 2), index + 1
                continue
            weight, bias = (vgg11_weights[f"features.{index}.{kind}"] for kind in ("weight", "bias"))
            maps, index = nn.functional.conv2d(maps, weight, bias, padding=1).relu(), index + 2
            found.append(maps)
        return found

    return compute
