"""Initial weights carry a signal through many layers, and folding changes nothing but the count of the layers."""

import copy
import math

import pytest
import timm
import torch
from torch import nn

from nstkit.backbones.initialise import fold_batchnorm, initialise, kaiming_init, lsuv_init
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
