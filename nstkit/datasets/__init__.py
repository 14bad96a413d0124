"""Data sets as arrays: `load_dataset`."""

from pathlib import Path
from typing import Literal

DatasetName = Literal["cifar100", "patterns", "folder"]

PATTERNS_COUNTS = {"train": 12_000, "val": 1_200, "test": 2_400}


def load_dataset(name: DatasetName, data_dir: Path, size_px: int | None = None):
    """Return a `nstkit.datasets.arrays.Dataset` of square pictures.

    Args:
        name: `cifar100` and `folder` are read from `data_dir`, `patterns` is drawn.
        data_dir: folder that holds `cifar100/`; for `folder`, the folder of class folders itself.
        size_px: side of the pictures. None = their own (32 for cifar100 and patterns, 64 for folder).
    """
    from nstkit.datasets.arrays import LabelledImages, build_dataset, resize_dataset  # torch is imported here

    if name == "folder":
        from nstkit.datasets.folder import load_folder

        return load_folder(data_dir, size_px or 64)
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
