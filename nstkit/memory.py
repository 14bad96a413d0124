"""How much memory is free, to decide whether pictures are read into it."""

import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
# Of a container: folder, limit, usage, and the part of the usage that is cache and can be had back; version 2, then 1.
CGROUP_FILES = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory_bytes() -> int:
    """Return the memory that can still be filled: what the machine has left, or the container where that is less.

    On Linux `MemAvailable`, which counts the cache of files as free, and the container's limit less what it uses.
    Elsewhere half of the physical memory, or 4 GiB where even that is not told.
    """
    known = [value for value in (_machine(), *(_container(*files) for files in CGROUP_FILES)) if value is not None]
    return max(0, min(known)) if known else _half_of_all()


def _machine() -> int | None:
    try:
        fields = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _container(folder: str, limit: str, usage: str, cache: str) -> int | None:
    group = CGROUPS / folder
    try:
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / usage).read_text()) - int(stat.get(cache, 0))
        return int((group / limit).read_text()) - used
    except (OSError, ValueError):  # no container, or "max" = no limit
        return None


def _half_of_all() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return 4 * 2**30
