"""The user's own data set, `--dataset package.module:function`: any data set of torch's, by way of one function.

The function is called with "train", "val" and "test" and returns for each a data set or None: whatever gives pairs of
a picture and a label, by index or one after the other, or records with `image` and `label` as Hugging Face's do. What
is None is split off the training pictures.

    def load(part):  # my_data.py, used as --dataset my_data:load
        if part == "val":
            return None
        return torchvision.datasets.SVHN("data", split=part, download=True)

A picture is Pillow's, or an array or tensor as `nstkit.pictures.tensors.as_image` takes it: sRGB, not normalised, not
augmented. The names of the classes are the training part's `classes`, where it has them. The pictures are read once.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from PIL import ImageOps

from nstkit.datasets.arrays import Dataset, LabelledImages, check_pictures_fit
from nstkit.datasets.from_arrays import complete
from nstkit.errors import UserError
from nstkit.own_code import blamed, find_function
from nstkit.pictures.tensors import as_image, to_picture

PARTS = ("train", "val", "test")


def load_own(name: str, size_px: int) -> Dataset:
    """Return the data set that the user's own function makes.

    Args:
        name: `package.module:function`.
        size_px: side of the pictures: the shorter side is scaled to it, and the middle taken.

    Raises:
        UserError: for a function that is not there or fails, or gives other than pictures with labels.
    """
    function = find_function("--dataset", name)
    parts: dict[str, LabelledImages | None] = {}
    classes = None
    for part in PARTS:
        failed = f"--dataset {name}: it failed with '{part}'"
        with blamed(failed, ". It may return None for a part that there is not."):
            given = function(part)
            parts[part] = None if given is None else _read(given, f"--dataset {name}: {part}", size_px)
        if part == "train":
            classes = getattr(given, "classes", None)
    if parts["train"] is None:
        raise UserError(f"--dataset {name}: it gave None for 'train'. Return a data set of pictures and labels.")
    return complete(name, parts, None if classes is None else tuple(map(str, classes)))


def _read(given: Any, where: str, size_px: int) -> LabelledImages:
    """Return all pictures of a data set as squares in memory."""
    if hasattr(given, "__len__"):
        check_pictures_fit(len(given), size_px)
    images, labels = [], []
    for number, item in enumerate(_items(given)):
        picture, label = _pair(item, f"{where}: number {number}")
        upright = to_picture(as_image(picture, f"{where}: number {number}"))
        images.append(np.array(ImageOps.fit(upright, (size_px, size_px))))
        labels.append(label)
    if not images:
        raise UserError(f"{where} is empty. Return None where there are no pictures.")
    return LabelledImages(torch.from_numpy(np.stack(images)), torch.tensor(labels))


def _items(given: Any) -> Iterator[Any]:
    """Yield what a data set holds: by index where it has a length, which a loop over it need not end at."""
    if hasattr(given, "__len__") and hasattr(given, "__getitem__"):
        return (given[index] for index in range(len(given)))
    return iter(given)


def _pair(item: Any, where: str) -> tuple[Any, int]:
    if isinstance(item, Mapping) and {"image", "label"} <= item.keys():
        item = item["image"], item["label"]
    try:
        picture, label = item
        return picture, int(label)
    except (TypeError, ValueError) as error:
        kind = f"a record of {', '.join(map(str, item))}" if isinstance(item, Mapping) else f"a {type(item).__name__}"
        raise UserError(f"{where} is {kind}, not a picture and a whole number (or `image` and `label`).") from error
