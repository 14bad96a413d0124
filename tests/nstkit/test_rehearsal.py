"""A rehearsal counts the bytes that live at one time, makes none, and leaves no trace."""

import copy

import pytest
import torch
from torch import nn

from nstkit.rehearsal import rehearse

HUGE = 10**6  # a tensor of this side squared would take 4 TB


def test_peak_is_what_lives_at_one_time(cpu):
    def one_after_another():
        for _ in range(5):
            torch.zeros(HUGE, HUGE)

    def together():
        return [torch.zeros(HUGE, HUGE) for _ in range(5)]

    assert rehearse(one_after_another, cpu) == 4 * HUGE**2
    assert rehearse(together, cpu) == 5 * 4 * HUGE**2


def test_views_are_counted_once(cpu):
    assert rehearse(lambda: torch.zeros(HUGE, HUGE).view(-1)[10:].view(2, -1), cpu) == 4 * HUGE**2


def test_what_the_backward_pass_needs_is_counted(cpu):
    network = nn.Sequential(*[nn.Sigmoid() for _ in range(8)])

    def work(network, is_kept):
        with torch.set_grad_enabled(is_kept):
            return network(torch.rand(1000, 1000, requires_grad=True)).sum()

    with_grad, without = (rehearse(lambda net, kept=kept: work(net, kept), cpu, network) for kept in (True, False))
    assert with_grad >= 9 * 4e6
    assert without <= 3 * 4e6


def test_weights_of_networks_that_exist_are_not_counted(cpu):
    network = nn.Linear(3000, 3000)
    assert rehearse(lambda net: net(torch.zeros(1, 3000)), cpu, network) < network.weight.nbytes


def test_copies_are_networks_whose_parameters_are_counted(cpu):
    network = nn.Sequential(nn.Linear(1000, 1000), nn.BatchNorm1d(1000))

    def work(net):
        twin = copy.deepcopy(net)
        assert isinstance(twin[0].get_parameter("weight"), nn.Parameter)
        twin.train()(torch.rand(4, 1000)).sum().backward()

    peak = rehearse(work, cpu, network)
    assert peak is not None
    assert 2 * 4e6 <= peak < 3 * 4e6  # the twin's weights and their gradient


def test_nothing_of_the_network_and_the_random_state_changes(cpu):
    network, before = nn.BatchNorm1d(4), torch.get_rng_state()

    def work(net):
        torch.manual_seed(3)
        net.train()(torch.rand(8, 4))

    assert rehearse(work, cpu, network) is not None
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(network.running_mean, torch.zeros(4))
    assert torch.ones(2).tolist() == [1, 1]


def test_numbers_are_one(cpu):
    seen = []
    rehearse(lambda: seen.extend([torch.zeros(()).item(), bool(torch.zeros(()) > 1), float(torch.ones(3).sum())]), cpu)
    assert seen == [1.0, True, 1.0]


@pytest.mark.parametrize("work", [lambda: torch.rand(9).numpy().sum() + 1 / 0, lambda: torch.rand(3) @ torch.rand(4)])
def test_work_that_cannot_be_rehearsed_is_none(cpu, work):
    assert rehearse(work, cpu) is None
