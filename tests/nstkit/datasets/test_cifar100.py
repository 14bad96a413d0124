"""CIFAR-100 from class folders and from torchvision's archive, both tiny; and what is said when it cannot be had."""

import hashlib
import io
import pickle
import tarfile
import urllib.error

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from nstkit.datasets import cifar100, load_dataset
from nstkit.datasets.cifar100 import load_cifar100

CLASSES = [f"class{index:02d}" for index in range(100)]
COUNTS = {"train": 300, "test": 100}


def _pictures(split):
    """Return pictures (N, 32, 32, 3) and labels (N,) of all hundred classes, mixed."""
    random = np.random.default_rng(len(split))
    labels = random.permutation(np.arange(COUNTS[split]) % 100)
    images = random.integers(0, 256, (len(labels), 1, 1, 3), dtype=np.uint8).repeat(32, axis=1).repeat(32, axis=2)
    images[:, 0, 0, 0] = labels
    return images, labels


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Count as a whole CIFAR-100 what `_pictures` makes."""
    for split, count in COUNTS.items():
        monkeypatch.setitem(cifar100.EXPECTED, split, count)


@pytest.fixture
def folders(tmp_path):
    for split in COUNTS:
        for number, (image, label) in enumerate(zip(*_pictures(split), strict=True)):
            folder = tmp_path / "cifar100" / split / CLASSES[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{number}.png")
    return tmp_path


class _Response(io.BytesIO):
    """What the internet answers."""

    url = None

    def __init__(self, content):
        super().__init__(content)
        self.length = len(content)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A tiny archive of the kind that torchvision downloads, in a folder that stands for the internet."""
    members = {"meta": pickle.dumps({"fine_label_names": CLASSES})}
    for split in COUNTS:
        images, labels = _pictures(split)
        data = images.transpose(0, 3, 1, 2).reshape(len(labels), -1)
        members[split] = pickle.dumps({"data": data, "fine_labels": labels.tolist()})
    path = tmp_path / "internet" / "cifar-100-python.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar-100-python/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    sums = {name: hashlib.md5(content).hexdigest() for name, content in members.items()}
    source = datasets.CIFAR100
    monkeypatch.setattr(source, "tgz_md5", hashlib.md5(path.read_bytes()).hexdigest())
    monkeypatch.setattr(source, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(source, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(source, "meta", {**source.meta, "md5": sums["meta"]})

    def urlopen(request):
        assert request.full_url == source.url
        if not path.exists():
            raise urllib.error.URLError("no route to host")
        return _Response(path.read_bytes())

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return path


def _check(data):
    assert data.name == "cifar100"
    assert data.classes == tuple(CLASSES)
    assert [len(part) for part in (data.train, data.val, data.test)] == [200, 100, 100]
    assert torch.bincount(data.val.labels).tolist() == [1] * 100
    for part in (data.train, data.val, data.test):
        assert part.images.shape[1:] == (32, 32, 3)
        assert part.images.dtype == torch.uint8
        assert torch.equal(part.images[:, 0, 0, 0].long(), part.labels)
    pictures = _pictures("train")[0]
    found = torch.cat([data.train.images, data.val.images]).numpy()
    assert sorted(image.tobytes() for image in found) == sorted(image.tobytes() for image in pictures)


def test_class_folders(folders):
    _check(load_cifar100(folders))


def test_archive_is_downloaded_once(tmp_path, archive):
    _check(load_cifar100(tmp_path))
    archive.unlink()
    _check(load_cifar100(tmp_path))


def test_archive_that_lies_there_already_is_taken(tmp_path, archive):
    (tmp_path / "cifar100").mkdir()
    archive.rename(tmp_path / "cifar100" / archive.name)
    _check(load_cifar100(tmp_path))


def test_both_ways_lead_to_the_same_pictures(folders, archive, tmp_path):
    one, two = load_cifar100(folders), load_cifar100(tmp_path / "other")
    assert one.classes == two.classes
    assert torch.equal(torch.bincount(one.train.labels), torch.bincount(two.train.labels))
    assert sorted(image.numpy().tobytes() for image in one.test.images) == sorted(
        image.numpy().tobytes() for image in two.test.images
    )


def test_failed_download_is_one_line_with_the_ways_out(tmp_path, archive, user_error):
    archive.unlink()
    with user_error(
        tmp_path / "cifar100", "could not be downloaded", "no route to host", "train/<class>", "--dataset patterns"
    ):
        load_cifar100(tmp_path)


def test_download_with_a_wrong_sum_is_one_line(tmp_path, archive, user_error):
    archive.write_bytes(archive.read_bytes()[:-100])
    with user_error(tmp_path / "cifar100", "could not be downloaded", "corrupted"):
        load_cifar100(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "words"), [("train/class07/*", "'train'"), ("test/class07/*", "no picture in class class07")]
)
def test_folders_that_are_not_whole_are_refused(folders, user_error, pattern, words):
    next((folders / "cifar100").glob(pattern)).unlink()
    with user_error(folders / "cifar100", words):
        load_cifar100(folders)


def test_count_of_what_is_there_and_should_be_is_told(folders, user_error, monkeypatch):
    monkeypatch.setitem(cifar100.EXPECTED, "test", 10_000)
    with user_error("100 pictures and 100 classes in 'test'", "10000", "--dataset folder"):
        load_cifar100(folders)


def test_training_folder_without_a_test_folder_is_refused(folders, user_error):
    (folders / "cifar100" / "test").rename(folders / "elsewhere")
    with user_error(folders / "cifar100" / "test", "no such folder"):
        load_cifar100(folders)


def test_another_size_is_resized(folders):
    data = load_dataset("cifar100", folders, 40)
    assert data.size_px == 40
    assert data.test.images.shape == (100, 40, 40, 3)
