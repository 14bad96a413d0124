"""Order, crop, flip, erasing and mixing: against numpy, picture by picture."""

import dataclasses

import numpy as np
import pytest
import torch

from train_backbone.augment import (
    EpochPlan,
    crop_and_flip,
    draw_boxes,
    draw_mixing,
    is_inside,
    mirror,
    mix,
    normalise,
    partner_of,
    plan_epoch,
)
from train_backbone.config import AugmentationSettings

EVERYTHING = {"trivial_augment": True, "erasing": 0.5, "mixup": 0.4, "cutmix": 1.0, "noise": 0.1}


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
    images = random_images(40, *size)
    random = np.random.default_rng(1)
    shift = torch.from_numpy(random.integers(-4, 5, (40, 2)))
    shift[0], shift[1] = torch.tensor([4, -4]), torch.tensor([-4, 4])  # the farthest, surely
    is_flipped = torch.from_numpy(random.random(40) < 0.5)
    found = crop_and_flip(images, shift, is_flipped).numpy()
    for k in range(40):
        expected = slow_crop_and_flip(images[k].numpy(), shift[k].tolist(), bool(is_flipped[k]))
        np.testing.assert_array_equal(found[k], expected)


def test_no_shift_and_no_flip_is_the_picture():
    images = random_images(3, 8, 8)
    still = crop_and_flip(images, torch.zeros(3, 2, dtype=torch.int64), torch.zeros(3, dtype=torch.bool))
    assert torch.equal(still, images)


def test_mirror_by_hand():
    assert mirror(torch.arange(-3, 8), 5).tolist() == [3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1]


# The plan of an epoch


def columns(plan):
    return {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}


def test_plan_depends_on_seed_and_epoch_alone():
    def plan(seed, epoch):
        return columns(plan_epoch(100, 32, AugmentationSettings(**EVERYTHING), seed=seed, epoch=epoch))

    first = plan(3, 5)
    torch.manual_seed(99)
    np.random.seed(99)
    again = plan(3, 5)
    assert all(torch.equal(first[name], again[name]) for name in first)
    for seed, epoch in ((3, 6), (4, 5), (5, 3), (0, 0)):
        other = plan(seed, epoch)
        assert not any(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("more", [EVERYTHING, {"erasing": 1.0}, {"trivial_augment": True}, {"mixup": 1.0}])
def test_other_kinds_of_augmentation_leave_order_crop_and_flip_alone(more):
    bare, rich = (columns(plan_epoch(50, 32, AugmentationSettings(**given), seed=0, epoch=1)) for given in ({}, more))
    for name in ("order", "shift", "is_flipped"):
        assert torch.equal(bare[name], rich[name])
    assert bare["erased"] is bare["operation"] is bare["mixed"] is None


@pytest.mark.parametrize(("size_px", "reach"), [(32, 4), (64, 8)])
def test_plan_takes_every_picture_once_and_shifts_as_far_as_it_says(size_px, reach):
    plan = plan_epoch(4000, size_px, AugmentationSettings(), seed=0, epoch=0)
    assert sorted(plan.order.tolist()) == list(range(4000))
    counts = torch.bincount((plan.shift + reach).flatten(), minlength=2 * reach + 1)
    assert len(counts) == 2 * reach + 1
    assert counts.min() > 0.75 * 8000 / (2 * reach + 1)
    assert plan.is_flipped.float().mean() == pytest.approx(0.5, abs=0.04)


def test_alternating_flip_shows_both_sides_of_every_picture_in_two_epochs():
    def sides(epoch, seed=0):
        plan = plan_epoch(1000, 32, AugmentationSettings(flip="alternating"), seed=seed, epoch=epoch)
        return torch.empty(1000, dtype=torch.bool).index_copy(0, plan.order, plan.is_flipped)

    assert torch.equal(sides(0), ~sides(1))
    assert torch.equal(sides(0), sides(2))
    assert torch.equal(sides(6), ~sides(7))
    assert sides(0).float().mean() == pytest.approx(0.5, abs=0.06)
    assert not torch.equal(sides(0), sides(0, seed=1))


def test_rows_of_a_plan_are_those_asked_for(cpu):
    plan = plan_epoch(20, 32, AugmentationSettings(**EVERYTHING), seed=0, epoch=0)
    where = torch.tensor([4, 19, 4])
    for name, value in columns(plan.take(where, cpu)).items():
        assert torch.equal(value, getattr(plan, name)[where])
    bare = plan_epoch(20, 32, AugmentationSettings(), seed=0, epoch=0).take(slice(3, 7), cpu)
    assert (len(bare.order), bare.erased, bare.mixed) == (4, None, None)


# Boxes


@pytest.mark.parametrize("probability", [0.3, 1.0])
def test_erased_boxes_have_the_areas_aspects_and_frequency_they_should(probability):
    boxes = draw_boxes(np.random.default_rng(0), 5000, probability).double()
    height, width = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    is_erased = height > 0
    assert is_erased.double().mean() == pytest.approx(probability, abs=0.02)
    assert (width[~is_erased] == 0).all()
    area, aspect = (height * width)[is_erased], (height / width)[is_erased]
    assert 0.02 - 1e-6 <= area.min() < 0.03
    assert 0.24 < area.max() <= 0.25 + 1e-6
    assert 0.5 - 1e-6 <= aspect.min() < 0.52
    assert 1.95 < aspect.max() <= 2 + 1e-6
    assert aspect.log().mean() == pytest.approx(0, abs=0.03)  # as often wide as high
    assert boxes.min() >= 0
    assert boxes.max() <= 1
    centre = (boxes[is_erased, :2] + boxes[is_erased, 2:]) / 2
    torch.testing.assert_close(centre.mean(0), torch.full((2,), 0.5, dtype=torch.float64), atol=0.02, rtol=0)


def test_is_inside_by_hand():
    # Of four pixels the centres lie at 1/8, 3/8, 5/8, 7/8.
    boxes = torch.tensor([[0.25, 0.0, 0.75, 0.5], [0.3, 0.4, 0.4, 0.9], [0.2, 0.2, 0.2, 0.2], [0, 0, 1, 1.0]])
    found = is_inside(boxes, 4, 4)[:, 0].int().tolist()
    assert found[0] == [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert found[1] == [[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert found[2] == [[0] * 4] * 4
    assert found[3] == [[1] * 4] * 4
    assert is_inside(boxes, 2, 5).shape == (4, 1, 2, 5)


def test_boxes_cover_the_share_of_pixels_that_is_their_area():
    boxes = draw_boxes(np.random.default_rng(1), 500, 1.0)
    covered = is_inside(boxes, 256, 256).double().mean((1, 2, 3))
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).double()
    torch.testing.assert_close(covered, area, atol=0.01, rtol=0)


# Mixing


def test_partners_are_neighbours_and_the_odd_one_has_itself(cpu):
    assert partner_of(6, cpu).tolist() == [1, 0, 3, 2, 5, 4]
    assert partner_of(5, cpu).tolist() == [1, 0, 3, 2, 4]
    assert partner_of(1, cpu).tolist() == [0]


def test_kinds_of_mixing_are_drawn_as_often_and_as_strongly_as_they_should():
    random = np.random.default_rng(0)
    for mixup, cutmix, cut_share in ((0.0, 1.0, 1.0), (0.2, 0.0, 0.0), (0.2, 1.0, 0.5)):
        mixed = draw_mixing(random, 20_000, mixup, cutmix).double()
        side, share = mixed[:, 2] - mixed[:, 0], mixed[:, 4]
        torch.testing.assert_close(side, mixed[:, 3] - mixed[:, 1], atol=1e-6, rtol=0)  # squares
        is_cut = side > 0
        assert is_cut.double().mean() == pytest.approx(cut_share, abs=0.02)
        assert (share[is_cut] == 1).all()
        left = 1 - side[is_cut] ** 2
        if cutmix:  # Beta(1, 1) is uniform: mean 1/2, variance 1/12
            assert left.mean() == pytest.approx(0.5, abs=0.02)
            assert left.var() == pytest.approx(1 / 12, abs=0.005)
        if mixup:  # Beta(a, a): mean 1/2, variance 1 / (4 (2a + 1))
            assert share[~is_cut].mean() == pytest.approx(0.5, abs=0.02)
            assert share[~is_cut].var() == pytest.approx(1 / (4 * 1.4), abs=0.01)


@pytest.mark.parametrize("count", [4, 5])
def test_mixed_pictures_by_hand(count):
    images = torch.arange(1.0, count + 1)[:, None, None, None].expand(count, 3, 4, 4)  # picture k is all k + 1
    mixed = torch.zeros(count, 5)
    mixed[:, 4] = 1.0
    mixed[0] = torch.tensor([0.0, 0.0, 0.5, 0.5, 1.0])  # a quarter of picture 0 comes from picture 1
    mixed[2, 4] = 0.25  # a quarter of picture 2, three of picture 3
    if count == 5:
        mixed[4] = torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0])  # mixed with itself
    found, share = mix(images, mixed)
    assert share.tolist() == [0.75, 1.0, 0.25, 1.0, 0.5][:count]
    assert found[0, 0].tolist() == [[2, 2, 1, 1], [2, 2, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert (found[1] == 2).all()
    assert (found[2] == 0.25 * 3 + 0.75 * 4).all()
    assert (found[3] == 4).all()
    if count == 5:
        assert (found[4] == 5).all()


@pytest.mark.parametrize("kinds", [{"cutmix": 1.0}, {"mixup": 0.5}, {"mixup": 0.5, "cutmix": 1.0}])
def test_share_is_that_of_the_pixels(kinds):
    random = np.random.default_rng(0)
    mixed = draw_mixing(random, 64, kinds.get("mixup", 0.0), kinds.get("cutmix", 0.0))
    images = torch.zeros(64, 3, 17, 17)
    images[::2] = 1.0  # every picture of ones has one of zeros beside it, so the mean tells the share
    found, share = mix(images, mixed)
    mean = found.mean((1, 2, 3))
    torch.testing.assert_close(torch.where(torch.arange(64) % 2 == 0, mean, 1 - mean), share, atol=1e-5, rtol=0)
    assert len(share.unique()) > 20


def test_plan_has_what_the_settings_ask_for_and_no_more():
    for name, given in (("erased", "erasing"), ("mixed", "mixup"), ("mixed", "cutmix")):
        plan = columns(plan_epoch(10, 32, AugmentationSettings(**{given: 0.5}), seed=0, epoch=0))
        assert {key for key, value in plan.items() if value is not None} == {"order", "shift", "is_flipped", name}
    assert {field.name for field in dataclasses.fields(EpochPlan)} == set(plan)


# Numbers for the network


def test_normalise_is_the_formula():
    images = torch.from_numpy(np.random.default_rng(0).random((5, 3, 6, 7), dtype=np.float32))
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.1])
    expected = (images.permute(0, 2, 3, 1).numpy() - mean.numpy()) / std.numpy()
    np.testing.assert_allclose(normalise(images, mean, std).permute(0, 2, 3, 1).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_training_pictures_are_normalised_to_zero_mean_and_unit_deviation(data):
    mean, std = torch.tensor(data.mean), torch.tensor(data.std)
    values = normalise(data.train.images.permute(0, 3, 1, 2) / 255, mean, std).transpose(0, 1).flatten(1)
    torch.testing.assert_close(values.mean(1), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(values.std(1), torch.ones(3), atol=1e-3, rtol=0)
