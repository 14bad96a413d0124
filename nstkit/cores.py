"""How many cores there are to compute and to read with."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from nstkit.cgroups import control_groups

SPINS = "10000"


def cores() -> int:
    """Return how many cores this process may use, at least 1: those that the system lets it run on, or the container.

    A container's quota (`docker --cpus`, Kubernetes' limits) takes time away and not cores: more threads than that
    would wait for each other. Of the processes that torchrun started on the machine, each has its share.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = min([count, *(math.ceil(quota) for quota in _quotas())])
    return max(1, allowed // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def let_threads_sleep() -> None:
    """Have torch's threads wait for each other awake for a moment only (10,000 turns), and then give their core away.

    To be called before torch is imported: its OpenMP reads this once. Left alone, threads wait awake for milliseconds,
    which on cores with other work is time in which those that they wait for cannot run. Measured at 512 px with the
    carried network and two threads: beside as much other work 20.6 s in place of 94.4 s for 20 evaluations; with the
    machine for itself 4.1 s in place of 4.0 s (means of two). What the user has set holds.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def _quotas() -> Iterator[float]:
    """Yield the quota of each control group that has one [cores]."""
    for group in control_groups(""):
        yield from _ratio(group / "cpu.max")
    for group in control_groups("cpu"):
        yield from _ratio(group / "cpu.cfs_quota_us", group / "cpu.cfs_period_us")


def _ratio(*files: Path) -> Iterator[float]:
    """Yield the microseconds of each period that may be used over those of the period; nothing for no limit."""
    try:
        quota, period = (int(word) for path in files for word in path.read_text().split())
    except (OSError, ValueError):  # no such group, or "max"
        return
    if quota > 0 and period > 0:  # version 1 writes -1 for no limit
        yield quota / period
