"""Data sets of arrays, as Keras and MedMNIST name them."""

import numpy as np
import pytest

from nstkit.datasets.load import load_dataset


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    return random.integers(0, 256, (60, 40, 50, 3), np.uint8), np.arange(60) % 3


@pytest.mark.parametrize("names", [("x_{}", "y_{}"), ("{}_images", "{}_labels")])
def test_parts_by_name_in_the_middle_of_their_pictures(names, arrays, tmp_path):
    images, labels = arrays
    parts = {"train": slice(0, 30), "val": slice(30, 45), "test": slice(45, 60)}
    image_name, label_name = names
    content = {image_name.format(part): images[rows] for part, rows in parts.items()}
    content |= {label_name.format(part): labels[rows, None] for part, rows in parts.items()}  # Keras has (N, 1)
    np.savez(tmp_path / "a.npz", **content)
    data = load_dataset(str(tmp_path / "a.npz"), tmp_path)
    assert data.counts == {"train": 30, "val": 15, "test": 15}
    assert (data.name, data.classes, data.size_px) == ("a.npz", ("0", "1", "2"), 40)
    assert np.array_equal(data.val.images, images[30:45, :, 5:45])
    assert data.test.labels.tolist() == labels[45:].tolist()


def test_one_pair_of_grey_arrays_is_split_and_enlarged(arrays, tmp_path):
    images, labels = arrays
    np.savez(tmp_path / "a.npz", images=images[..., :28, :28, 0], labels=labels, classes=np.array(["a", "b", "c"]))
    data = load_dataset(str(tmp_path / "a.npz"), tmp_path)
    assert (data.classes, data.size_px) == (("a", "b", "c"), 32)
    assert sum(data.counts.values()) == 60
    assert min(data.counts.values()) >= 3
    assert (data.train.images[..., 0] == data.train.images[..., 2]).all()
    planar = {"x_train": images.transpose(0, 3, 1, 2)[..., :40], "y_train": labels}
    np.savez(tmp_path / "b.npz", **planar)
    pictures = load_dataset(str(tmp_path / "b.npz"), tmp_path, 40).train.images.numpy()
    assert all(any(np.array_equal(picture, image[:, :40]) for image in images) for picture in pictures[:5])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"pictures": np.zeros((9, 8, 8, 3), np.uint8)}, "It holds pictures; wanted are x_train and y_train or"),
        ({"x_train": np.zeros((9, 8, 8, 3)), "y_train": np.arange(9)}, "x_train is float64 (9, 8, 8, 3) and y_train"),
        ({"x_train": np.zeros((9, 8, 8, 5), np.uint8), "y_train": np.arange(9)}, "x_train has 5 channels"),
        ({"x_train": np.zeros((9, 8, 8), np.uint8), "y_train": np.arange(8)}, "9 pictures in x_train, 8 in y_train"),
        ({"x_train": np.zeros((9, 8, 8), np.uint8), "y_train": np.eye(9, dtype=int)}, "N whole numbers"),
        ({"x_train": np.zeros((9, 8, 8), np.uint8), "y_train": np.arange(9)}, "fewer than 3 training pictures of"),
        ({"x_train": np.zeros((9, 8, 8), np.uint8), "y_train": np.zeros(9, int)}, "a single class"),
    ],
)
def test_other_files_are_refused(content, said, tmp_path, user_error):
    np.savez(tmp_path / "a.npz", **content)
    with user_error("a.npz", said):
        load_dataset(str(tmp_path / "a.npz"), tmp_path)


def test_file_that_is_missing_broken_or_holds_objects(tmp_path, user_error):
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "objects.npz", x_train=np.array([{}, {}], object), y_train=np.arange(2))
    for name, said in (("gone", "no such file"), ("text", "not a readable .npz"), ("objects", "allow_pickle=False")):
        with user_error(f"{name}.npz", said):
            load_dataset(str(tmp_path / f"{name}.npz"), tmp_path)
