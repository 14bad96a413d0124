"""CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 pictures of 32x32 px in 100 classes.

From `DATA_DIR/cifar100/{train,test}/<class>/*.png` where these folders are there, else through torchvision, which
downloads 169 MB once. 10 % of the training pictures, 50 a class, become the validation part (45k / 5k).
"""

from pathlib import Path

import torch
from torchvision import datasets

from nstkit.datasets.arrays import Dataset, LabelledImages, build_dataset, split_off
from nstkit.datasets.folder import HELD_OUT_FRACTION, read_class_folders
from nstkit.errors import UserError

SIDE_PX = 32
EXPECTED = {"train": 50_000, "test": 10_000}


def load_cifar100(data_dir: Path) -> Dataset:
    """Return CIFAR-100 at 32 px, split 45,000 / 5,000 / 10,000.

    Raises:
        UserError: when it is neither there nor can be downloaded, or is not whole.
    """
    root = data_dir / "cifar100"
    if (root / "train").is_dir():
        (train, classes), (test, _) = (read_class_folders(root / split, SIDE_PX) for split in EXPECTED)
    else:
        train, classes = _from_torchvision(root, is_train=True)
        test, _ = _from_torchvision(root, is_train=False)
    for split, part in (("train", train), ("test", test)):
        if len(part) != EXPECTED[split] or len(classes) != 100:
            raise UserError(
                f"{root}: {len(part)} pictures and {len(classes)} classes in '{split}', CIFAR-100 has "
                f"{EXPECTED[split]} and 100. Delete the folder to download it anew, or use --dataset folder."
            )
    train, val = split_off(train, HELD_OUT_FRACTION)
    return build_dataset("cifar100", classes, train, val, test)


def _from_torchvision(root: Path, *, is_train: bool) -> tuple[LabelledImages, tuple[str, ...]]:
    try:
        source = datasets.CIFAR100(root, train=is_train, download=True)
    except (OSError, RuntimeError) as error:  # no network, no space, a wrong checksum
        raise UserError(
            f"CIFAR-100 is not in {root} and could not be downloaded ({error}). Put cifar-100-python.tar.gz or the "
            f"folders train/<class> and test/<class> there, or use --dataset patterns, which needs no download."
        ) from error
    return LabelledImages(torch.from_numpy(source.data), torch.tensor(source.targets)), tuple(source.classes)
