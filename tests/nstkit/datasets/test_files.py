"""Files read in worker processes are the pictures that reading them into memory gives, in the order asked for."""

import numpy as np
import pytest
import torch
from PIL import Image

from nstkit.datasets import files as module
from nstkit.datasets.files import LabelledFiles, read_square

# Here the tests ask for more processes than this machine may have cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@pytest.fixture
def part(tmp_path):
    """Eleven JPEG files of noise of different sizes, labels 0, 1, 2, 0, ..."""
    random = np.random.default_rng(0)
    names = []
    for number in range(11):
        shape = (*random.integers(12, 40, 2), 3)
        (tmp_path / f"c{number % 3}").mkdir(exist_ok=True)
        names.append(f"c{number % 3}/{number}.jpg")
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / names[-1])
    return LabelledFiles(tmp_path, np.array(names, np.dtypes.StringDType()), torch.arange(11) % 3, 16)


@pytest.fixture(params=[1, 2, 4])
def workers(request, monkeypatch):
    """Cores that the process may use: one reads without other processes."""
    monkeypatch.setattr(module, "cores", lambda: request.param)


def test_batches_are_those_of_the_files_in_order(part, workers):
    order = torch.tensor([7, 0, 10, 3, 3, 9, 1, 2])
    batches = list(part.read(order, 3))
    assert [len(labels) for _, labels in batches] == [3, 3, 2]
    expected = np.stack([read_square(part.root / part.names[index], 16) for index in order.tolist()])
    images = torch.cat([images for images, _ in batches])
    assert images.dtype == torch.uint8
    assert np.array_equal(images.numpy(), expected)
    assert torch.equal(torch.cat([labels for _, labels in batches]), order % 3)


def test_nothing_to_read_gives_no_batch(part, workers):
    assert list(part.read(torch.tensor([], dtype=torch.long), 3)) == []


def test_reading_may_end_early_and_begin_again(part, workers):
    order = torch.arange(11)
    first, _ = next(part.read(order, 2))
    again, _ = next(part.read(order, 2))
    assert torch.equal(first, again)


def test_reading_leaves_the_random_numbers_of_the_training_alone(part, workers):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(part.read(torch.arange(11), 4))
    assert torch.equal(torch.rand(3), expected)


def test_taking_joining_and_moving_keep_name_and_label_together(part):
    one, two = part.take(torch.tensor([4, 2])), part.take(torch.tensor([9]))
    both = one.join(two).to(torch.device("cpu"))
    assert (len(one), len(two), len(both)) == (2, 1, 3)
    assert both.names.tolist() == ["c1/4.jpg", "c2/2.jpg", "c0/9.jpg"]
    assert both.labels.tolist() == [1, 2, 0]
    assert both.device == torch.device("cpu")
    images, _ = next(both.read(torch.tensor([1]), 1))
    assert np.array_equal(images[0].numpy(), read_square(part.root / "c2/2.jpg", 16))


def test_files_of_two_folders_are_joined_below_the_folder_of_both(part):
    """As the training and the validation pictures of a final fit may be."""
    one, two = (
        LabelledFiles(part.root / name, np.array(files, part.names.dtype), torch.arange(len(files)), 16)
        for name, files in (("c1", ["4.jpg", "1.jpg"]), ("c2", ["2.jpg"]))
    )
    both = one.join(two)
    assert both.root == part.root
    assert both.names.tolist() == ["c1/4.jpg", "c1/1.jpg", "c2/2.jpg"]
    assert both.names.dtype == part.names.dtype
    images, labels = next(both.read(torch.arange(3), 3))
    for image, name in zip(images, both.names, strict=True):
        assert np.array_equal(image.numpy(), read_square(part.root / name, 16))
    assert labels.tolist() == [0, 1, 0]
    assert both.take(torch.tensor([2])).join(two).names.tolist() == ["c2/2.jpg", "c2/2.jpg"]


def test_file_that_breaks_later_is_one_line(part, workers, user_error):
    (part.root / "c1/4.jpg").write_bytes(b"no picture")
    with user_error(part.root / "c1/4.jpg", "not a readable picture", "was readable when"):
        list(part.read(torch.arange(11), 2))


def test_worker_that_is_killed_is_one_line(part, monkeypatch, user_error):
    def die(path, size_px):
        module.os._exit(9)

    monkeypatch.setattr(module, "cores", lambda: 2)
    monkeypatch.setattr(module, "read_square", die)
    with user_error("a process that reads pictures has ended", "memory"):
        list(part.read(torch.arange(11), 2))
