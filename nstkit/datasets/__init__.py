"""Data sets in three parts: `load_dataset`."""

from pathlib import Path
from typing import Literal

DatasetName = Literal["cifar100", "caltech101", "patterns", "folder"]
Protocol = Literal["30-per-class", "15-per-class", "80-20"]
Background = Literal["drop", "keep"]
Stream = Literal["auto", "on", "off"]

PATTERNS_COUNTS = {"train": 12_000, "val": 1_200, "test": 2_400}


def load_dataset(
    name: DatasetName,
    data_dir: Path,
    size_px: int | None = None,
    *,
    protocol: Protocol = "30-per-class",
    split_seed: int = 0,
    background: Background = "drop",
    stream: Stream = "auto",
):
    """Return a `nstkit.datasets.arrays.Dataset` of square pictures.

    Args:
        name: `cifar100`, `caltech101` and `folder` are read from `data_dir`, `patterns` is drawn.
        data_dir: folder that holds `cifar100/` and `caltech101/`; for `folder`, the folder of class folders itself.
        size_px: side of the pictures. None = 32 for cifar100 and patterns, 64 for folder, 128 for caltech101.
        protocol: of caltech101: training pictures a class, or shares of training and test pictures.
        split_seed: of caltech101: which of the random splits, 0 and up; 0 to 4 are the customary five.
        background: of caltech101: whether `BACKGROUND_Google` is left out (101 classes) or is a class (102).
        stream: of caltech101 and folder: whether pictures stay on the disk; auto = where memory is too small for them.

    Raises:
        UserError: when the data set is not there, not whole, or cannot be downloaded.
    """
    from nstkit.datasets.arrays import LabelledImages, build_dataset, resize_dataset  # torch is imported here

    if name == "folder":
        from nstkit.datasets.folder import load_folder

        return load_folder(data_dir, size_px or 64, stream)
    if name == "caltech101":
        from nstkit.datasets.caltech101 import load_caltech101

        options = {"protocol": protocol, "split_seed": split_seed, "background": background, "stream": stream}
        return load_caltech101(data_dir, size_px or 128, **options)
    if name == "cifar100":
        from nstkit.datasets.cifar100 import load_cifar100

        return resize_dataset(load_cifar100(data_dir), size_px)
    import torch

    from nstkit.datasets.patterns import CLASSES, draw_patterns

    parts = []
    for seed, count in enumerate(PATTERNS_COUNTS.values()):
        images, labels = draw_patterns(count, size_px or 32, seed)
        parts.append(
            LabelledImages(torch.from_numpy(images).permute(0, 2, 3, 1).contiguous(), torch.from_numpy(labels))
        )
    return build_dataset("patterns", CLASSES, *parts)
