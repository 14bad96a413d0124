"""CIFAR-100 from class folders and from torchvision's archive, both tiny; and what is said when it cannot be had."""

import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from nstkit.datasets import cifar100
from nstkit.datasets.cifar100 import load_cifar100
from nstkit.datasets.load import load_dataset

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


def _members(**changes):
    """Return the files of an archive of the kind that torchvision downloads."""
    members = {"meta": pickle.dumps({"fine_label_names": CLASSES})}
    for split in COUNTS:
        images, labels = _pictures(split)
        data = images.transpose(0, 3, 1, 2).reshape(len(labels), -1)
        members[split] = pickle.dumps({"data": data, "fine_labels": labels.tolist()})
    return {**members, **changes}


@pytest.fixture
def publish(internet, monkeypatch):
    """A function that serves an archive of the given files, and has their checksums for the right ones."""

    def run(members, *, is_archive=True):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w:gz") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(f"cifar-100-python/{name}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        archive = file.getvalue() if is_archive else b"no archive"
        internet.files["/cifar-100-python.tar.gz"] = archive
        sums = {name: hashlib.md5(content).hexdigest() for name, content in members.items()}
        source = datasets.CIFAR100
        monkeypatch.setattr(source, "url", f"{internet.url}/cifar-100-python.tar.gz")
        monkeypatch.setattr(source, "tgz_md5", hashlib.md5(archive).hexdigest())
        monkeypatch.setattr(source, "train_list", [["train", sums["train"]]])
        monkeypatch.setattr(source, "test_list", [["test", sums["test"]]])
        monkeypatch.setattr(source, "meta", {**source.meta, "md5": sums["meta"]})
        return archive

    return run


@pytest.fixture
def archive(publish):
    """The bytes of a whole archive that can be downloaded."""
    return publish(_members())


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


def test_archive_is_downloaded_once(tmp_path, archive, internet):
    _check(load_cifar100(tmp_path))
    _check(load_cifar100(tmp_path))
    assert len(internet.asked) == 1


def test_archive_that_lies_there_already_is_taken(tmp_path, archive, internet):
    (tmp_path / "cifar100").mkdir()
    (tmp_path / "cifar100" / "cifar-100-python.tar.gz").write_bytes(archive)
    _check(load_cifar100(tmp_path))
    assert internet.asked == []


def test_cut_off_download_is_completed(tmp_path, archive, internet):
    internet.cut_bytes = len(archive) // 2 + 1
    _check(load_cifar100(tmp_path))
    assert len(internet.asked) == 2


@pytest.mark.parametrize("name", ["meta", "train", "test"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_half_extracted_folder_is_extracted_anew(tmp_path, archive, internet, name, damage):
    expected = load_cifar100(tmp_path)
    file = tmp_path / "cifar100" / "cifar-100-python" / name
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-10])
    internet.files.clear()
    data = load_cifar100(tmp_path)
    _check(data)
    assert data.split == expected.split


@pytest.mark.parametrize("labels", [[100] * 300, [-1] * 300])
def test_labels_out_of_range_are_one_line(tmp_path, publish, user_error, labels):
    data = np.zeros((300, 3072), np.uint8)
    publish(_members(train=pickle.dumps({"data": data, "fine_labels": labels})))
    with user_error("cifar100", "labels in 'train' are not 0 to 99", labels[0], "damaged"):
        load_cifar100(tmp_path)


@pytest.mark.parametrize("content", [b"no pickle", b"", pickle.dumps({}), pickle.dumps({"data": [[1]], "labels": [1]})])
def test_corrupt_pickle_is_one_line(tmp_path, publish, user_error, content):
    publish(_members(train=content))
    with user_error(tmp_path / "cifar100", "not CIFAR-100", "Delete"):
        load_cifar100(tmp_path)


def test_archive_that_is_none_is_one_line(tmp_path, publish, user_error):
    publish(_members(), is_archive=False)
    with user_error(tmp_path / "cifar100" / "cifar-100-python.tar.gz", "cannot be extracted"):
        load_cifar100(tmp_path)


def test_both_ways_lead_to_the_same_pictures(folders, archive, tmp_path):
    one, two = load_cifar100(folders), load_cifar100(tmp_path / "other")
    assert one.classes == two.classes
    assert torch.equal(torch.bincount(one.train.labels), torch.bincount(two.train.labels))
    assert sorted(image.numpy().tobytes() for image in one.test.images) == sorted(
        image.numpy().tobytes() for image in two.test.images
    )


def test_failed_download_is_one_line_with_the_ways_out(tmp_path, archive, internet, user_error):
    internet.files.clear()
    words = ("could not be downloaded", "HTTP 404", datasets.CIFAR100.tgz_md5, "train/<class>", "--dataset patterns")
    with user_error(tmp_path / "cifar100", *words):
        load_cifar100(tmp_path)


def test_download_with_a_wrong_sum_is_one_line(tmp_path, archive, internet, user_error):
    internet.files["/cifar-100-python.tar.gz"] = archive[:-100]
    with user_error(tmp_path / "cifar100", "is corrupted", "twice"):
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
