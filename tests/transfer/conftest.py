"""A tiny extractor and a tiny pair, as tensors and as files."""

from dataclasses import dataclass

import pytest
import torch

from nstkit.backbones.initialise import kaiming_init
from nstkit.backbones.load import vgg_backbone
from nstkit.backbones.spec import parse_backbone
from nstkit.backbones.vgg import VGG
from nstkit.checkpoint import write_checkpoint
from nstkit.pictures.tensors import to_tensor
from transfer.painting.settings import PaintSettings

NORMALISATION = {"mean": (0.5, 0.45, 0.4), "std": (0.25, 0.25, 0.3)}


def build_network():
    torch.manual_seed(0)
    network = VGG("vgg11", norm="none", width=0.0625, classes=3)
    kaiming_init(network)
    return network


@pytest.fixture
def backbone():
    """A VGG11 of 4 to 32 channels with random weights and Gatys' taps."""
    return vgg_backbone(build_network(), parse_backbone("vgg11@random"), NORMALISATION, {"arch": "vgg11"})


@pytest.fixture
def content(draw_picture):
    """The content, (1, 3, 40, 48)."""
    return to_tensor(draw_picture((48, 40), seed=1))


@pytest.fixture
def style(draw_picture):
    """The style, (1, 3, 36, 52): another size."""
    return to_tensor(draw_picture((52, 36), seed=2))


@pytest.fixture
def style_of_content_size(draw_picture):
    """The style, (1, 3, 40, 48)."""
    return to_tensor(draw_picture((48, 40), seed=2))


@pytest.fixture
def settings():
    """Return resolved settings of the painter in float32, for a canvas of pixels."""

    def make(mode="transfer", **given):
        return PaintSettings.of(**{"precision": "fp32", "canvas": "pixels", **given}).resolved(mode)

    return make


@dataclass(frozen=True)
class FlatPart:
    """A part of the loss beside what its place says."""

    kind: str
    octave: int
    tap: str
    tag: str
    target: torch.Tensor
    weight: float


@pytest.fixture
def parts_of():
    """Return all parts of an objective that compare features."""

    def flat(objective):
        return [
            FlatPart(term.name, *part.places[0], part.tag, part.targets[0], part.weight)
            for term in objective.terms
            for part in term.parts
            if part.places
        ]

    return flat


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A checkpoint in the form of train_backbone's, untrained, with a quality that is told apart from any default."""
    network = build_network()
    path = tmp_path_factory.mktemp("checkpoint") / "tiny" / "ckpt.pt"
    content = {
        "arch": network.arguments,
        "classes": ["a", "b", "c"],
        "input": {"size_px": 32, "mean": [0.5, 0.45, 0.4], "std": [0.25, 0.25, 0.3]},
        "taps": {"style": ["relu1_1", "relu2_1", "relu3_1"], "content": ["relu3_2"]},
        "model": network.state_dict(),
        "quality": {"extractor/top1": 0.625},
        "config": {"dataset": "folder", "epochs": 2},
        "environment": {"torch": "x", "device": "cpu"},
    }
    write_checkpoint(path, content)
    return path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory, draw_picture):
    """A folder with content/{boat,house}.png and style/{waves,dots}.jpg."""
    root = tmp_path_factory.mktemp("pictures")
    for seed, (name, size) in enumerate(
        {
            "content/boat.png": (60, 48),
            "content/house.png": (48, 64),
            "style/dots.jpg": (56, 56),
            "style/waves.jpg": (70, 50),
        }.items()
    ):
        (root / name).parent.mkdir(exist_ok=True)
        draw_picture(size, seed).save(root / name)
    return root
