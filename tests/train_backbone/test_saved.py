"""A last.pt that was tampered with is told from one that can be gone on from, before anything of it is used."""

import copy

import pytest
import torch

from train_backbone.loop import train_step
from train_backbone.saved import find_fault


@pytest.fixture
def trained(begin, feed_of, settings):
    """A training inside its first epoch, and what it saves."""
    config = settings(ema=0.9, schedule="plateau")
    training = begin(config)
    for batch in list(feed_of(config).read(0, 0, 0))[:2]:
        train_step(training, batch, config, "fp32", torch.contiguous_format)
    training.batch = 2
    training.history.append({"epoch": 1, "step": 2, "lr": 0.1})
    return begin(config), copy.deepcopy(training.state_dict())


def test_what_was_saved_is_whole(trained):
    assert find_fault(*trained) is None
    training, saved = trained
    assert saved["snapshot"]
    assert saved["optimizer"]["state"]
    training.load_state_dict(saved)
    assert training.batch == 2


def _changed(*path, to):
    def change(saved):
        *way, last = path
        for part in way:
            saved = saved[part]
        if to is None:
            del saved[last]
        else:
            saved[last] = to

    return change


FAULTS = [
    (_changed("step", to=None), "step is missing"),
    (_changed("step", to="3"), "step is '3'"),
    (_changed("history", to={}), "history is a dict"),
    (_changed("history", to=[{"epoch": torch.ones(2)}]), "history is damaged"),
    (_changed("history", to=[3]), "history is damaged"),
    (_changed("threads", to=10**9), "threads is 1000000000"),
    (_changed("model", to=None), "model is missing"),
    (_changed("model", to=[1]), "model is [1]"),
    (_changed("model", "features.0.weight", to=None), "model.features.0.weight is missing"),
    (_changed("model", "features.0.weight", to=3), "model.features.0.weight is 3"),
    (_changed("model", "features.0.weight", to=torch.ones(3)), "model.features.0.weight is of shape (3,)"),
    (_changed("averaged", "n_averaged", to=torch.eye(2).to_sparse()), "averaged.n_averaged is a Tensor"),
    (_changed("schedule", "rate", to="high"), "schedule.rate is 'high'"),
    (_changed("watchdog", to=7), "watchdog is 7"),
    (_changed("optimizer", "param_groups", to=7), "optimizer is damaged"),
    (_changed("optimizer", "param_groups", 0, "params", to=[0]), "optimizer is of other parameters"),
    (_changed("optimizer", "state", 0, "exp_avg", to=torch.ones(3)), "optimizer.state is damaged"),
    (_changed("optimizer", "state", 99, to={"exp_avg": torch.ones(3)}), "optimizer is damaged"),
    (_changed("snapshot", to=[1, 2]), "snapshot is [1, 2]"),
    (_changed("snapshot", "epoch", to="1"), "snapshot.epoch is '1'"),
    (_changed("snapshot", "model", to={}), "snapshot.model.features.0.weight is missing"),
]


def test_each_fault_is_named(trained):
    training, saved = trained
    for change, fault in FAULTS:
        changed = copy.deepcopy(saved)
        change(changed)
        assert fault in find_fault(training, changed)
