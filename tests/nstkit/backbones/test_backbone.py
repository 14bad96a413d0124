"""The taps are what a walk by hand finds, whatever the network does in place and behind them."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import vgg as tv

from nstkit.backbones.backbone import Backbone, Tap, freeze
from nstkit.backbones.taps import PROBE_PX, explore, look_at
from nstkit.backbones.vgg import tap_strides

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def _backbone(network, taps=None, **more):
    taps = look_at(network, *PROBE_PX).taps if taps is None else taps
    return Backbone(network, label="net", taps=taps, style_taps=(), content_taps=(), mean=MEAN, std=STD, **more)


@pytest.fixture
def vgg(small_vgg):
    network = small_vgg("vgg11", norm="batch")
    return _backbone(network, _taps(network))


def _taps(network):
    strides = tap_strides(network.taps)
    return {name: Tap(name, f"features.{index}", 4, strides[name]) for name, index in network.taps.items()}


def _walk(network, image, pool=None):
    """Return every tap of our VGG, computed one layer after the other out of place."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    maps, found = (image - mean) / std, []
    for layer in network.features:
        if isinstance(layer, nn.ReLU):
            maps = maps.clamp(min=0)
        elif isinstance(layer, nn.Conv2d):
            maps = functional.conv2d(maps, layer.weight, layer.bias, padding=1)
        elif isinstance(layer, nn.BatchNorm2d):
            scale = layer.weight / (layer.running_var + layer.eps).sqrt()
            maps = (maps - layer.running_mean.view(-1, 1, 1)) * scale.view(-1, 1, 1) + layer.bias.view(-1, 1, 1)
        else:
            maps = functional.max_pool2d(maps, 2) if pool is None else pool(maps)
        found.append(maps)
    return {name: found[index] for name, index in network.taps.items()}


def test_every_tap_is_what_a_walk_by_hand_finds(vgg, image):
    expected = _walk(vgg.network, image)
    found = vgg.features(image, vgg.taps)
    assert list(found) == list(expected)
    for name, maps in found.items():
        assert torch.allclose(maps, expected[name], rtol=1e-4, atol=1e-5), name
        assert maps.std() > 0.01


def test_taps_come_in_the_order_asked_for_and_once(vgg, image):
    names = ["relu3_1", "conv1_1", "relu3_1", "pool2"]
    assert list(vgg.features(image, names)) == ["relu3_1", "conv1_1", "pool2"]


def test_conv_keeps_its_negatives_beside_its_relu(vgg, image):
    found = vgg.features(image, ["conv4_2", "relu4_2"])
    assert found["conv4_2"].min() < 0
    assert torch.equal(found["conv4_2"].clamp(min=0), found["relu4_2"])


def test_conv_keeps_its_negatives_in_a_network_that_works_in_place(image):
    torch.manual_seed(0)
    network = tv.make_layers(["M", 8, 8, "M", 16])  # torchvision's own, with its in-place ReLUs
    assert any(getattr(module, "inplace", False) for module in network)
    found = _backbone(network).features(image, ["1", "2", "3", "4"])
    assert found["1"].min() < 0
    assert torch.equal(found["1"].clamp(min=0), found["2"])
    assert torch.equal(found["3"].clamp(min=0), found["4"])


def test_gradient_reaches_the_picture_and_not_the_weights(vgg, image):
    vgg.train()  # as a careless caller might
    image = image.clone().requires_grad_()
    sum(maps.square().mean() for maps in vgg.features(image, ["relu1_1", "conv4_1"]).values()).backward()
    assert image.grad.isfinite().all()
    assert (image.grad != 0).float().mean() > 0.9
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in vgg.parameters())


def test_gradient_is_the_slope(small_vgg):
    network = small_vgg("vgg11", norm="none").double()
    backbone = _backbone(network, _taps(network)).double()
    image = torch.rand(1, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(backbone.features(x, ["conv1_1", "relu2_1"]).values()), image)


def test_nothing_behind_the_deepest_tap_is_computed(vgg, image):
    computed = []
    for index, layer in enumerate(vgg.network.features):
        layer.register_forward_hook(lambda module, inputs, output, index=index: computed.append(index))
    vgg.network.classifier.register_forward_hook(lambda *_: computed.append("classifier"))
    vgg.features(image, ["relu3_1", "conv1_1"])
    assert computed == list(range(vgg.network.taps["relu3_1"] + 1))


def test_no_hook_stays_behind(vgg, image, user_error):
    vgg.features(image, ["relu1_1", "conv3_1"])
    with user_error():
        vgg.features(image[..., :8, :8], ["relu5_1"])
    assert not any(module._forward_hooks for module in vgg.network.modules())


class _Overwriting(nn.Module):
    """A network that adds to a tapped tensor in place, as residual blocks do."""

    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 1)

    def forward(self, image):
        maps = self.conv(image)
        maps += 1
        return self.last(maps)


def test_tap_before_an_addition_in_place_is_a_copy(image):
    torch.manual_seed(0)
    network = _Overwriting()
    taps = look_at(network, *PROBE_PX).taps
    assert taps["conv"] == Tap("conv", "conv", 4, 1, is_overwritten=True)
    assert taps["last"] == Tap("last", "last", 5, 1, is_overwritten=False)
    normalised = (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    found = _backbone(network).features(image, ["conv", "last"])
    assert torch.allclose(found["conv"], network.conv(normalised), atol=1e-6)
    assert torch.allclose(found["last"], network.last(network.conv(normalised) + 1), atol=1e-6)
    # Without the copy it would be wrong.
    plain = _backbone(network, {name: Tap(name, name, 1, 1) for name in taps}).features(image, ["conv", "last"])
    assert torch.allclose(plain["conv"], found["conv"] + 1, atol=1e-6)


def test_tap_before_an_addition_in_place_still_has_its_gradient(image):
    image = image.clone().requires_grad_()
    found = _backbone(_Overwriting()).features(image, ["conv", "last"])
    sum(maps.square().sum() for maps in found.values()).backward()
    assert image.grad.abs().sum() > 0


def test_wrong_tap_names_the_nearest_and_the_legal_ones(vgg, image, user_error):
    with user_error("tap 'relu4_11' is not in net", "Did you mean 'relu4_1'?", "conv1_1, relu1_1, pool1"):
        vgg.features(image, ["relu1_1", "relu4_11"])


def test_wrong_tap_of_a_large_network_points_to_the_list(user_error):
    taps = {f"block.{k}": Tap(f"block.{k}", "0", 3, 1) for k in range(100)}
    with user_error("Did you mean 'block.7'?", "--list-taps") as caught:
        _backbone(nn.Sequential(nn.Identity()), taps).check_taps(["blocks.7"])
    assert len(str(caught.value)) < 200


def test_picture_too_small_is_refused_with_the_sizes(vgg, image, user_error):
    with user_error("shorter side of 8 px", "net", "stride 16", "--size"):
        vgg.features(image[..., :20, :8], ["relu1_1", "relu5_1"])


class _Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, image):
        raise RuntimeError("boom")


def test_other_failures_are_not_taken_for_a_small_picture(image):
    with pytest.raises(RuntimeError, match="boom"):
        _backbone(_Failing(), {"conv": Tap("conv", "conv", 4, 1)}).features(image, ["conv"])


class _Table(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.register = nn.Conv2d(3, 4, 1), torch.zeros(16)

    def forward(self, image):
        return self.conv(image + self.register[torch.tensor(image.shape[3] - 1)])


def test_picture_beyond_a_table_of_positions_is_one_line(image, user_error):
    backbone = _backbone(_Table(), {"conv": Tap("conv", "conv", 4, 1)})
    assert backbone.features(image[..., :16], ["conv"])["conv"].shape[1] == 4
    with user_error("net does not take a picture of 32 x 40 px", "smaller --size"):
        backbone.features(image, ["conv"])


def test_memory_format_changes_the_layout_and_not_the_maps(vgg, image):
    before = vgg.to_memory_format(torch.contiguous_format).features(image, ["relu1_1", "conv4_1"])
    after = vgg.to_memory_format(torch.channels_last).features(image, ["relu1_1", "conv4_1"])
    assert after["relu1_1"].is_contiguous(memory_format=torch.channels_last)
    for name in before:
        assert torch.allclose(before[name], after[name], rtol=1e-4, atol=1e-5)


def test_freezing_turns_off_training_gradients_and_work_in_place():
    network = freeze(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.SiLU(inplace=True)))
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not any(getattr(module, "inplace", False) for module in network)


class _Mixed(nn.Module):
    """Maps at strides 1, 2 and 8, some a little too small or too large, and what is no feature map."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)  # 128 -> 126
        self.down = nn.Sequential(nn.Conv2d(4, 6, 2, stride=2, padding=2), nn.AvgPool2d(4))  # 65, 16
        self.last_channels = nn.Identity()
        self.heads = nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.never = nn.Conv2d(1, 1, 1)

    def forward(self, image):
        maps = self.down(self.stem(image))
        self.last_channels(maps.permute(0, 2, 3, 1))
        self.heads(maps.flatten(2)[:, :, None])
        return self.flat(self.pool(maps))


def test_discovery_finds_maps_with_channels_and_strides_in_order_of_depth():
    assert list(look_at(_Mixed(), *PROBE_PX).taps.values()) == [
        Tap("stem", "stem", 4, 1),
        Tap("down.0", "down.0", 6, 2),
        Tap("down.1", "down.1", 6, 8),
        Tap("down", "down", 6, 8),
        Tap("last_channels", "last_channels", 6, 8, layout="nhwc"),
    ]


def test_discovery_leaves_no_hook_and_draws_no_random_number():
    network = _Mixed()
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    look_at(network, *PROBE_PX)
    assert torch.equal(torch.rand(1), expected)
    assert not any(module._forward_hooks for module in network.modules())


class _Tokens(nn.Module):
    """Maps at stride 4 with the channels last, tokens behind two others, and a pair; only multiples of 8 are taken."""

    def __init__(self):
        super().__init__()
        self.stem, self.last, self.tokens, self.pair = (
            nn.Conv2d(3, 4, 4, stride=4),
            nn.Identity(),
            nn.Identity(),
            _Pair(),
        )

    def forward(self, image):
        assert image.shape[2] % 8 == image.shape[3] % 8 == 0
        maps = self.stem(image)
        self.last(maps.permute(0, 2, 3, 1))
        tokens = maps.flatten(2).transpose(1, 2)
        tokens = self.tokens(torch.cat([torch.zeros_like(tokens[:, :2]), tokens], dim=1))
        return self.pair(tokens)[0].mean(dim=1)


class _Pair(nn.Module):
    def forward(self, tokens):
        return tokens[:, 2:], "and more"


def test_maps_of_every_layout_lie_where_the_picture_has_them(image):
    torch.manual_seed(0)
    network = _Tokens()
    taps, sizes = explore(network)
    assert [(tap.name, tap.layout, tap.stride, tap.prefix) for tap in taps.values()] == [
        ("stem", "nchw", 4, 0),
        ("last", "nhwc", 4, 0),
        ("tokens", "tokens", 4, 2),
        ("pair", "tokens", 4, 0),
    ]
    backbone = _backbone(network, taps, sizes=sizes)
    image = image[..., :38, :31].clone().requires_grad_()
    found = backbone.features(image, taps)
    for name, maps in found.items():
        assert maps.shape == (2, 4, 10, 8), name
        assert torch.equal(maps, found["stem"]), name
    # Where there is no padding near, the maps are those of the picture itself.
    normalised = (image - backbone.mean) / backbone.std
    assert torch.allclose(found["pair"][..., :9, :7], network.stem(normalised)[..., :9, :7], atol=1e-6)
    found["pair"].square().sum().backward()
    assert (image.grad != 0).float().mean() > 0.9


def test_features_and_output_are_one_pass(vgg, image):
    maps, logits = vgg.features_and_output(image, ["relu2_1", "relu1_1"])
    assert list(maps) == ["relu2_1", "relu1_1"]
    assert torch.equal(maps["relu2_1"], vgg.features(image, ["relu2_1"])["relu2_1"])
    assert torch.equal(logits, vgg.network(vgg.normalise(image)))


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (nn.Conv2d(3, 4, 4, stride=4), 4),
        (nn.Conv2d(3, 4, 16, stride=16), 16),
        (nn.Conv2d(3, 4, 7, stride=4), 1),  # patches that overlap leave no grid
        (nn.Conv2d(3, 4, 1), 1),
        (nn.Conv2d(4, 4, 4, stride=4), 1),
    ],
)
def test_side_of_the_patches_is_that_of_the_first_layer(first, expected):
    assert _backbone(nn.Sequential(first, nn.ReLU(), nn.Conv2d(4, 4, 2, stride=2)), {}).patch_px == expected
