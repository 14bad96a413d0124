"""The user's own data set: one function, any data set of torch's."""

import sys

import pytest
import torch

from nstkit.datasets.load import load_dataset

CODE = """
import numpy as np
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset
import torch

class Pictures(Dataset):
    classes = ["cat", "dog"]

    def __len__(self):
        return 40

    def __getitem__(self, index):  # endless, as many are
        return Image.new("L", (60, 40), 6 * index % 255), index % 2

class Stream(IterableDataset):
    def __iter__(self):
        for index in range(12):
            yield {"image": np.full((40, 60, 3), index, np.uint8), "label": np.int64(index % 2)}

def load(part):
    return {"train": Pictures(), "val": None, "test": Stream()}[part]

def tensors(part):
    return TensorDataset(torch.rand(30, 3, 50, 50), torch.arange(30) % 3) if part == "train" else None

def normalised(part):
    return TensorDataset(torch.randn(30, 3, 50, 50), torch.arange(30) % 3)

def unlabelled(part):
    return [Image.new("RGB", (9, 9))]

def failing(part):
    raise FileNotFoundError("no data here")

def nothing(part):
    return None
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "my_data.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_data", raising=False)


def test_data_sets_with_an_index_and_without(tmp_path):
    data = load_dataset("my_data:load", tmp_path, 32)
    assert (data.name, data.classes, data.size_px) == ("my_data:load", ("cat", "dog"), 32)
    assert data.counts == {"train": 36, "val": 4, "test": 12}
    assert data.test.labels.tolist() == [0, 1] * 6
    assert data.test.images[3].unique().tolist() == [3]


def test_tensors_without_names_of_classes(tmp_path):
    data = load_dataset("my_data:tensors", tmp_path)
    assert (data.classes, data.size_px) == (("0", "1", "2"), 64)
    assert sum(data.counts.values()) == 30
    assert 0.45 < torch.tensor(data.mean).mean() < 0.55


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere:load", "No module named 'nowhere'"),
        ("my_data:loda", "no function 'loda' there. Did you mean 'load'?"),
        ("my_data:normalised", "train: number 0: float32 values"),
        ("my_data:unlabelled", "train: number 0 is a Image, not a picture and a whole number"),
        ("my_data:failing", "it failed with 'train' (FileNotFoundError: no data here)"),
        ("my_data:nothing", "it gave None for 'train'"),
    ],
)
def test_mistakes_are_one_line(name, said, tmp_path, user_error):
    with user_error(f"--dataset {name}", said):
        load_dataset(name, tmp_path)
