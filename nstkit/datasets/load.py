"""The table of data sets: `load_dataset`. Only the one that is asked for is imported: torchvision takes a second."""

from pathlib import Path

from nstkit.annotations import path_of
from nstkit.datasets.arrays import Dataset, resize_dataset
from nstkit.datasets.names import Background, DatasetName, Protocol, Stream
from nstkit.errors import UserError
from nstkit.own_code import is_code


def load_dataset(
    name: DatasetName,
    data_dir: Path,
    size_px: int | None = None,
    *,
    protocol: Protocol = "30-per-class",
    split_seed: int = 0,
    background: Background = "drop",
    stream: Stream = "auto",
) -> Dataset:
    """Return a data set of square pictures.

    Args:
        name: `cifar100`, `caltech101` and `folder` are read from `data_dir`, `patterns` is drawn; a file of arrays, see
            `nstkit.datasets.from_arrays`; or `package.module:function`, see `nstkit.datasets.own`.
        data_dir: folder that holds `cifar100/` and `caltech101/`; for `folder`, the folder of class folders itself.
        size_px: side of the pictures. None = 32 for cifar100 and patterns, 64 for folder and a function, 128 for
            caltech101, its own for a file of arrays.
        protocol: of caltech101: training pictures a class, or shares of training and test pictures.
        split_seed: of caltech101: which of the random splits, 0 and up; 0 to 4 are the customary five.
        background: of caltech101: whether `BACKGROUND_Google` is left out (101 classes) or is a class (102).
        stream: of caltech101 and folder: whether pictures stay on the disk; auto = where memory is too small for them.

    Raises:
        UserError: when the data set is not there, not whole, cannot be read or cannot be downloaded.
    """
    try:
        if name == "folder":
            from nstkit.datasets import folder

            return folder.load_folder(data_dir, size_px or 64, stream)
        if name == "caltech101":
            from nstkit.datasets import caltech101

            return caltech101.load_caltech101(
                data_dir, size_px or 128, protocol=protocol, split_seed=split_seed, background=background, stream=stream
            )
        if name == "cifar100":
            from nstkit.datasets import cifar100

            return resize_dataset(cifar100.load_cifar100(data_dir), size_px)
        if name.endswith(".npz"):
            from nstkit.datasets import from_arrays

            return from_arrays.load_arrays(path_of(name), size_px)
        if is_code(name):
            from nstkit.datasets import own

            return own.load_own(name, size_px or 64)
        from nstkit.datasets import patterns

        return patterns.load_patterns(size_px or 32)
    except OSError as error:  # a folder that one may not enter, files that vanish, a disk that fails
        raise UserError(f"{error.filename or data_dir}: cannot be read ({error.strerror or error}).") from error
