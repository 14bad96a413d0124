import torch
from torch import nn

from nstkit import load_backbone
from nstkit.backbones.kept import kept_bytes


def test_what_is_kept_is_the_input_of_each_layer_but_no_weight():
    layers = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1))
    assert kept_bytes(layers, layers, (2, 3, 10, 20)) == 4 * 2 * 10 * 20 * (3 + 8)


def test_deeper_taps_keep_more():
    carried = load_backbone("carried")

    def kept(tap):
        return kept_bytes(carried, lambda image: carried.features(image, [tap]), (1, 3, 96, 160))

    assert kept("relu1_1") < kept("relu4_1") < 96 * 160 * 2**10


def test_the_random_state_stays():
    layer = nn.Conv2d(3, 8, 1)
    torch.manual_seed(3)
    expected = torch.rand(3, generator=torch.Generator().manual_seed(3))
    kept_bytes(layer, layer, (1, 3, 8, 8))
    assert torch.equal(torch.rand(3), expected)
