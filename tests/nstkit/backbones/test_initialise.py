"""Initial weights carry a signal through many layers, and no block of a random network starts as an identity."""

import copy
import math

import pytest
import timm
import torch
from torch import nn

from nstkit.backbones.initialise import initialise, kaiming_init, lsuv_init, seeded, undo_identity_start
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.vgg import VGG


def test_kaiming_has_the_deviation_of_fan_out():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(64, 256, 3), nn.BatchNorm2d(256), nn.Flatten(), nn.Linear(256, 100))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 7.0)
    kaiming_init(model)
    conv, norm, _, linear = model
    # 147,456 numbers: their deviation is known to 0.2 %.
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.01)
    assert conv.weight.mean().item() == pytest.approx(0, abs=3e-4)
    # Normal, not uniform.
    assert (conv.weight / conv.weight.std()).pow(4).mean().item() == pytest.approx(3, rel=0.05)
    assert linear.weight.std().item() == pytest.approx(0.01, rel=0.03)
    assert torch.all(norm.weight == 1)
    for layer in (conv, norm, linear):
        assert torch.all(layer.bias == 0)


def test_kaiming_carries_the_gradient_through_a_deep_plain_vgg():
    torch.manual_seed(0)
    model = VGG("vgg19", norm="none", width=0.25, classes=10)

    def first_gradient():
        model.zero_grad()
        images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
        nn.functional.cross_entropy(model(images), torch.tensor([1, 2])).backward()
        return model.features[0].weight.grad.norm().item()

    by_default = first_gradient()
    kaiming_init(model)
    assert first_gradient() > 1000 * by_default


def test_kaiming_takes_layers_without_bias():
    kaiming_init(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, affine=True)))


# The other initial weights


@pytest.mark.parametrize(
    ("init", "variance"),
    [("kaiming", 2 / (256 * 9)), ("kaiming-fan-in", 2 / (64 * 9)), ("xavier", 2 / (256 * 9 + 64 * 9))],
)
def test_deviation_of_each(init, variance):
    torch.manual_seed(0)
    conv = nn.Conv2d(64, 256, 3)
    initialise(conv, init)
    assert conv.weight.std().item() == pytest.approx(math.sqrt(variance), rel=0.01)
    assert torch.all(conv.bias == 0)


@pytest.mark.parametrize("init", ["kaiming", "kaiming-fan-in", "xavier"])
def test_each_group_of_channels_has_fans_of_its_own(init):
    torch.manual_seed(0)
    grouped, alone = nn.Conv2d(256, 512, 3, groups=8), nn.Conv2d(32, 64, 3)
    initialise(grouped, init)
    initialise(alone, init)
    assert grouped.weight.std().item() == pytest.approx(alone.weight.std().item(), rel=0.03)


def test_kaiming_is_torchs_for_the_same_seed():
    torch.manual_seed(0)
    ours, reference = nn.Conv2d(16, 24, 3), nn.Conv2d(16, 24, 3)
    torch.manual_seed(1)
    initialise(ours, "kaiming")
    torch.manual_seed(1)
    nn.init.kaiming_normal_(reference.weight, mode="fan_out", nonlinearity="relu")
    assert torch.allclose(ours.weight, reference.weight, rtol=1e-6)


def test_default_leaves_the_librarys_weights_and_its_zeros():
    network = timm.create_model("test_resnet", zero_init_last=True)
    before = copy.deepcopy(network.state_dict())
    initialise(network, "default")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.all(network.layer1[0].bn2.weight == 0)
    initialise(network, "kaiming")
    assert torch.all(network.layer1[0].bn2.weight == 1)


@pytest.mark.parametrize("name", ["test_convnext", "test_nfnet", "test_efficientnet", "test_vit"])
@pytest.mark.parametrize("init", ["kaiming", "kaiming-fan-in", "xavier", "lsuv"])
def test_networks_of_a_library_take_each(name, init):
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=5).eval()
    images = torch.rand(2, 3, *network.default_cfg["input_size"][1:])
    initialise(network, init, images)
    assert network(images).isfinite().all()
    assert not network.training


# LSUV


@pytest.fixture
def pictures():
    """Smooth pictures of deviation 1, (32, 3, 32, 32)."""
    coarse = torch.rand(32, 3, 5, 5, generator=torch.Generator().manual_seed(2))
    images = nn.functional.interpolate(coarse, 32, mode="bicubic")
    return (images - images.mean()) / images.std()


def _output_deviations(network, images, kinds=(nn.Conv2d, nn.Linear)):
    found = {}
    handles = [
        module.register_forward_hook(
            lambda module, inputs, output, name=name: found.update({name: output.std().item()})
        )
        for name, module in network.named_modules()
        if isinstance(module, kinds)
    ]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("head", ["gap", "fc4096"])
def test_lsuv_gives_every_layer_unit_deviation_and_small_logits(pictures, head):
    torch.manual_seed(0)
    network = VGG("vgg19", norm="none", width=0.0625, classes=7, head=head)
    before = _output_deviations(network.eval(), pictures)
    lsuv_init(network, pictures)
    *hidden, logits = _output_deviations(network, pictures).values()
    assert hidden == pytest.approx([1.0] * (16 if head == "gap" else 18), rel=1e-4)
    assert logits == pytest.approx(0.1, rel=1e-4)
    assert max(list(before.values())[8:]) < 0.5
    assert all(torch.all(module.bias == 0) for module in network.modules() if hasattr(module, "bias"))


def test_lsuv_scales_what_is_orthonormal(pictures):
    torch.manual_seed(0)
    network = VGG("vgg11", norm="none", width=0.0625, classes=7)
    lsuv_init(network, pictures)
    rows = network.features[3].weight.flatten(1)  # (8, 4 * 9)
    gram = rows @ rows.T
    assert torch.allclose(gram / gram[0, 0], torch.eye(8), atol=1e-5)


def test_lsuv_with_batch_norm_scales_all_the_same_and_leaves_the_statistics(pictures):
    torch.manual_seed(0)
    network = VGG("vgg13", norm="batch", width=0.0625, classes=7)
    before = {name: value.clone() for name, value in network.named_buffers()}
    lsuv_init(network, pictures)
    assert network.training
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
    *hidden, logits = _output_deviations(network, pictures).values()  # in training mode: statistics of the batch
    assert hidden == pytest.approx([1.0] * 10, rel=1e-3)
    assert logits == pytest.approx(0.1, rel=1e-3)


def test_lsuv_does_not_see_dropout(pictures):
    def first_weights(chance):
        torch.manual_seed(0)
        layers = nn.Conv2d(3, 8, 3), nn.Dropout(chance), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 28 * 28, 2)
        network = nn.Sequential(*layers).train()
        lsuv_init(network, pictures)
        return network[2].weight

    assert torch.equal(first_weights(0.0), first_weights(0.9))


class _Shared(nn.Module):
    """One convolution twice, another that has no part in the computation, no linear layer."""

    def __init__(self):
        super().__init__()
        self.first, self.twice, self.idle = (nn.Conv2d(*ends, 3, padding=1) for ends in ((3, 6), (6, 6), (6, 6)))
        self.last = nn.Conv2d(6, 4, 1)

    def forward(self, image):
        maps = self.first(image).relu()
        return self.last(self.twice(self.twice(maps).relu())).mean(dim=(2, 3))


def test_lsuv_takes_shared_and_idle_layers_and_a_convolution_as_the_last(pictures):
    torch.manual_seed(0)
    network = _Shared()
    lsuv_init(network, pictures)
    maps = network.first(pictures)
    assert maps.std().item() == pytest.approx(1, rel=1e-4)
    assert network.twice(maps.relu()).std().item() == pytest.approx(1, rel=1e-4)
    second = network.twice(network.twice(maps.relu()).relu())
    assert network.last(second).std().item() == pytest.approx(0.1, rel=1e-4)
    assert torch.allclose(network.idle.weight.flatten(1) @ network.idle.weight.flatten(1).T, torch.eye(6), atol=1e-5)


def test_lsuv_on_pictures_that_are_black_divides_by_nothing():
    torch.manual_seed(0)
    network = VGG("vgg11", norm="none", width=0.0625, classes=3)
    lsuv_init(network, torch.zeros(2, 3, 32, 32))
    assert all(value.isfinite().all() for value in network.parameters())


def test_lsuv_needs_pictures():
    with pytest.raises(ValueError, match="needs pictures"):
        initialise(nn.Conv2d(3, 4, 3), "lsuv")


def test_lsuv_leaves_no_hook(pictures):
    network = VGG("vgg11", norm="none", width=0.0625, classes=3)
    lsuv_init(network, pictures)
    assert not any(module._forward_hooks for module in network.modules())
    before = network.features[0].weight.clone()
    network(pictures)
    assert torch.equal(network.features[0].weight, before)


# Blocks that start as identities


class _Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.conv, self.fresh = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.gamma = nn.Parameter(torch.full((4,), 1e-6))
        self.layer_scale_1 = nn.Parameter(torch.full((4, 1, 1), 1e-5))
        self.skipinit_gain = nn.Parameter(torch.tensor(0.0))
        self.learnt_scale = nn.Parameter(torch.tensor([0.1, 0.1, 0.1, 0.2]))
        self.scale = nn.Parameter(torch.full((4,), 2.0))
        self.position = nn.Parameter(torch.zeros(1, 4))
        nn.init.zeros_(self.norm.weight)
        nn.init.zeros_(self.conv.weight)


def test_what_makes_a_block_an_identity_is_undone_and_nothing_else():
    block = _Block()
    before = {name: value.detach().clone() for name, value in block.named_parameters()}
    changed = undo_identity_start(block)
    assert set(changed) == {"gamma", "layer_scale_1", "skipinit_gain", "norm.weight", "conv.weight"}
    for name, value in block.named_parameters():
        if name == "conv.weight":
            assert value.std() > 0.1
        elif name in changed:
            assert torch.equal(value, torch.ones_like(value))
        else:
            assert torch.equal(value, before[name]), name
    assert undo_identity_start(block) == []


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_nfnet", "test_vit2"])
def test_every_block_of_a_random_network_does_something(name):
    network = load_backbone(f"{name}@random").network
    gains = [
        value
        for path, value in network.named_parameters()
        if path.endswith(("gamma", "bn3.weight", "bn2.weight", "skipinit_gain", "gain")) and value.numel() < 1000
    ]
    assert gains
    assert all(value.abs().max() > 0.3 for value in gains)


def test_trained_weights_stay_as_they_are():
    network = timm.create_model("test_convnext")
    for value in network.parameters():
        nn.init.normal_(value, std=1e-3)
    assert undo_identity_start(network) == []


# The global random state


def test_seeded_numbers_are_those_of_the_seed_and_what_follows_does_not_know_of_them():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with seeded(3):
        assert torch.equal(torch.rand(4), expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_mistake_inside_leaves_the_random_state_too():
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="a mistake"), seeded(3):
        raise ValueError(f"a mistake after {torch.rand(1)}")
    assert torch.equal(torch.get_rng_state(), before)
