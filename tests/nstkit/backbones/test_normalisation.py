"""What weights take is known by what they are, or said by flag; two ways to say the same give the same maps."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file as load_safetensors

from nstkit.backbones.normalisation import BLUE_KERNELS, CAFFE, FEATURES, IMAGENET, InputSettings, recognise
from nstkit.backbones.prepare import load_backbone
from nstkit.errors import UserError

WEIGHTS = Path(__file__).parents[4] / "shared" / "data" / "weights" / "vgg19_imagenet_features_fp16.safetensors"
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
CAFFE_MEAN = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)  # blue, green, red


def _first(kernel, channel):
    weight = torch.randn(64, 3, 3, 3, generator=torch.Generator().manual_seed(0)) / 5
    weight[0, channel] = torch.tensor(kernel)
    return {"features.0.weight": weight}


@pytest.mark.parametrize("kernel", BLUE_KERNELS, ids=["VGG16", "VGG19"])
def test_published_vgg_is_known_in_both_orders(kernel):
    assert recognise(_first(kernel, 0), has_broken_head=False) == CAFFE
    assert recognise(_first(kernel, 2), has_broken_head=False) == FEATURES
    rounded = {name: value.bfloat16() for name, value in _first(kernel, 0).items()}
    assert recognise(rounded, has_broken_head=False) == CAFFE


def test_weights_of_the_same_size_that_are_others_are_not_taken_for_them():
    # torchvision's own VGG19, for pictures normalised by ImageNet's mean, has first weights as large as Caffe's.
    kernel = ((-0.0535, -0.0493, -0.0679), (0.0153, 0.0451, 0.0021), (0.0362, 0.0200, 0.0199))
    assert recognise(_first(kernel, 0), has_broken_head=False) is None
    assert recognise(_first(kernel, 0), has_broken_head=True) == FEATURES
    assert recognise({"features.0.weight": torch.ones(16, 3, 3, 3)}, has_broken_head=True) is None
    assert recognise({"conv1.weight": torch.ones(64, 3, 7, 7)}, has_broken_head=True) is None


@pytest.fixture(scope="module")
def imagenet():
    """ImageNet VGG19 for normalised pictures, to the fourth block."""
    if not WEIGHTS.is_file():
        pytest.skip(f"{WEIGHTS} is not there")
    return {name: value.float() for name, value in load_safetensors(WEIGHTS).items()}


def _as_published(weights, *, is_bgr):
    """Return the same network for pictures of 0 to 255 less the mean, as Caffe's files have it.

    W (x - m) / s + b = (W / 255 s) (255 x - M) + b + W (M / 255 - m) / s, the border of the padded picture aside.
    """
    first, bias = weights["features.0.weight"], weights["features.0.bias"]
    published = first / (255 * STD)
    mean = CAFFE_MEAN.flip(1) / 255 if is_bgr else torch.tensor(FEATURES["mean"]).view(1, 3, 1, 1)
    shift = (mean - MEAN) / STD
    moved = bias + (first * shift).sum(dim=(1, 2, 3))
    return {
        **weights,
        "features.0.weight": published.flip(1) if is_bgr else published,
        "features.0.bias": moved,
    }


@pytest.mark.shared
@pytest.mark.parametrize("is_bgr", [True, False], ids=["neural-style-pt", "torchvision's features"])
def test_known_file_gives_the_maps_of_the_network_that_it_is(tmp_path, imagenet, is_bgr):
    weights = _as_published(imagenet, is_bgr=is_bgr)
    torch.save(weights, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    found = load_backbone(f"vgg19@{tmp_path / 'w.pth'}")
    assert found.flip_channels == is_bgr
    own = load_backbone(f"vgg19@{WEIGHTS}")
    # A picture of one colour in the midst of another: zeros of the padding stand for other colours in the two.
    image = torch.full((1, 3, 160, 160), 0.45)
    image[:, :, 40:120, 40:120] = torch.rand(1, 3, 80, 80, generator=torch.Generator().manual_seed(3))
    for name, inner in (("relu1_1", slice(8, -8)), ("conv2_2", slice(8, -8)), ("relu4_2", slice(9, 11))):
        a, b = (backbone.features(image, [name])[name][..., inner, inner] for backbone in (found, own))
        assert (a - b).norm() < 1e-4 * b.norm(), name
    flags = {"value_range": "0-255", "mean": (103.939, 116.779, 123.68), "channel_order": "bgr"}
    said = load_backbone(f"vgg19@{tmp_path / 'w.pth'}", **flags)
    if is_bgr:
        assert torch.allclose(said.mean, found.mean)
        assert torch.allclose(said.std, found.std)


@pytest.fixture
def foreign(tmp_path, vgg11_weights):
    torch.save(vgg11_weights, tmp_path / "w.pth")
    return "vgg11@w.pth"


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({}, lambda x: (x - MEAN) / STD),
        ({"value_range": "0-1"}, lambda x: x),
        ({"value_range": "0-255"}, lambda x: 255 * x),
        ({"value_range": "0-255", "channel_order": "bgr"}, lambda x: 255 * x.flip(1)),
        ({"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}, lambda x: 2 * x - 1),
        ({"std": (1.0, 1.0, 1.0)}, lambda x: x - MEAN),
        ({"channel_order": "bgr"}, lambda x: ((x - MEAN) / STD).flip(1)),
        (
            {"value_range": "0-255", "mean": (103.939, 116.779, 123.68), "channel_order": "bgr"},
            lambda x: 255 * x.flip(1) - CAFFE_MEAN,
        ),
        (
            {"value_range": "0-255", "mean": (128.0, 128.0, 128.0), "std": (64.0, 32.0, 16.0)},
            lambda x: (255 * x - 128) / torch.tensor([64.0, 32, 16]).view(1, 3, 1, 1),
        ),
    ],
)
def test_what_the_flags_say_is_what_the_network_gets(foreign, image, flags, wanted):
    found = load_backbone(foreign, **flags).normalise(image)
    assert torch.allclose(found, wanted(image), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"mean": (0.5,)}, "--mean 0.5: 1 values. Give three."),
        ({"std": (1.0, 1.0, 0.0)}, "--std 1.0 1.0 0.0 (above 0)"),
        ({"mean": (float("nan"), 0.0, 0.0)}, "--mean nan 0.0 0.0 (a finite number)"),
        ({"mean": (103.9, 116.8, 123.7)}, "Add --value-range 0-255."),
        ({"value_range": "0-255", "preprocess": "caffe"}, "--preprocess caffe with --value-range. Give one of them."),
    ],
)
def test_wrong_flags_are_one_line(foreign, user_error, flags, message):
    with user_error(message):
        load_backbone(foreign, **flags)


def test_nothing_said_changes_nothing():
    for own in (IMAGENET, CAFFE, FEATURES):
        same = InputSettings().applied(own)
        assert list(same["mean"]) == list(own["mean"])
        assert same["is_bgr"] == own.get("is_bgr", False)
    with pytest.raises(UserError, match="Give three"):
        InputSettings(std=(1.0, 1.0))
