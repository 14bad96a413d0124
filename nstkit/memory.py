"""How much memory is free, and what is done where work needs more."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nstkit.cgroups import PROC, control_groups
from nstkit.errors import UserError

if TYPE_CHECKING:
    import torch

with contextlib.suppress(ImportError):  # not on Windows
    import resource

# Of a control group: the controller, limit, usage, and the part of the usage that is cache and can be had back;
# version 2, then 1.
CGROUP_FILES = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
TENSORS_SHARE, BASE_BYTES = 1.2, 40 * 2**20
"""What a process grows by while its tensors grow by 1: kernels' work space, and memory that is given back late
(benchmarks/memory.py)."""
FAR_TOO_MUCH = 2.0  # least over free memory, from which on nobody asks what would just fit
SURELY_TOO_MUCH, MAYBE_TOO_MUCH = 1.3, 0.9  # estimate over free memory, from which on work is refused, or warned of


def free_memory_bytes(device: "torch.device | None" = None, limit_gib: float | None = None) -> int:
    """Return the memory that can still be filled: what the machine has left, or a limit where that leaves less.

    On Linux `MemAvailable`, which counts the cache of files as free; the limits of the control groups that the process
    is in, as containers and schedulers set them, less what these use; and the process's own limit (`ulimit -v`).
    Elsewhere half of the physical memory, or 4 GiB where even that is not told.

    Args:
        device: None = the machine's own memory. Of a GPU it is what its driver and torch have left.
        limit_gib: what the process may fill, with what it has already; None = no such limit.
    """
    free = _unlimited(device)
    return free if limit_gib is None else max(0, min(free, round(limit_gib * 2**30) - _taken(device)))


def _taken(device: "torch.device | None") -> int:
    """Return what the process has of a device's memory; of the machine's own, where that is not told, nothing."""
    if device is not None and device.type == "cuda":
        import torch

        return torch.cuda.memory_allocated(device)
    try:
        return int((PROC / "self/statm").read_text().split()[1]) * resource.getpagesize()
    except (NameError, OSError, ValueError):
        return 0


def _unlimited(device: "torch.device | None") -> int:
    if device is not None and device.type == "cuda":
        import torch  # only here: a mistake in the flags should not wait for it

        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    known = [value for value in (_machine(), _address_space(), *_control_groups()) if value is not None]
    return max(0, min(known)) if known else _half_of_all()


class DoesNotFit(UserError):
    """Work was refused because it needs more memory than there is."""


@dataclass(frozen=True)
class Demand:
    """What work needs of a device's memory, before it is begun.

    Attributes:
        what: the work, as the beginning of a sentence.
        needed_bytes: beside what the process has already.
        free_bytes: what there is.
        advice: what takes less, as a sentence.
        is_least: whether the work is known to need more than that.

    Example:
        >>> Demand("Painting at 9000 px", 40 * 2**30, 3 * 2**30, "Lower --size.").line
        'Painting at 9000 px takes about 40 GiB of memory, and 3 GiB are free. Lower --size.'
    """

    what: str
    needed_bytes: int
    free_bytes: int
    advice: str
    is_least: bool = False

    @property
    def fits(self) -> bool:
        """Whether the work may be begun: the estimate is not above the free memory by more than it may be wrong.

        What needs at least a little more than there is, is left to a closer look, which can say what would fit.
        """
        return self.needed_bytes <= (FAR_TOO_MUCH if self.is_least else SURELY_TOO_MUCH) * self.free_bytes

    @property
    def line(self) -> str:
        """What is needed, what there is and what to do."""
        needed, free = as_words(self.needed_bytes), as_words(self.free_bytes)
        how_much = "at least" if self.is_least else "about"
        return f"{self.what} takes {how_much} {needed} of memory, and {free} are free. {self.advice}"

    def check(self, *, warn: bool = True) -> None:
        """Raise `DoesNotFit` where the work does not fit, and with `warn` warn where it may not."""
        if not self.fits:
            raise DoesNotFit(self.line)
        if warn and not self.is_least and self.needed_bytes > MAYBE_TOO_MUCH * self.free_bytes:
            warnings.warn(f"{self.line} It may just fit.", stacklevel=2)


def may_have_gpu() -> bool:
    """Return whether a GPU with memory of its own may be there: torch, which knows, takes a second to import."""
    drivers = ("nvidiactl", "kfd", "dxg")  # of NVIDIA, AMD, and Windows' subsystem for Linux
    return not sys.platform.startswith("linux") or any(os.path.exists(f"/dev/{name}") for name in drivers)


def process_bytes(tensor_bytes: int) -> int:
    """Return by how much a process grows that needs so many bytes for tensors at one time."""
    return round(TENSORS_SHARE * tensor_bytes) + BASE_BYTES


def as_words(count: int) -> str:
    """Return a number of bytes with its unit.

    Example:
        >>> as_words(3 * 2**29), as_words(12 * 2**20), as_words(7 * 2**41)
        ('1.5 GiB', '12 MiB', '14 TiB')
    """
    for unit, size in (("TiB", 2**40), ("GiB", 2**30)):
        if count >= size:
            value = count / size
            return f"{value:,.0f} {unit}" if value >= 10 or value == round(value) else f"{value:.1f} {unit}"
    return f"{count / 2**20:.0f} MiB"


def _machine() -> int | None:
    try:
        fields = dict(line.split(":", 1) for line in (PROC / "meminfo").read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _address_space() -> int | None:
    """Return what the process's limit on its address space leaves (`ulimit -v`, `prlimit --as`)."""
    try:
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        pages = int((PROC / "self/statm").read_text().split()[0])
        return None if limit == resource.RLIM_INFINITY else limit - pages * resource.getpagesize()
    except (NameError, OSError, ValueError):
        return None


def _control_groups() -> Iterator[int | None]:
    """Yield what each control group that the process is in leaves."""
    for controller, *files in CGROUP_FILES:
        for group in control_groups(controller):
            yield _group(group, *files)


def _group(group: Path, limit: str, usage: str, cache: str) -> int | None:
    try:
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / usage).read_text()) - int(stat.get(cache, 0))
        return int((group / limit).read_text()) - used
    except (OSError, ValueError):  # a group outside of the container's view, or "max" = no limit
        return None


def _half_of_all() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return 4 * 2**30
