"""Crop and flip: against numpy's padding, picture by picture."""

import numpy as np
import pytest
import torch

from train_backbone.augment import crop_and_flip, mirror, normalise, plan_epoch
from train_backbone.loop import take_batch


def random_images(count, height, width):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def slow_crop_and_flip(image, shift, is_flipped):
    """Return one picture: padded by reflection, cropped, flipped."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((height - 1,) * 2, (width - 1,) * 2, (0, 0)), mode="reflect")
    top, left = height - 1 + shift[0], width - 1 + shift[1]
    crop = padded[top : top + height, left : left + width]
    return crop[:, ::-1] if is_flipped else crop


@pytest.mark.parametrize("size", [(32, 32), (9, 14)])
def test_crop_and_flip_is_pad_crop_flip(size):
    images = random_images(12, *size)
    random = np.random.default_rng(1)
    index = torch.from_numpy(random.integers(0, 12, 40))
    shift = torch.from_numpy(random.integers(-4, 5, (40, 2)))
    shift[0], shift[1] = torch.tensor([4, -4]), torch.tensor([-4, 4])  # the farthest, surely
    is_flipped = torch.from_numpy(random.random(40) < 0.5)
    found = crop_and_flip(images, index, shift, is_flipped).numpy()
    for k in range(40):
        expected = slow_crop_and_flip(images[index[k]].numpy(), shift[k].tolist(), bool(is_flipped[k]))
        np.testing.assert_array_equal(found[k], expected)


def test_no_shift_and_no_flip_is_the_picture():
    images = random_images(3, 8, 8)
    index = torch.tensor([2, 0])
    still = crop_and_flip(images, index, torch.zeros(2, 2, dtype=torch.int64), torch.zeros(2, dtype=torch.bool))
    assert torch.equal(still, images[index])


def test_mirror_by_hand():
    assert mirror(torch.arange(-3, 8), 5).tolist() == [3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1]


def same_plan(a, b):
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("order", "shift", "is_flipped"))


def test_plan_depends_on_seed_and_epoch_alone(cpu):
    first = plan_epoch(100, 32, seed=3, epoch=5, device=cpu)
    torch.manual_seed(99)
    torch.rand(7)
    assert same_plan(first, plan_epoch(100, 32, 3, 5, cpu))
    for seed, epoch in ((3, 6), (4, 5), (5, 3), (0, 0)):
        other = plan_epoch(100, 32, seed, epoch, cpu)
        assert not torch.equal(first.order, other.order)
        assert not torch.equal(first.shift, other.shift)
        assert not torch.equal(first.is_flipped, other.is_flipped)


@pytest.mark.parametrize(("size_px", "reach"), [(32, 4), (64, 8)])
def test_plan_takes_every_picture_once_and_shifts_as_far_as_it_says(size_px, reach, cpu):
    plan = plan_epoch(4000, size_px, 0, 0, cpu)
    assert sorted(plan.order.tolist()) == list(range(4000))
    counts = torch.bincount((plan.shift + reach).flatten(), minlength=2 * reach + 1)
    assert len(counts) == 2 * reach + 1
    assert counts.min() > 0.75 * 8000 / (2 * reach + 1)
    assert plan.is_flipped.float().mean() == pytest.approx(0.5, abs=0.04)


def test_batch_size_does_not_change_what_happens_to_a_picture(data, cpu):
    plan = plan_epoch(len(data.train), 32, 0, 0, cpu)
    whole = take_batch(data, plan, slice(0, 48))
    parts = [take_batch(data, plan, slice(start, start + 7)) for start in range(0, 48, 7)]
    for number in (0, 1):
        assert torch.equal(torch.cat([part[number] for part in parts]), whole[number])


def test_normalise_is_the_formula_and_lies_channels_last():
    images = random_images(5, 6, 7)
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.1])
    found = normalise(images, mean, std)
    expected = (images.numpy() / 255 - mean.numpy()) / std.numpy()
    np.testing.assert_allclose(found.numpy(), expected.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-6)
    assert found.dtype == torch.float32
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_training_pictures_are_normalised_to_zero_mean_and_unit_deviation(data):
    mean, std = torch.tensor(data.mean), torch.tensor(data.std)
    values = normalise(data.train.images, mean, std).transpose(0, 1).flatten(1)
    torch.testing.assert_close(values.mean(1), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(values.std(1), torch.ones(3), atol=1e-3, rtol=0)
