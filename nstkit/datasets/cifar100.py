"""CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 pictures of 32x32 px in 100 classes.

From `DATA_DIR/cifar100/{train,test}/<class>/*.png` where these folders are there, else through torchvision, after a
download of 169 MB. 10 % of the training pictures, 50 a class, become the validation part (45k / 5k).
"""

import pickle
import tarfile
import zlib
from pathlib import Path

import torch
from torchvision import datasets
from torchvision.datasets.utils import check_integrity, extract_archive

from nstkit.datasets.arrays import Dataset, LabelledImages, build_dataset, split_off
from nstkit.datasets.download import fetch_archive, one_at_a_time
from nstkit.datasets.folder import HELD_OUT_FRACTION, check_same_classes, list_class_folders, read_listing
from nstkit.errors import UserError, first_line

SIDE_PX = 32
EXPECTED = {"train": 50_000, "test": 10_000}


def load_cifar100(data_dir: Path) -> Dataset:
    """Return CIFAR-100 at 32 px, split 45,000 / 5,000 / 10,000.

    Raises:
        UserError: when it is neither there nor can be downloaded, or is not whole.
    """
    root = data_dir / "cifar100"
    if (root / "train").is_dir():
        listings = [list_class_folders(root / split) for split in EXPECTED]
        check_same_classes(listings[1], listings[0])
        classes = listings[0].classes
        train, test = (read_listing(listing, SIDE_PX) for listing in listings)
    else:
        _provide(root)
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


def _provide(root: Path) -> None:
    """Download and extract what is not there whole."""
    source = datasets.CIFAR100
    if _is_whole(root):
        return
    with one_at_a_time(root):
        if _is_whole(root):  # another process was faster
            return
        archive = root / source.filename
        try:
            fetch_archive(source.url, archive, source.tgz_md5)
        except UserError as error:
            raise UserError(
                f"CIFAR-100 is not in {root}: {error} Or put the folders train/<class> and test/<class> there, or use "
                f"--dataset patterns, which needs no download."
            ) from error
        try:
            extract_archive(archive, root)
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            raise UserError(f"{archive}: cannot be extracted ({error}). Is there enough space?") from error


def _is_whole(root: Path) -> bool:
    source = datasets.CIFAR100
    # torchvision does not look for the meta file before it downloads, and fails for ever where only that is missing.
    files = [*source.train_list, *source.test_list, (source.meta["filename"], source.meta["md5"])]
    return all(check_integrity(root / source.base_folder / name, md5) for name, md5 in files)


def _from_torchvision(root: Path, *, is_train: bool) -> tuple[LabelledImages, tuple[str, ...]]:
    broken = (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, ValueError, TypeError)
    try:
        source = datasets.CIFAR100(root, train=is_train)
        part = LabelledImages(torch.from_numpy(source.data).contiguous(), torch.tensor(source.targets))
    except broken as error:
        raise UserError(
            f"{root / datasets.CIFAR100.base_folder}: not CIFAR-100 as torchvision reads it ({first_line(error)}). "
            f"Delete this folder and the archive beside it to download them anew."
        ) from error
    return part, tuple(source.classes)
