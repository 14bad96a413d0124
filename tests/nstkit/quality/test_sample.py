import numpy as np
import pytest
import torch

from nstkit.datasets.arrays import LabelledImages
from nstkit.datasets.folder import load_folder
from nstkit.quality import sample
from nstkit.quality.sample import batches, stratified


@pytest.fixture
def labels():
    """Classes of 1000, 100 and 10 pictures, mixed."""
    values = torch.repeat_interleave(torch.arange(3), torch.tensor([1000, 100, 10]))
    return values[torch.randperm(len(values), generator=torch.Generator().manual_seed(0))]


@pytest.mark.parametrize("limit", [111, 333, 1110, 5000, None])
def test_each_class_by_its_share(labels, limit):
    order = stratified(labels, limit)
    assert len(order) == len(order.unique()) == min(limit or 1110, 1110)
    counts = torch.bincount(labels[order], minlength=3) / len(order)
    torch.testing.assert_close(counts, torch.tensor([1000, 100, 10]) / 1110, atol=1 / len(order), rtol=0)


def test_small_samples_hold_every_class(labels):
    assert set(labels[stratified(labels, 3)].tolist()) == {0, 1, 2}


def test_smaller_samples_begin_larger_ones(labels):
    assert torch.equal(stratified(labels, 50), stratified(labels, 400)[:50])


def test_within_a_class_the_choice_is_random(labels):
    chosen = stratified(labels, 333)
    assert abs(chosen.double().mean() / 1109 - 0.5) < 0.05
    assert not torch.equal(chosen, chosen.sort().values)


def test_global_random_numbers_are_left_alone(labels):
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    stratified(labels, 10)
    assert np.array_equal(np.random.get_state()[1], before)


@pytest.fixture
def part():
    images = torch.randint(0, 256, (9, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return LabelledImages(images, torch.arange(9))


def test_batches_give_the_pictures_in_order(part, cpu, monkeypatch):
    monkeypatch.setattr(sample, "MAX_BATCH", 2)
    order = torch.tensor([3, 0, 8, 5, 1])
    found = list(batches(part, order, cpu))
    assert [len(image) for image, _ in found] == [2, 2, 1]
    assert torch.cat([labels for _, labels in found]).tolist() == order.tolist()
    images = torch.cat([image for image, _ in found])
    torch.testing.assert_close(images, part.images[order].permute(0, 3, 1, 2) / 255)


def test_batches_scale(part, cpu):
    ((image, _),) = batches(part, torch.arange(9), cpu, 48)
    assert image.shape == (9, 3, 48, 48)
    assert image.min() >= 0
    assert image.max() <= 1
    centres = image[:, :, 1::3, 1::3]  # of the enlarged pixels
    torch.testing.assert_close(centres, part.images.permute(0, 3, 1, 2) / 255, atol=0.2, rtol=0)
    assert ((centres - part.images.permute(0, 3, 1, 2) / 255).abs()).mean() < 0.02


def test_first_batch_reads_no_other(part, cpu, monkeypatch):
    monkeypatch.setattr(sample, "MAX_BATCH", 2)
    read = []
    whole_read = LabelledImages.read
    monkeypatch.setattr(
        LabelledImages, "read", lambda self, order, size: read.append(order) or whole_read(self, order, size)
    )
    found = sample.first_batch(part, torch.tensor([3, 0, 8]), cpu)
    torch.testing.assert_close(found, part.images[[3, 0]].permute(0, 3, 1, 2) / 255)
    assert [order.tolist() for order in read] == [[3, 0]]


def test_files_on_the_disk_give_what_arrays_give(class_folders, cpu):
    in_memory, on_disk = (load_folder(class_folders, 32, stream).test for stream in ("off", "on"))
    order = stratified(in_memory.labels, 9)
    (image, labels), (expected, truth) = next(batches(on_disk, order, cpu)), next(batches(in_memory, order, cpu))
    assert torch.equal(image, expected)
    assert torch.equal(labels, truth)


def test_batches_of_large_pictures_are_small(part, cpu):
    assert max(len(image) for image, _ in batches(part, torch.arange(9), cpu, 512)) == sample.BATCH_PIXELS // 512**2
