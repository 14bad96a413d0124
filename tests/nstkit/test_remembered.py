"""What was measured of a network comes back by its weights."""

import copy

import pytest
import torch
from torch import nn

from nstkit import remembered
from nstkit.remembered import digest_of, recall, remember


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr(remembered, "CACHE", tmp_path / "quality")
    return tmp_path / "quality"


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 1))


def test_values_belong_to_the_weights_and_to_nothing_else(cache):
    first = network()
    assert recall(first) == {}
    remember(first, {"extractor/probe": 0.5})
    same = copy.deepcopy(first).to(memory_format=torch.channels_last).train()
    same(torch.rand(2, 3, 8, 8))  # which changes the statistics of batch norm, as a painting of a random network does
    assert recall(same) == {"extractor/probe": 0.5}
    assert recall(network()) == {}
    remember(same, {"extractor/probe": 0.25, "extractor/knn": 0.125})
    assert recall(first) == {"extractor/probe": 0.25, "extractor/knn": 0.125}
    (cache / f"{digest_of(first)}.json").write_text("[")
    assert recall(first) == {}


def test_place_that_cannot_be_written_is_no_mistake(cache):
    cache.write_text("a file")
    remember(network(), {"extractor/probe": 0.5})
    assert recall(network()) == {}
