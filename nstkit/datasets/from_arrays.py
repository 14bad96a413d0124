"""Data sets in one file of NumPy's, `--dataset FILE.npz`: arrays of pictures and of labels.

Part     pictures, uint8                                labels, whole numbers
train    x_train, train_images or images                y_train, train_labels or labels
val      x_val, val_images                              y_val, val_labels
test     x_test, test_images                            y_test, test_labels

So Keras and MedMNIST name them. Pictures are (N, H, W), (N, H, W, 3) or (N, 3, H, W); of others than square ones the
middle is taken. `classes`, names in the order of the labels, may stand beside them. What is missing is split off the
training pictures, as from class folders. Nothing in the file is run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nstkit.datasets.arrays import Dataset, LabelledImages, Part, build_dataset, resize_dataset, split_off
from nstkit.datasets.folder import HELD_OUT_FRACTION
from nstkit.errors import UserError, first_line, is_out_of_memory

NAMES = {
    "train": (("x_train", "y_train"), ("train_images", "train_labels"), ("images", "labels")),
    "val": (("x_val", "y_val"), ("val_images", "val_labels")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}
LEAST_PX = 32  # side from which on networks are trained; smaller pictures are enlarged


def load_arrays(path: Path, size_px: int | None = None) -> Dataset:
    """Return the pictures of a file.

    Args:
        path: of the file.
        size_px: side of the pictures. None = their own, at least 32.

    Raises:
        UserError: for a file that is not there or broken, or without such arrays.
    """
    if not path.is_file():
        raise UserError(f"--dataset {path}: no such file ({path.absolute()}).")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # a broken file makes NumPy and zipfile raise a dozen kinds
        if is_out_of_memory(error):
            raise
        raise UserError(f"--dataset {path}: not a readable .npz of arrays ({first_line(error)}).") from error
    parts = {part: _part(arrays, part, path) for part in NAMES}
    if parts["train"] is None:
        wanted = " or ".join(" and ".join(names) for names in NAMES["train"])
        raise UserError(f"--dataset {path}: no training pictures. It holds {', '.join(arrays)}; wanted are {wanted}.")
    named = arrays.get("classes")
    classes = None if named is None else tuple(map(str, named.tolist()))
    data = complete(path.name, parts, classes)
    return resize_dataset(data, size_px or max(LEAST_PX, data.size_px))


def complete(name: str, parts: Mapping[str, Part | None], classes: tuple[str, ...] | None = None) -> Dataset:
    """Return a data set of the parts that there are; what is missing is split off the training pictures.

    Args:
        name: of the data set.
        parts: `train`, and `val` and `test` or None in their place.
        classes: names in the order of the labels; None = the labels themselves.

    Raises:
        UserError: for fewer than two classes, or one with too few pictures to split.
    """
    train, val, test = (parts[part] for part in ("train", "val", "test"))
    assert train is not None
    counts = torch.bincount(train.labels)
    classes = classes or tuple(map(str, range(len(counts))))
    needed = 1 + (test is None) + (val is None)
    counts = torch.bincount(train.labels, minlength=len(classes))
    few = [classes[label] for label, count in enumerate(counts.tolist()[: len(classes)]) if count < needed]
    if few or len(classes) < 2:
        told = f"fewer than {needed} training pictures of class {', '.join(few[:5])}" if few else "a single class"
        raise UserError(f"--dataset {name}: {told}, too few to learn from.")
    if test is None:
        train, test = split_off(train, HELD_OUT_FRACTION)
    if val is None:
        train, val = split_off(train, HELD_OUT_FRACTION)
    return build_dataset(name, classes, train, val, test)


def _part(arrays: Mapping[str, NDArray[Any]], part: str, path: Path) -> LabelledImages | None:
    """Return the pictures of one part, None where the file has none of this name."""
    names = next((names for names in NAMES[part] if all(name in arrays for name in names)), None)
    if names is None:
        return None
    images, labels = (arrays[name] for name in names)
    labels = labels.reshape(len(labels), -1) if len(labels) else labels.reshape(0, 1)
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or labels.dtype.kind not in "iu" or labels.shape[1] != 1:
        raise UserError(
            f"--dataset {path}: {names[0]} is {images.dtype} {images.shape} and {names[1]} {labels.dtype} "
            f"{arrays[names[1]].shape}. Wanted are uint8 (N, H, W), (N, H, W, 3) or (N, 3, H, W), and N whole numbers."
        )
    if len(images) != len(labels) or not len(images):
        raise UserError(f"--dataset {path}: {len(images)} pictures in {names[0]}, {len(labels)} in {names[1]}.")
    return LabelledImages(squares(images, names[0], path), torch.from_numpy(labels[:, 0].astype(np.int64)))


def squares(images: NDArray[np.uint8], name: str, path: Path) -> torch.Tensor:
    """Return pictures as (N, S, S, 3), the middle of those that are not square."""
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[3] not in (1, 3) and images.shape[1] in (1, 3):
        images = images.transpose(0, 2, 3, 1)
    if images.shape[3] not in (1, 3):
        raise UserError(f"--dataset {path}: {name} has {images.shape[3]} channels. Wanted are 1 or 3.")
    height, width = images.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = images[:, top : top + side, left : left + side]
    return torch.from_numpy(np.ascontiguousarray(np.broadcast_to(middle, (*middle.shape[:3], 3))))
