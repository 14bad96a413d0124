"""Settled batch norm knows the pictures and leaves the network that it came from; folding changes no feature."""

import copy

import pytest
import torch
from timm.models.hiera import Hiera
from timm.models.maxxvit import MaxxVit, MaxxVitCfg
from torch import nn
from torchvision.models.vision_transformer import VisionTransformer

from nstkit.backbones.backbone import Backbone, Tap
from nstkit.backbones.batchnorm import _settle, fold_batchnorm, settled, use_batch_statistics
from nstkit.backbones.load import library_backbone
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.sizes import Sizes
from nstkit.backbones.spec import parse_backbone
from nstkit.backbones.vgg import VGG
from nstkit.errors import UserError


def _backbone(network, is_random=True, **more):
    taps = {"0": Tap("0", "0", 4, 1), "1": Tap("1", "1", 4, 1)}
    return Backbone(
        network,
        label="net",
        taps=taps,
        style_taps=(),
        content_taps=(),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        is_random=is_random,
        **more,
    )


def _pictures():
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 3, 8, 12, generator=generator), 0.5 * torch.rand(2, 3, 6, 6, generator=generator)]


def test_settled_statistics_are_the_mean_over_pictures_of_any_size():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
    once = settled(_backbone(network), _pictures())
    twice = settled(once, _pictures())  # again: from the start
    maps = [network[0](picture) for picture in _pictures()]
    means = torch.stack([values.mean(dim=(0, 2, 3)) for values in maps]).mean(dim=0)
    variances = torch.stack([values.var(dim=(0, 2, 3)) for values in maps]).mean(dim=0)
    for backbone in (once, twice):
        norm = backbone.network[1]
        torch.testing.assert_close(norm.running_mean, means)
        torch.testing.assert_close(norm.running_var, variances)
        assert norm.momentum == 0.1
        assert not any(module.training for module in backbone.modules() if module is not backbone)


def test_one_picture_and_one_position_have_no_variance_and_do_not_fail():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4))
    norm = settled(_backbone(network), _pictures()[:1]).network[3]
    assert torch.equal(norm.running_mean, torch.zeros(4))
    assert torch.equal(norm.running_var, torch.ones(4))
    assert not norm.training
    assert not norm._forward_pre_hooks


class _Partial(nn.Sequential):
    """A network that fails behind its last tap."""

    def forward(self, image):
        super().forward(image)
        raise RuntimeError("of another size")


def test_a_network_that_fails_behind_its_taps_is_settled_up_to_them():
    network = _Partial(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    backbone = settled(_backbone(network, sizes=Sizes(is_partial=True)), _pictures())
    assert backbone.network[1].running_mean.abs().max() > 0


@pytest.mark.parametrize(
    ("norm", "is_random"),
    [(nn.ReLU(), True), (nn.BatchNorm2d(4, track_running_stats=False), True), (nn.BatchNorm2d(4), False)],
)
def test_where_there_is_nothing_to_settle_the_network_is_not_even_run(norm, is_random):
    backbone = _backbone(_Partial(nn.Conv2d(3, 4, 1), norm), is_random)
    assert settled(backbone, _pictures()) is backbone


def test_of_a_trained_network_the_unsettled_norms_alone_get_statistics():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4))
    backbone = _backbone(network, is_random=False)
    backbone.unsettled = frozenset({"2"})
    first, second = list(settled(backbone, _pictures()).network)[1:]
    assert torch.equal(first.running_mean, torch.zeros(4))
    assert second.running_mean.abs().max() > 0


# The network that it came from


def _hiera():
    """Its order of tokens follows each picture by a hook."""
    network = Hiera((64, 64), embed_dim=8, num_heads=1, stages=(1, 1, 2, 1), mask_unit_attn=(True, True, False, False))
    network.patch_embed.proj = nn.Sequential(network.patch_embed.proj, nn.BatchNorm2d(8))
    return network


def _vit():
    """Two of its methods are replaced, so that it takes any size."""
    network = VisionTransformer(64, 16, num_layers=4, num_heads=2, hidden_dim=16, mlp_dim=16)
    network.conv_proj = nn.Sequential(network.conv_proj, nn.BatchNorm2d(16))
    return network


def _maxvit():
    """It is told the size of each picture."""
    return MaxxVit(MaxxVitCfg(embed_dim=(32, 32, 64), depths=(1, 1, 1), block_type=("C", "C", "T"), stem_width=32), 64)


NETWORKS = {"hiera": _hiera, "vit": _vit, "maxvit": _maxvit}


def _random(name):
    """Return a random backbone with batch norm, always the same."""
    if name not in NETWORKS:
        return load_backbone(name)
    torch.manual_seed(0)
    normalisation = {"mean": (0.5, 0.5, 0.5), "std": (0.3, 0.3, 0.3)}
    return library_backbone(NETWORKS[name](), parse_backbone("resnet18@random"), normalisation, {"arch": name})


@pytest.mark.parametrize(
    ("name", "memory_format"),
    [
        ("vgg11_bn@random:1", torch.channels_last),
        ("test_resnet@random:1", torch.channels_last),
        ("test_resnet@random:1", torch.contiguous_format),
        *((name, torch.channels_last) for name in NETWORKS),
    ],
)
def test_settling_gives_what_it_gives_in_place_and_leaves_the_original(name, memory_format):
    backbone, in_place = (_random(name).to_memory_format(memory_format) for _ in range(2))
    generator = torch.Generator().manual_seed(0)
    pictures = [torch.rand(1, 3, *size, generator=generator) for size in ((64, 96), (86, 70))]
    unseen = torch.rand(2, 3, 96, 64, generator=generator)
    names = [*backbone.style_taps, *backbone.content_taps]
    plain = backbone.features(unseen, names)
    buffers = {path: value.clone() for path, value in backbone.named_buffers()}
    random_state = torch.get_rng_state()

    found = settled(backbone, pictures)
    _settle(in_place, pictures)
    for picture in (*pictures, unseen, pictures[0]):
        expected = in_place.features(picture, names)
        for tap, maps in found.features(picture, names).items():
            assert torch.equal(maps, expected[tap]), tap

    assert torch.equal(torch.get_rng_state(), random_state)
    for path, value in backbone.named_buffers():
        assert torch.equal(value, buffers[path]), path
    for tap, maps in backbone.features(unseen, names).items():
        assert torch.equal(maps, plain[tap]), tap
    settled_maps = found.features(unseen, names)
    assert not any(torch.allclose(settled_maps[tap], plain[tap], rtol=0.01) for tap in names[1:])
    assert found.memory_format == memory_format


def test_a_copy_shares_the_parameters_and_nothing_else():
    backbone = load_backbone("test_resnet@random:1").double()
    found = settled(backbone, torch.rand(2, 3, 64, 64, dtype=torch.float64))
    theirs = dict(found.named_parameters())
    assert all(value is theirs[path] for path, value in backbone.named_parameters())
    assert not any(one is other for one, other in zip(backbone.buffers(), found.buffers(), strict=True))
    assert {value.dtype for value in found.buffers() if value.is_floating_point()} == {torch.float64}
    found.facts["arch"], found.quality["extractor/top1"] = "other", 1.0
    assert (backbone.facts, backbone.quality) == ({"arch": "test_resnet"}, {})


def test_a_copy_of_a_network_that_is_told_its_size_shares_its_own_parameters():
    backbone = _random("maxvit")
    own = {id(value) for value in backbone.parameters()}
    backbone.features(torch.rand(1, 3, 96, 64), backbone.style_taps)  # its tables are now others
    found = settled(backbone, torch.rand(1, 3, 64, 64))
    found._setter.reset(found.network)
    assert {id(value) for value in found.network.parameters()} == own


@pytest.mark.parametrize("name", ["test_resnet@random:1", *NETWORKS])
def test_statistics_are_the_mean_over_the_pictures_also_where_the_size_changes_between_them(name):
    generator = torch.Generator().manual_seed(0)
    pictures = [torch.rand(1, 3, *size, generator=generator) for size in ((64, 96), (96, 64), (96, 96))]
    backbone = settled(_random(name), pictures)
    first = next(path for path, module in backbone.network.named_modules() if isinstance(module, nn.BatchNorm2d))
    seen = []
    norm = backbone.network.get_submodule(first)
    handle = norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    for picture in pictures:
        backbone.features(picture, list(backbone.taps)[-1:])
    handle.remove()
    assert len(seen) == 3
    norm = backbone.network.get_submodule(first)
    torch.testing.assert_close(norm.running_mean, torch.stack([x.mean(dim=(0, 2, 3)) for x in seen]).mean(dim=0))
    torch.testing.assert_close(norm.running_var, torch.stack([x.var(dim=(0, 2, 3)) for x in seen]).mean(dim=0))
    assert norm.momentum is not None
    assert not norm.training


# Statistics of the batch, and folding


def test_batch_norm_alone_is_put_into_the_mode_of_training():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Dropout(0.5), nn.Sequential(nn.BatchNorm2d(4))).train()
    assert use_batch_statistics(network) is network
    assert [module.training for module in network.modules()] == [False, False, False, False, True]


@pytest.fixture
def trained(small_vgg):
    return small_vgg("vgg13", norm="batch").double()


def test_folding_changes_no_conv_tap_and_no_feature(trained):
    image = torch.rand(2, 3, 40, 32, dtype=torch.float64)
    folded = fold_batchnorm(trained.features)
    plain = VGG("vgg13", norm="none", width=0.0625).taps
    assert len(folded) == len(VGG("vgg13", norm="none", width=0.0625).features)
    by_index = {index: name for name, index in trained.taps.items()}
    expected, maps = {}, image
    for index, layer in enumerate(trained.features):
        maps = layer(maps)
        if index in by_index:
            expected[by_index[index]] = maps
    maps = image
    for index, layer in enumerate(folded):
        maps = layer(maps)
        name = next(name for name, place in plain.items() if place == index)
        assert (maps - expected[name]).norm() <= 1e-6 * expected[name].norm(), name
    assert expected["conv5_2"].std() > 0.01
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded)


def test_folding_needs_the_running_statistics(trained):
    # With statistics of a network that has seen nothing, this file's comparison would prove little.
    before = trained.features[:2](torch.ones(1, 3, 8, 8, dtype=torch.float64))
    assert not torch.allclose(before, trained.features[0](torch.ones(1, 3, 8, 8, dtype=torch.float64)), rtol=0.1)


def test_folding_leaves_the_original_as_it_was(trained):
    trained.train()
    before = copy.deepcopy(trained.state_dict())
    folded = fold_batchnorm(trained.features)
    assert all(module.training for module in trained.modules())
    assert not any(module.training for module in folded.modules())
    for parameter in folded.parameters():
        nn.init.zeros_(parameter)
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())


def test_folding_a_plain_network_is_a_copy(small_vgg):
    network = small_vgg(norm="none")
    folded = fold_batchnorm(network.features)
    nn.init.zeros_(folded[0].weight)
    assert network.features[0].weight.abs().sum() > 0


@pytest.mark.parametrize("layers", [[nn.BatchNorm2d(3)], [nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)]])
def test_batch_norm_without_a_convolution_before_it_is_refused(layers):
    with pytest.raises(ValueError, match="does not follow a convolution"):
        fold_batchnorm(nn.Sequential(*layers))


def test_picture_too_small_for_the_whole_of_a_random_network_is_one_line():
    class Narrowing(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
            self.rest = nn.Sequential(*(nn.Conv2d(4, 4, 3, stride=2) for _ in range(4)))

        def forward(self, image):
            return self.rest(self.first(image))

    taps = {"first": Tap("first", "first", 4, 1)}
    arguments = {"label": "narrowing", "taps": taps, "style_taps": ["first"], "content_taps": ["first"]}
    backbone = Backbone(Narrowing(), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), is_random=True, **arguments)
    assert settled(backbone, torch.rand(1, 3, 64, 64)) is not backbone
    with pytest.raises(UserError, match=r"shorter side of 16 px is too small for the whole of narrowing. Use a larger"):
        settled(backbone, torch.rand(1, 3, 16, 64))
