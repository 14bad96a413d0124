"""A small data set of drawn textures, a small network for it, and clouds of features that belong to classes."""

import pytest
import torch

from nstkit.backbones.prepare import load_backbone
from nstkit.datasets.arrays import LabelledImages, build_dataset
from nstkit.datasets.patterns import draw_patterns

CLASSES = ("checks", "dots", "stripes")


@pytest.fixture(scope="session")
def textures():
    """Three classes of textures at 32 px: 120 pictures to learn from, 12 to validate, 60 to test."""

    def part(count, seed):
        images, labels = (torch.from_numpy(values) for values in draw_patterns(count, 32, seed))
        return LabelledImages(images.permute(0, 2, 3, 1).contiguous(), labels % 3)

    return build_dataset("textures", CLASSES, part(120, 0), part(12, 1), part(60, 2))


@pytest.fixture
def small_run(tmp_path, small_vgg, write_run):
    """The run folder of a small VGG11 with batch norm and three classes, said to be those of `textures`."""
    return write_run(tmp_path / "small", small_vgg(seed=7), classes=list(CLASSES))


@pytest.fixture
def small_backbone(small_run):
    """Its extractor; style taps relu1_1 and relu2_1, content tap conv3_1."""
    return load_backbone(str(small_run))


@pytest.fixture
def clouds():
    """A function that returns (train, its labels, test, its labels): 7 classes in 12 overlapping channels."""

    def draw(train=400, test=300, channels=12, classes=7, spread=1.5, seed=0):
        generator = torch.Generator().manual_seed(seed)
        centres = torch.randn(classes, channels, generator=generator)
        mixing = torch.randn(channels, channels, generator=generator)
        found = []
        for count in (train, test):
            labels = torch.randint(0, classes, (count,), generator=generator)
            noise = torch.randn(count, channels, generator=generator) @ mixing / channels**0.5
            found += [centres[labels] + spread * noise + 3, labels]
        return tuple(found)

    return draw
