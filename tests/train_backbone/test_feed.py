"""Batches: the same pictures in the same shape however they are divided, and wherever reading begins."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from nstkit.datasets import files
from nstkit.datasets.alter import altered
from nstkit.datasets.arrays import merge_validation
from nstkit.ranks import Ranks
from train_backbone.augment import crop_and_flip, is_inside, partner_of, plan_epoch
from train_backbone.feed import Batch, Feed, prepare, side_at

KINDS = {
    "plain": {},
    "erased": {"erasing": 0.7},
    "operations": {"trivial_augment": True},
    "mixed": {"mixup": 0.4, "cutmix": 1.0},
    "noisy": {"noise": 0.1},
    "all, small": {"erasing": 0.5, "trivial_augment": True, "cutmix": 1.0, "progressive": (16, 24), "noise": 0.1},
}
COLUMNS = tuple(field.name for field in dataclasses.fields(Batch))


def join(batches):
    """Return the batches put together, by column."""
    values = {name: [getattr(batch, name) for batch in batches] for name in COLUMNS}
    return {name: None if column[0] is None else torch.cat(column) for name, column in values.items()}


def assert_same(found, expected):
    for name in COLUMNS:
        if expected[name] is None:
            assert found[name] is None
        else:
            torch.testing.assert_close(found[name], expected[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, 4])
def test_slices_of_the_processes_joined_are_the_batch_of_one(kind, count, settings, feed_of):
    config = settings(**KINDS[kind])
    alone = list(feed_of(config).read(2, 0, 7))
    shared = [list(feed_of(config, Ranks(rank, count)).read(2, 0, 7)) for rank in range(count)]
    assert len(alone) == 6
    for number, batch in enumerate(alone):
        assert len(batch.labels) == 8
        assert [len(batches[number].labels) for batches in shared] == [8 // count] * count
        assert_same(join([batches[number] for batches in shared]), join([batch]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", [1, 5, 6])
def test_reading_on_from_a_batch_gives_what_reading_from_the_start_gives_there(kind, first, settings, feed_of):
    feed = feed_of(settings(**KINDS[kind]))
    whole = list(feed.read(1, 0, 6))
    rest = list(feed.read(1, first, 6 + first))
    assert len(rest) == 6 - first
    for found, expected in zip(rest, whole[first:], strict=True):
        assert found.images.shape == expected.images.shape
        assert torch.equal(found.images, expected.images)
        assert torch.equal(found.labels, expected.labels)


def test_batch_size_does_not_change_what_happens_to_a_picture(settings, feed_of):
    given = {"erasing": 0.5, "trivial_augment": True, "mixup": 0.4, "cutmix": 1.0, "noise": 0.2}
    small, large = (join(list(feed_of(settings(batch_size=size, **given)).read(0, 0, 0))) for size in (6, 24))
    assert_same(small, large)


@pytest.mark.parametrize("kind", ["plain", "mixed", "all, small"])
def test_noise_of_the_deviation_that_was_asked_for_comes_last(kind, data, settings, feed_of):
    """On the scale where black is 0 and white is 1, alike for every channel, also in pictures that were mixed."""
    given = {name: value for name, value in KINDS[kind].items() if name != "noise"}
    clean, noisy, next_epoch = (
        join(list(feed_of(settings(**given, **more)).read(epoch, 3, 12)))["images"]
        for more, epoch in (({}, 0), ({"noise": 0.2}, 0), ({"noise": 0.2}, 1))
    )
    noise = (noisy - clean) * torch.tensor(data.std)[:, None, None]
    torch.testing.assert_close(noise.std(dim=(0, 2, 3)), torch.full((3,), 0.2), rtol=0.03, atol=0)
    assert noise.mean().abs() < 0.01
    others = torch.corrcoef(noise.flatten(1))
    assert (others - torch.eye(len(noise))).abs().max() < 0.2  # each picture has its own
    assert not torch.equal(next_epoch, noisy)


def test_an_epoch_has_every_picture_once_and_the_next_one_in_another_order(data, settings, feed_of):
    labels = [join(list(feed_of(settings()).read(epoch, 0, 0)))["labels"] for epoch in (0, 1)]
    for found in labels:
        assert sorted(found.tolist()) == sorted(data.train.labels.tolist())
    assert not torch.equal(*labels)


def test_the_rest_of_the_pictures_is_left_out_others_in_each_epoch(data, settings):
    marked = torch.arange(48)  # a label of its own for each picture
    data = dataclasses.replace(data, train=dataclasses.replace(data.train, labels=marked))
    feed = Feed(data, settings(batch_size=10), Ranks())
    assert feed.batches_an_epoch == 4
    seen = [set(join(list(feed.read(epoch, 0, 0)))["labels"].tolist()) for epoch in range(6)]
    assert {len(labels) for labels in seen} == {40}
    assert set.union(*seen) == set(range(48))


def test_data_set_smaller_than_a_batch_is_one_batch(data, settings, feed_of):
    feed = feed_of(settings(batch_size=1000))
    assert (feed.batch_size, feed.batches_an_epoch) == (48, 1)
    (batch,) = feed.read(0, 0, 0)
    assert sorted(batch.labels.tolist()) == sorted(data.train.labels.tolist())


def test_a_final_fit_reads_the_validation_pictures_too(data, settings):
    feed = Feed(merge_validation(data), settings(batch_size=12), Ranks())
    assert feed.batches_an_epoch == 6
    expected = [*data.train.labels.tolist(), *data.val.labels.tolist()]
    assert sorted(join(list(feed.read(0, 0, 0)))["labels"].tolist()) == sorted(expected)


@pytest.fixture(scope="module")
def streamed(data, on_disk, tmp_path_factory):
    """The pictures of `data`, read from the disk."""
    return on_disk(data, tmp_path_factory.mktemp("pictures"))


@pytest.mark.parametrize("kind", [*KINDS, "alternating"])
@pytest.mark.parametrize("alter", ["as it is", "altered", "final fit"])
def test_pictures_on_the_disk_make_the_batches_of_those_in_memory(kind, alter, data, streamed, settings, monkeypatch):
    monkeypatch.setattr(files, "cores", lambda: 1)  # other processes take longer to start than to read
    change = {
        "as it is": lambda data: data,
        "altered": lambda data: altered(data, train_fraction=0.7, label_noise=0.5, seed=1),
        "final fit": merge_validation,
    }[alter]
    config = settings(**KINDS.get(kind, {"flip": "alternating"}))
    found, expected = (list(Feed(change(each), config, Ranks()).read(1, 2, 8)) for each in (streamed, data))
    assert len(found) == len(expected) > 1
    for one, two in zip(found, expected, strict=True):
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.labels, two.labels)
        assert_same(join([one]), join([two]))


# Progressive resolution


def test_small_pictures_share_the_first_half_of_the_run():
    sides = [side_at((16, 20, 24), step, 60, 32) for step in range(61)]
    assert sides == [16] * 10 + [20] * 10 + [24] * 10 + [32] * 31
    assert {side_at((), step, 60, 32) for step in range(61)} == {32}
    assert [side_at((16,), step, 6, 32) for step in range(6)] == [16] * 3 + [32] * 3


def test_side_goes_by_the_step_within_an_epoch(settings, feed_of):
    feed = feed_of(settings(epochs=1, progressive=(16,)))
    assert [batch.images.shape[2] for batch in feed.read(0, 0, 0)] == [16] * 3 + [32] * 3
    assert [batch.images.shape[2] for batch in feed.read(0, 2, 2)] == [16] + [32] * 3
    assert {batch.images.shape for batch in feed.read(0, 0, 6)} == {(8, 3, 32, 32)}


# What happens to the pictures of a batch


def prepared(data, config, side_px=32):
    """Return a batch of eight, its row of the plan, and its pictures cropped and normalised by hand."""
    row = plan_epoch(48, 32, config.augmentation, seed=0, epoch=0).take(slice(0, 8), torch.device("cpu"))
    mean, std = torch.tensor(data.mean), torch.tensor(data.std)
    images, labels = next(data.train.read(row.order, 8))
    batch = prepare(images, labels, row, mean, std, side_px)
    cropped = crop_and_flip(images, row.shift, row.is_flipped).double() / 255
    return batch, row, ((cropped - mean) / std).permute(0, 3, 1, 2).float(), labels


def test_plain_pictures_are_cropped_flipped_and_normalised(data, settings):
    batch, _, expected, labels = prepared(data, settings())
    torch.testing.assert_close(batch.images, expected, atol=1e-5, rtol=0)
    assert torch.equal(batch.labels, labels)
    assert batch.partner_labels is batch.share is None


def test_erased_boxes_are_of_the_mean_colour_and_the_rest_is_untouched(data, settings):
    batch, row, expected, _ = prepared(data, settings(erasing=1.0))
    is_erased = is_inside(row.erased, 32, 32).expand_as(expected)
    assert 0.01 < is_erased.float().mean() < 0.3
    assert (batch.images[is_erased] == 0).all()  # normalised, the mean is 0
    torch.testing.assert_close(batch.images[~is_erased], expected[~is_erased], atol=1e-5, rtol=0)


def test_smaller_pictures_are_the_same_ones_smaller(data, settings):
    small, _, expected, _ = prepared(data, settings(), side_px=16)
    assert small.images.shape == (8, 3, 16, 16)
    for found, plane in zip(small.images.flatten(0, 1), expected.flatten(0, 1), strict=True):
        resized = Image.fromarray(plane.numpy()).resize((16, 16), Image.Resampling.BILINEAR)
        torch.testing.assert_close(found, torch.from_numpy(np.array(resized)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kinds", [{"mixup": 0.4}, {"cutmix": 1.0}])
def test_mixed_labels_name_the_larger_part_first(kinds, data, settings):
    """Pictures of one colour each, so that the share can be read off their values."""
    config = settings(**kinds)
    row = plan_epoch(48, 32, config.augmentation, seed=0, epoch=0).take(slice(0, 8), torch.device("cpu"))
    labels = torch.arange(8)
    images = (labels * 30).to(torch.uint8)[:, None, None, None].expand(8, 32, 32, 3)
    batch = prepare(images, labels, row, torch.zeros(3), torch.ones(3), 32)
    assert (batch.share >= 0.5).all()
    assert (batch.share < 0.999).any()
    expected = (batch.share * batch.labels + (1 - batch.share) * batch.partner_labels) * 30 / 255
    torch.testing.assert_close(batch.images.mean((1, 2, 3)), expected.float(), atol=1e-4, rtol=0)
    partners = partner_of(8, torch.device("cpu"))
    for number in range(8):
        pair = {int(batch.labels[number]), int(batch.partner_labels[number])}
        assert pair == {number, int(partners[number])}
    assert (batch.labels != labels).any()  # in some the partner is the larger part
