"""Splits are disjoint, stratified and always the same; statistics and resizing are what they say."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from nstkit.datasets.arrays import (
    Dataset,
    LabelledImages,
    build_dataset,
    merge_validation,
    resize_dataset,
    split_off,
    take_where,
)

FIFTY = tuple(f"class{index:02d}" for index in range(50))


def _part(labels, size_px=4, seed=0):
    """Return pictures of which the first pixel holds the index, so that each can be told."""
    labels = torch.as_tensor(labels)
    images = torch.randint(0, 256, (len(labels), size_px, size_px, 3), generator=torch.Generator().manual_seed(seed))
    index = torch.arange(len(labels))
    images[:, 0, 0, 0], images[:, 0, 0, 1] = index % 256, index // 256
    return LabelledImages(images.byte(), labels.long())


def _indices(part):
    return (part.images[:, 0, 0, 0].long() + 256 * part.images[:, 0, 0, 1].long()).tolist()


@pytest.fixture
def uneven():
    """Three mixed classes of 100, 30 and 7 pictures."""
    labels = np.repeat([0, 1, 2], [100, 30, 7])
    return _part(np.random.default_rng(0).permutation(labels))


def test_split_is_disjoint_and_whole_and_keeps_picture_and_label_together(uneven):
    rest, held_out = split_off(uneven, 0.1)
    assert sorted(_indices(rest) + _indices(held_out)) == list(range(137))
    for part in (rest, held_out):
        assert torch.equal(part.labels, uneven.labels[_indices(part)])
        assert torch.equal(part.images, uneven.images[_indices(part)])


@pytest.mark.parametrize(("fraction", "expected"), [(0.1, [10, 3, 1]), (0.25, [25, 8, 2]), (0.01, [1, 1, 1])])
def test_split_is_stratified(uneven, fraction, expected):
    _, held_out = split_off(uneven, fraction)
    assert torch.bincount(held_out.labels).tolist() == expected


def test_split_is_always_the_same_whatever_the_global_seeds(uneven):
    def held_out(seed):
        np.random.seed(seed)
        torch.manual_seed(seed)
        return _indices(split_off(uneven, 0.1)[1])

    assert held_out(0) == held_out(1)
    # Drawn, not the first of each class.
    assert held_out(0) != sorted(i for k in range(3) for i in np.flatnonzero(uneven.labels == k)[: (10, 3, 1)[k]])


def test_split_leaves_the_global_generators_alone(uneven):
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    split_off(uneven, 0.1)
    assert np.random.random() == expected


def test_statistics_are_the_training_parts_alone():
    train, other = _part(range(50), seed=1), _part(range(50), seed=2)
    data = build_dataset("demo", FIFTY, train, other, other)
    values = train.images.numpy().reshape(-1, 3) / 255
    assert data.mean == pytest.approx(values.mean(axis=0))
    assert data.std == pytest.approx(values.std(axis=0))
    assert all(type(value) is float for value in (*data.mean, *data.std))  # a checkpoint takes no NumPy scalars
    assert data.size_px == 4


def test_statistics_of_one_colour_can_be_divided_by():
    part = LabelledImages(torch.full((3, 4, 4, 3), 51, dtype=torch.uint8), torch.zeros(3, dtype=torch.long))
    data = build_dataset("demo", ("a",), part, part, part)
    assert data.mean == pytest.approx((0.2, 0.2, 0.2))
    assert data.std == (1e-3, 1e-3, 1e-3)


def test_statistics_of_many_pictures_look_at_all_classes():
    # Sorted by class, as class folders are: a sample of the first ones would see one class only.
    images = torch.zeros(60_000, 1, 1, 3, dtype=torch.uint8)
    images[30_000:] = 255
    part = LabelledImages(images, torch.zeros(60_000, dtype=torch.long))
    assert build_dataset("demo", ("a",), part, part, part).mean == pytest.approx((0.5, 0.5, 0.5), abs=1e-3)


def test_resizing_is_pillows_and_keeps_labels():
    part = LabelledImages(_part([0], size_px=32).images, torch.tensor([3]))
    data = resize_dataset(Dataset("demo", ("a",), part, part, part, (0.1, 0.2, 0.3), (1.0, 1.0, 1.0)), 12)
    expected = np.asarray(Image.fromarray(part.images[0].numpy()).resize((12, 12), Image.Resampling.BICUBIC))
    for resized in (data.train, data.val, data.test):
        assert resized.images.shape == (1, 12, 12, 3)
        assert resized.images.dtype == torch.uint8
        assert resized.images.is_contiguous()
        assert resized.labels.tolist() == [3]
        # Noise: without antialiasing, or with mixed up axes, it would differ by 100.
        assert np.abs(resized.images[0].numpy().astype(int) - expected).max() <= 2
    assert data.size_px == 12
    assert (data.name, data.mean) == ("demo", (0.1, 0.2, 0.3))


def test_resizing_does_not_wrap_around_at_an_edge():
    # Bicubic weights overshoot beside a step: 270 must not become 14.
    images = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    images[:, :, 4:] = 255
    part = LabelledImages(images, torch.tensor([0]))
    resized = resize_dataset(build_dataset("demo", ("a",), part, part, part), 32).train.images[0, 16, :, 0].int()
    assert (resized.diff() >= 0).all()


def test_resizing_many_pictures_keeps_their_order():
    part = LabelledImages(
        torch.arange(2500).fmod(251).byte()[:, None, None, None].expand(-1, 4, 4, 3), torch.arange(2500)
    )
    resized = resize_dataset(Dataset("demo", ("a",), part, part, part, (0.0,) * 3, (1.0,) * 3), 2).train
    assert torch.equal(resized.images, part.images[:, :2, :2])


@pytest.mark.parametrize("size_px", [None, 4])
def test_no_resizing_returns_the_same(size_px):
    data = build_dataset("demo", FIFTY, *(_part(range(5)) for _ in range(3)))
    assert resize_dataset(data, size_px) is data


def test_wrong_shapes_and_types_are_refused():
    with pytest.raises(TypeError):
        LabelledImages(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.long))
    with pytest.raises(TypeError):
        LabelledImages(torch.zeros(2, 4, 4, 3), torch.zeros(2, dtype=torch.long))
    with pytest.raises(TypeError):
        LabelledImages(torch.zeros(2, 4, 4, 3, dtype=torch.uint8), torch.zeros(3, dtype=torch.long))


def test_taking_and_moving_keep_pairs():
    part = _part(range(10)).to(torch.device("cpu"))
    assert len(part) == 10
    assert _indices(part.take(torch.tensor([7, 2]))) == part.take(torch.tensor([7, 2])).labels.tolist() == [7, 2]
    data = build_dataset("demo", FIFTY, part, part, part)
    assert data.to(torch.device("cpu")).test.labels.tolist() == list(range(10))


@pytest.mark.parametrize("count", [12, 10, 3, 0])
def test_reading_gives_consecutive_batches_in_order(count):
    part = _part(range(100))
    order = torch.randperm(100, generator=torch.Generator().manual_seed(1))[:count]
    batches = list(part.read(order, 4))
    assert [len(labels) for _, labels in batches] == [min(4, count - start) for start in range(0, count, 4)]
    expected = part.take(order)
    for number, (images, labels) in enumerate(batches):
        where = slice(4 * number, 4 * number + 4)
        assert torch.equal(images, expected.images[where])
        assert torch.equal(labels, expected.labels[where])


@pytest.fixture
def data():
    """Fifty pictures to train on, ten to validate and ten to test, all others."""
    parts = (_part(range(count), seed=seed) for seed, count in enumerate((50, 10, 10)))
    return build_dataset("demo", FIFTY, *parts)


def test_split_is_a_fixed_hash(data):
    lines = [f"{part}\t{i}\t{i}\n" for part, count in (("train", 50), ("val", 10), ("test", 10)) for i in range(count)]
    assert data.split == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_split_tells_pictures_labels_and_parts_but_not_sizes(data):
    same = resize_dataset(data, 2)
    assert same.split == data.split == data.to(torch.device("cpu")).split
    others = [
        replace(data, val=data.test, test=data.val.take(torch.arange(9))),
        replace(data, train=data.train.take(torch.arange(50).flip(0))),
        replace(data, train=replace(data.train, labels=data.train.labels.flip(0))),
        replace(data, train=replace(data.train, names=data.train.names[::-1])),
        merge_validation(data),
    ]
    assert len({data.split, *(other.split for other in others)}) == 6


def test_split_off_pictures_keep_their_names(uneven):
    for part in split_off(uneven, 0.1):
        assert [int(name) for name in part.names] == _indices(part)
    part = take_where(uneven, uneven.labels.numpy() == 2)
    assert [int(name) for name in part.names] == _indices(part)
    assert part.labels.tolist() == [2] * 7


def test_merging_adds_validation_pictures_to_the_training_and_keeps_the_rest(data):
    merged = merge_validation(data)
    assert torch.equal(merged.train.images, torch.cat([data.train.images, data.val.images]))
    assert torch.equal(merged.train.labels, torch.cat([data.train.labels, data.val.labels]))
    assert merged.train.names.tolist() == [*data.train.names, *data.val.names]
    assert merged.val is data.val
    assert merged.test is data.test
    assert (merged.mean, merged.std) == (data.mean, data.std)


@pytest.mark.parametrize(("label", "part"), [(50, "train"), (-1, "val"), (99, "test")])
def test_labels_out_of_range_are_one_line(data, user_error, label, part):
    wrong = replace(
        getattr(data, part), labels=getattr(data, part).labels.clone().index_fill(0, torch.tensor(3), label)
    )
    parts = {name: getattr(data, name) for name in ("train", "val", "test")} | {part: wrong}
    with user_error("demo", f"1 of {len(wrong)} labels in '{part}'", "0 to 49", label):
        build_dataset("demo", FIFTY, **parts)


def test_pictures_that_the_device_has_no_memory_for_are_one_line(data, monkeypatch, user_error):
    def fail(self, device):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried ...")

    monkeypatch.setattr(torch.Tensor, "to", fail)
    with user_error("do not fit on cpu", "--stream on", "--image-size (now 4)"):
        data.train.to(torch.device("cpu"))
