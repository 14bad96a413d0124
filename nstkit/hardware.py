"""Device, threads and seeds: what the hardware is asked, once, before the work starts."""

import contextlib
import os
import platform
import random
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nstkit.config import Device, Precision
from nstkit.cores import cores
from nstkit.errors import UserError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
BUSY = 0.7  # share of its threads' time below which a process does not have the machine to itself
LOOK_S = 0.2


def use_device(name: Device) -> torch.device:
    """Return the device of a command, and let torch compute in no more threads than there are cores for it.

    Where the user has set OMP_NUM_THREADS, that holds.

    Raises:
        UserError: for a device that is not there.
    """
    if "OMP_NUM_THREADS" not in os.environ and cores() < torch.get_num_threads():
        torch.set_num_threads(cores())
    return choose_device(name)


def choose_device(name: Device) -> torch.device:
    """Return the device: `auto` is cuda, then mps, then cpu. Raises `UserError` where it is not there.

    Of several processes that `torchrun` or `srun` started each gets a GPU of its own, but where one is named by number.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, is_there in available.items() if is_there)
    kind, _, number = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" and available["cuda"] else 0
    if not available[kind] or (number and int(number) >= count):
        there = ", ".join(device for device, is_there in available.items() if is_there)
        numbers = f", cuda:0 to cuda:{count - 1}" if count else ""
        raise UserError(f"--device {name}: not available on this machine. Available: {there}{numbers}.")
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        number = str(int(os.environ["LOCAL_RANK"]) % count)  # a task of Slurm's may see its own GPU alone
    if number:
        torch.cuda.set_device(int(number))
        return torch.device("cuda", int(number))
    return torch.device(name)


def device_name(asked: Device, device: torch.device) -> Device:
    """Return how settings name the device that was chosen: by number only where it was asked for so."""
    return asked if ":" in asked else device.type


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager:
    """Return the context in which a network computes at this precision."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=DTYPES[precision])


def memory_format_of(weights: Iterable[Tensor]) -> torch.memory_format:
    """Return the order in which a network's weights lie in memory; its input should lie alike."""
    is_channels_last = any(
        value.ndim == 4 and not value.is_contiguous() and value.is_contiguous(memory_format=torch.channels_last)
        for value in weights
    )
    return torch.channels_last if is_channels_last else torch.contiguous_format


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Return hardware and versions as plain values, for config.json and checkpoints."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type}, {cpu_name()}",
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }


def cpu_name() -> str:
    """Return the processor's model."""
    try:
        with open("/proc/cpuinfo") as info:
            return next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def time_share() -> float:
    """Return the share of its threads' time that the machine gives this process now, about 1 where it is alone.

    Every thread multiplies matrices for a moment; the time that they computed is divided by the time that went by.
    """
    a = torch.ones(512, 512)
    a @ a  # the first call starts the threads
    wall, own = time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < LOOK_S:
        a @ a
    return (time.process_time() - own) / (time.perf_counter() - wall) / torch.get_num_threads()


def busy_warning(share: float) -> str | None:
    """Return a line where the machine has other work than this process, by what `time_share` says; else None."""
    if share >= BUSY:
        return None
    return f"warning: the machine is busy, this process has {share:.0%} of its threads' time: times here are too long"
