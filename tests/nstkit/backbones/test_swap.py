"""Swapped layers hold the other weights, all others their own; what is no such swap is refused in one line."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from nstkit.backbones.backbone import Backbone, Tap
from nstkit.backbones.batchnorm import settled
from nstkit.backbones.load import vgg_backbone
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import parse_backbone
from nstkit.backbones.swap import Donor, parse_swap, swap_layers

NORMALISATION = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}


@pytest.fixture
def vgg(small_vgg):
    """A small VGG11 with batch norm, and a donor that differs in every tensor."""
    network = small_vgg("vgg11", "batch", seed=0)
    weights = {name: value + 1 for name, value in network.state_dict().items()}
    backbone = vgg_backbone(network, parse_backbone("vgg11@random"), NORMALISATION, {})
    return backbone, Donor(weights, torch.full((1, 3, 1, 1), 0.1), torch.full((1, 3, 1, 1), 0.7), flip_channels=False)


def _modules(names):
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))


def _convolution(network, name):
    """Return where a convolution and its batch norm stand, for the tap `conv3_1`."""
    index = network.taps[name]
    return [f"features.{index - 1}", f"features.{index}"]


@pytest.mark.parametrize(
    ("first", "last", "convolutions"),
    [
        ("relu3_1", "relu3_1", ["conv3_1"]),
        ("conv3_2", "conv3_2", ["conv3_2"]),
        ("pool3", "pool3", ["conv3_1", "conv3_2"]),
        ("relu2_1", "relu3_2", ["conv2_1", "conv3_1", "conv3_2"]),
        ("conv4_1", "relu4_2", ["conv4_1", "conv4_2"]),
        ("relu1_1", "conv2_1", ["conv1_1", "conv2_1"]),
    ],
)
def test_stages_by_the_papers_names(vgg, first, last, convolutions):
    backbone, donor = vgg
    before = {name: value.clone() for name, value in backbone.network.state_dict().items()}
    found = swap_layers(backbone, donor, first, last)
    assert _modules(found) == [path for name in convolutions for path in _convolution(backbone.network, name)]
    for name, value in backbone.network.state_dict().items():
        assert torch.equal(value, donor.weights[name] if name in found else before[name]), name


def test_normalisation_comes_with_the_first_layer_alone(vgg):
    backbone, donor = vgg
    swap_layers(backbone, donor, "relu2_1", "relu5_2")
    assert backbone.mean.flatten().tolist() == pytest.approx(NORMALISATION["mean"])
    swap_layers(backbone, donor, "relu1_1", "relu1_1")
    assert backbone.mean.flatten().tolist() == pytest.approx([0.1] * 3)
    assert backbone.std.flatten().tolist() == pytest.approx([0.7] * 3)


class _Crossed(nn.Module):
    """Its parts are registered in another order than they run, and one is used without a call."""

    def __init__(self):
        super().__init__()
        self.last, self.first = nn.Conv2d(4, 4, 1), nn.Conv2d(3, 4, 1)
        self.block = nn.Module()
        self.middle = _Uncalled()

    def forward(self, image):
        return self.last(self.middle(self.first(image)))


class _Uncalled(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.gain = nn.Conv2d(4, 4, 1), nn.Parameter(torch.ones(1))

    def forward(self, maps):
        return self.gain * nn.functional.conv2d(maps, self.inner.weight)


@pytest.fixture
def crossed():
    network = _Crossed()
    taps = {path: Tap(path, path, 4, 1) for path in ("first", "middle", "last")}
    backbone = Backbone(
        network, label="net", taps=taps, style_taps=(), content_taps=(), mean=(0.0,) * 3, std=(1.0,) * 3
    )
    weights = {name: value + 1 for name, value in network.state_dict().items()}
    return backbone, Donor(weights, backbone.mean, backbone.std, flip_channels=False)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("middle", "middle", {"middle.gain", "middle.inner.weight", "middle.inner.bias"}),
        ("middle", "last", {"middle.gain", "middle.inner.weight", "middle.inner.bias", "last.weight", "last.bias"}),
        ("first", "first", {"first.weight", "first.bias"}),
    ],
)
def test_order_is_that_of_execution(crossed, first, last, expected):
    assert set(swap_layers(*crossed, first, last)) == expected


def test_stage_of_a_residual_network_holds_its_shortcuts():
    backbone = load_backbone("test_resnet@random", swap=["stage2..stage3@random:1"])
    plain, other = load_backbone("test_resnet@random"), load_backbone("test_resnet@random:1")
    begin, end = (plain.taps[name].path for name in ("stage2", "stage3"))
    for name, value in backbone.network.state_dict().items():
        is_swapped = name.startswith((f"{begin}.", f"{end}."))
        assert torch.equal(value, (other if is_swapped else plain).network.state_dict()[name]), name
    assert backbone.label == "test_resnet-random0+stage2..stage3@random1"
    assert backbone.facts["swap"] == "stage2..stage3@random1"


def test_swapping_everything_gives_the_other_network(image):
    backbone = load_backbone("vgg11@random", swap=["relu1_1..relu2_1@random:3", "conv3_1..pool5@vgg11@random:3"])
    expected = load_backbone("vgg11@random:3").features(image, ["relu1_1", "relu5_2"])
    for name, maps in backbone.features(image, ["relu1_1", "relu5_2"]).items():
        assert torch.equal(maps, expected[name])
    assert backbone.label == "vgg11-random0+relu1_1..relu2_1@random3+conv3_1..pool5@vgg11@random3"


def test_weights_of_a_file_and_surgery_behind_the_swap(tmp_path, vgg11_weights, image):
    save_file(vgg11_weights, tmp_path / "other.safetensors")
    path = tmp_path / "other.safetensors"
    backbone = load_backbone("vgg11@random", pooling="avg", padding="replicate", swap=[f"relu3_2@{path}"])
    plain = load_backbone("vgg11@random")
    index = plain.network.taps["conv3_2"]
    for name, value in backbone.network.state_dict().items():
        is_swapped = name.startswith(f"features.{index}.")
        assert torch.equal(value, vgg11_weights[name] if is_swapped else plain.network.state_dict()[name]), name
    assert backbone.label.endswith("+relu3_2@other")
    assert not any(isinstance(module, nn.MaxPool2d) for module in backbone.network.modules())


def test_checkpoint_takes_random_weights_and_those_of_another(tmp_path, write_run, small_vgg):
    folders = [write_run(tmp_path / name, small_vgg(seed=seed)) for seed, name in enumerate(("one", "two"))]
    one, two = (load_backbone(str(folder)) for folder in folders)
    backbone = load_backbone(str(folders[0]), swap=[f"relu2_1@{folders[1]}", "relu5_1..relu5_2@random:4"])
    assert backbone.quality == {}
    assert one.quality
    assert backbone.label == "one+relu2_1@two+relu5_1..relu5_2@random4"
    state = backbone.network.state_dict()
    for tap, other in (("conv1_1", one), ("conv2_1", two), ("conv4_2", one)):
        for path in _convolution(one.network, tap):
            assert torch.equal(state[f"{path}.weight"], other.network.state_dict()[f"{path}.weight"])
    index = one.network.taps["conv5_2"] - 1
    fresh = state[f"features.{index}.weight"]
    assert fresh.std().item() == pytest.approx((2 / (9 * fresh.shape[0])) ** 0.5, rel=0.1)  # Kaiming, fan-out
    again = load_backbone(str(folders[0]), swap=["relu5_1..relu5_2@random:4"]).network.state_dict()
    assert torch.equal(again[f"features.{index}.weight"], fresh)


@pytest.mark.parametrize("text", ["relu3_1", "relu3_1@", "@random", "relu3_1..@random", ""])
def test_text_of_another_form_is_refused(text, user_error):
    with user_error(f"--swap {text}", "TAP..TAP@WEIGHTS"):
        parse_swap(text)


def test_paths_may_hold_dots():
    swap = parse_swap("layer1.0.conv1..layer2.1@resnet18@random:3")
    assert (swap.first, swap.last, swap.weights) == ("layer1.0.conv1", "layer2.1", "resnet18@random:3")
    assert swap.label == "layer1.0.conv1..layer2.1@resnet18@random3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("relu9_1@random", ("relu9_1", "Did you mean")),
        ("relu4_1..relu2_1@random", ("relu2_1 comes before relu4_1", "relu2_1..relu4_1")),
        ("conv3_1..relu3_1@vgg13_bn@random", ("another architecture", "tensors")),
        ("relu3_1@nothing.pt", ("nothing.pt",)),
        ("relu3_1@vgg11@nonsense", ("nonsense",)),
    ],
)
def test_what_cannot_be_swapped_is_refused_in_one_line(text, words, user_error):
    with user_error(f"--swap {text}", *words):
        load_backbone("vgg11@random", swap=[text])


def test_stage_without_weights_is_refused(vgg, user_error):
    backbone, donor = vgg
    backbone.taps["features.2"] = Tap("features.2", "features.2", 4, 1)  # the first ReLU by its path
    with user_error("no weights lie between", "features.2"):
        swap_layers(backbone, donor, "features.2", "features.2")


def test_random_layers_alone_get_statistics_of_the_pictures(tmp_path, write_run, small_vgg, image):
    network = small_vgg("vgg11", "batch", seed=1)
    checkpoint = write_run(tmp_path / "run", network)
    backbone = load_backbone(str(checkpoint), swap=("relu3_1..relu3_2@random:3",))
    swapped = {f"features.{backbone.network.taps[name]}" for name in ("conv3_1", "conv3_2")}
    assert backbone.unsettled == swapped

    before = {name: value.clone() for name, value in backbone.network.state_dict().items() if "running_mean" in name}
    after = settled(backbone, image).network.state_dict()
    changed = {name.removesuffix(".running_mean") for name in before if not torch.equal(before[name], after[name])}
    assert changed == swapped

    again = load_backbone(str(checkpoint), swap=("relu3_1..relu3_2@random:3", f"pool3@{checkpoint}"))
    assert not again.unsettled
