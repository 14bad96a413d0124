"""Label noise changes the share asked for and nothing else; a fraction is stratified."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nstkit.datasets.alter import take_fraction, with_label_noise
from nstkit.datasets.arrays import LabelledImages
from nstkit.datasets.files import LabelledFiles


def _images(labels):
    labels = torch.as_tensor(labels)
    return LabelledImages(torch.zeros(len(labels), 1, 1, 3, dtype=torch.uint8), labels)


def _files(labels):
    names = np.arange(len(labels)).astype(np.dtypes.StringDType())
    return LabelledFiles(Path("nowhere"), names, torch.as_tensor(labels), 8)


@pytest.fixture(params=[_images, _files])
def make(request):
    """A function that makes a part of either kind from labels."""
    return request.param


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5, 1.0])
def test_noise_redraws_the_share_uniformly(make, fraction):
    part = make(np.repeat(np.arange(10), 1000))
    noisy = with_label_noise(part, fraction, 10, seed=0)
    # A tenth of those that are drawn anew get the class that they had.
    assert (noisy.labels != part.labels).double().mean().item() == pytest.approx(0.9 * fraction, abs=0.01)
    changed = torch.bincount(noisy.labels[noisy.labels != part.labels], minlength=10) / len(part)
    assert changed.tolist() == pytest.approx([0.09 * fraction] * 10, abs=0.01)
    assert noisy.names.tolist() == part.names.tolist()
    assert torch.equal(part.labels, torch.arange(10).repeat_interleave(1000))


def test_labels_all_random_say_nothing_of_the_class(make):
    part = make(np.repeat(np.arange(10), 1000))
    table = torch.zeros(10, 10)
    noisy = with_label_noise(part, 1.0, 10, seed=3)
    table.index_put_((part.labels, noisy.labels), torch.tensor(1.0), accumulate=True)
    assert ((table - 100).abs() < 50).all()  # five deviations


def test_noise_depends_on_its_seed_alone(make):
    part = make(np.repeat(np.arange(10), 100))
    one, same, other = (with_label_noise(part, 0.5, 10, seed).labels for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_fraction_is_stratified_and_keeps_order_and_pairs(make):
    part = make(np.tile(np.repeat([0, 1, 2], [10, 4, 1]), 10))
    some = take_fraction(part, 0.25, seed=0)
    assert torch.bincount(some.labels).tolist() == [25, 10, 2]
    index = [int(name) for name in some.names]
    assert index == sorted(index)
    assert torch.equal(some.labels, part.labels[index])


@pytest.mark.parametrize(("fraction", "expected"), [(0.0, [1, 1]), (0.01, [1, 1]), (1.0, [30, 3])])
def test_fraction_leaves_at_least_one_a_class(make, fraction, expected):
    part = make(np.repeat([0, 1], [30, 3]))
    assert torch.bincount(take_fraction(part, fraction, 0).labels).tolist() == expected


def test_larger_fraction_holds_the_smaller_one(make):
    part = make(np.repeat([0, 1], [100, 50]))
    small, large, other = (set(take_fraction(part, *how).names) for how in ((0.1, 0), (0.5, 0), (0.1, 1)))
    assert small < large
    assert small != other


@pytest.mark.parametrize("fraction", [-0.1, 1.1])
def test_fractions_out_of_range_are_refused(make, fraction):
    with pytest.raises(ValueError, match=str(fraction)):
        take_fraction(make([0, 1]), fraction, 0)
    with pytest.raises(ValueError, match=str(fraction)):
        with_label_noise(make([0, 1]), fraction, 2, 0)
