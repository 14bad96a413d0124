"""Parts of a data set made worse on purpose: fewer pictures, wrong labels."""

from dataclasses import replace

import numpy as np
import torch

from nstkit.datasets.arrays import Dataset, Part, take_where


def altered(data: Dataset, *, train_fraction: float, label_noise: float, seed: int) -> Dataset:
    """Return the data set with a share of the training pictures left out, then a share of their labels drawn anew."""
    train = data.train
    if train_fraction < 1:
        train = take_fraction(train, train_fraction, seed)
    if label_noise:
        train = with_label_noise(train, label_noise, len(data.classes), seed)
    return replace(data, train=train)


def with_label_noise(part: Part, fraction: float, classes: int, seed: int) -> Part:
    """Return the part with a share of its labels replaced by uniformly random classes; the pictures stay.

    The random class may be the right one, so that 1.0 makes the labels say nothing at all about the pictures.

    Args:
        part: pictures of which some get another label.
        fraction: share of the labels that are drawn anew, 0 to 1.
        classes: number of classes.
        seed: other seeds draw other labels for other pictures.

    Raises:
        ValueError: for a fraction outside of 0 to 1.

    Source: Zhang, Bengio, Hardt, Recht, Vinyals 2017, Understanding deep learning requires rethinking generalization,
        section 2.1: partially corrupted and random labels.
    """
    _check(fraction)
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(part))[: round(fraction * len(part))]
    labels = part.labels.clone()
    labels[torch.from_numpy(chosen)] = torch.from_numpy(random.integers(0, classes, len(chosen))).to(part.device)
    return replace(part, labels=labels)


def take_fraction(part: Part, fraction: float, seed: int) -> Part:
    """Return a share of the pictures of each class, at least one, in their order.

    A larger fraction of the same seed holds all pictures of a smaller one.

    Args:
        part: pictures to choose from.
        fraction: share of each class, 0 to 1.
        seed: other seeds choose other pictures.

    Raises:
        ValueError: for a fraction outside of 0 to 1.
    """
    _check(fraction)
    random = np.random.default_rng(seed)
    labels = part.labels.cpu().numpy()
    is_taken = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        is_taken[members[: max(1, round(fraction * len(members)))]] = True
    return take_where(part, is_taken)


def _check(fraction: float) -> None:
    if not 0 <= fraction <= 1:
        raise ValueError(f"a fraction of {fraction}: it has to lie in 0 to 1")
