import pytest
import torch

from nstkit.quality.activity import dead_share


def test_dead_channels_are_the_constant_ones():
    lowest = torch.tensor([0.0, 0.0, -1.0, 2.5, -3.0])
    highest = torch.tensor([0.0, 4.0, -0.5, 2.5, 3.0])
    assert dead_share(lowest, highest) == pytest.approx(2 / 5)


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_dead_does_not_depend_on_the_scale(factor):
    lowest, highest = torch.tensor([0.0, 0.0, -1.0]) * factor, torch.tensor([0.0, 1e-3, 1.0]) * factor
    assert dead_share(lowest, highest) == pytest.approx(1 / 3)


def test_all_are_dead_where_nothing_is_active():
    assert dead_share(torch.zeros(4), torch.zeros(4)) == 1
