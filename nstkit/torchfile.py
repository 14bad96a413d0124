"""Files of torch's, read so that nothing they name runs and nothing takes more memory than the file has bytes."""

import contextlib
import os
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nstkit.errors import UserError, is_out_of_memory

FORCES = {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "0"}

# Plain data that well-known scripts save beside weights. None of it is imported: a stand-in takes its place.
OBJECTS = (
    *("argparse.Namespace", "types.SimpleNamespace", "uuid.UUID", "decimal.Decimal", "fractions.Fraction"),
    *(f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")),
    *(f"{home}.{kind}" for home in ("pathlib", "pathlib._local") for kind in ("Path", "PosixPath", "WindowsPath")),
    *(f"{home}.Pure{kind}Path" for home in ("pathlib", "pathlib._local") for kind in ("", "Posix", "Windows")),
    *("numpy.dtype", "numpy.ndarray", *(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core"))),
    *(f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")),
    *(f"builtins.{name}" for name in ("bool", "bytes", "dict", "float", "frozenset", "int", "list", "str", "tuple")),
    *("builtins.slice", "builtins.range", "typing.Any", "torch.torch_version.TorchVersion"),
    *(f"omegaconf.{name}" for name in ("dictconfig.DictConfig", "listconfig.ListConfig", "nodes.AnyNode")),
    *("omegaconf.base.ContainerMetadata", "omegaconf.base.Metadata", "ml_collections.config_dict.ConfigDict"),
    "mmengine.logging.history_buffer.HistoryBuffer",
)
MAPPINGS = (
    *("collections.defaultdict", "easydict.EasyDict", "addict.addict.Dict", "munch.Munch", "yacs.config.CfgNode"),
    *("fvcore.common.config.CfgNode", "mmcv.utils.config.ConfigDict", "mmengine.config.config.ConfigDict"),
    *(f"{name}.utilities.parsing.AttributeDict" for name in ("pytorch_lightning", "lightning.pytorch")),
    *(f"{name}.utilities.data.AttributeDict" for name in ("lightning_fabric", "lightning.fabric")),
)


class Aside:
    """Stands for an object beside the weights, whatever it was made of. It holds nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "Aside":
        """Take any arguments."""
        return object.__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Take any state."""


class AnyMapping:
    """Makes an `OrderedDict` in place of a dict of another class, as torch's reader fills no others."""

    def __new__(cls, *_: Any) -> OrderedDict[Any, Any]:  # type: ignore[misc]
        """Take any arguments, such as the factory of a `defaultdict`."""
        return OrderedDict()


STAND_INS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *((Aside, name) for name in OBJECTS),
    *((AnyMapping, name) for name in MAPPINGS),
]


class TooLarge(Exception):
    """A file asks for more memory than it has bytes."""


def read_torch_file(path: Path) -> Any:
    """Return what a torch file holds, tensors on the CPU, with `Aside` in place of plain objects beside them.

    Nothing that the file names is run, and it is read only once its sizes are known to be those of its bytes.

    Raises:
        UserError: for a missing or corrupt file, one that holds other than tensors and plain values, or one whose
            tensors are said to be larger than what is there.
    """
    check_is_file(path)
    try:
        _check_sizes(path)
        return _load(path, "cpu")
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        held = f"{named[1]} beside tensors and plain values" if named else "more than tensors and plain values"
        raise UserError(
            f"{path}: refused, it holds {held} or is no torch file; loading it could run code. Save its state_dict() "
            f"with torch.save, or convert it to .safetensors."
        ) from error
    except TooLarge as error:
        raise UserError(f"{path}: refused, {error}. Save its state_dict() with torch.save.") from error
    except Exception as error:  # a corrupt file makes torch raise a dozen kinds
        if is_out_of_memory(error):
            raise
        reason = str(error).partition(". ")[0].partition("\n")[0]
        if " " not in reason:  # the byte at which it gave up
            reason = "torch wrote no such file"
        raise UserError(f"{path}: not a whole checkpoint ({reason}). Copy or train it again.") from error


def check_is_file(path: Path) -> None:
    """Raise `UserError` for what is no plain file: a pipe or a device could be read for ever."""
    try:
        if path.is_file():
            return
        reason = "it is no file" if path.exists() else "no such checkpoint"
    except OSError as error:
        reason = error.strerror or "it cannot be looked at"
    raise UserError(f"{path.absolute()}: {reason}. Give a file of weights.")


@contextlib.contextmanager
def weights_only() -> Iterator[None]:
    """Make every `torch.load` inside refuse code, whatever the library that calls it asks for."""
    before = {name: os.environ.get(name) for name in FORCES}
    os.environ.update(FORCES)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def is_dense(value: Any) -> bool:
    """Return whether a value is a tensor of real numbers that lie in memory one by one."""
    return (
        isinstance(value, Tensor)
        and value.layout == torch.strided
        and not value.is_quantized
        and not value.is_complex()
        and not value.is_nested
    )


def _load(path: Path, device: str) -> Any:
    with warnings.catch_warnings(), torch.serialization.safe_globals(STAND_INS):
        warnings.simplefilter("ignore")  # torch warns of what is refused here
        return torch.load(path, map_location=device, weights_only=True)


def _check_sizes(path: Path) -> None:
    """Raise `TooLarge` where the parts of a file or the tensors in it are said to be larger than the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
    if is_archive:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > size:
            raise TooLarge(f"its parts are said to hold {unpacked:,} bytes, and the file has {size:,}")
    storages: dict[int, int] = {}
    for tensor in _tensors_in(_load(path, "meta")):  # on this device a tensor has sizes and no memory
        stored, used = tensor.untyped_storage().nbytes(), tensor.numel() * tensor.element_size()
        storages[tensor.untyped_storage()._cdata] = stored
        if used > stored:
            raise TooLarge(f"a tensor of {tuple(tensor.shape)} repeats {stored:,} bytes, as expand() makes one")
    if (declared := sum(storages.values())) > size:
        raise TooLarge(f"its tensors are said to hold {declared:,} bytes, and the file has {size:,}")


def _tensors_in(content: Any) -> Iterator[Tensor]:
    """Yield each tensor in containers of containers, once."""
    waiting, seen = [content], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple, set)):
            waiting += value
