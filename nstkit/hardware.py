"""Device, precision, memory format and seeds: what the hardware is asked, once, before the work starts."""

import contextlib
import os
import platform
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nstkit.config import Device, Precision, RunSettings
from nstkit.errors import UserError

PROBE_ROUNDS = 3
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Machine:
    """Where the networks compute, and in which number format.

    Attributes:
        device: as `choose_device` found it.
        precision: fp32, bf16 or fp16.
    """

    device: torch.device
    precision: Precision

    @property
    def settings(self) -> dict[str, str]:
        """What the settings `device` and `precision` resolve to."""
        return {"device": self.device.type, "precision": self.precision}


def choose_machine(run: RunSettings) -> Machine:
    """Return where and how a command computes. Raises `UserError` for a device that is not there."""
    device = choose_device(run.device)
    return Machine(device, choose_precision(run.precision, device))


def choose_device(name: Device) -> torch.device:
    """Return the device: `auto` is cuda, then mps, then cpu. Raises `UserError` where it is not there.

    Of several processes that `torchrun` started each gets a GPU of its own.
    """
    available: dict[Device, bool] = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, is_there in available.items() if is_there)
    if not available[name]:
        there = ", ".join(device for device, is_there in available.items() if is_there)
        raise UserError(f"--device {name}: not available on this machine. Available: {there}.")
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device(name)


def choose_precision(name: Precision, device: torch.device) -> Precision:
    """Return fp32, bf16 or fp16: `auto` is bf16 where the device computes in it, else fp32.

    A CPU without bf16 instructions emulates them, slower than float32, so it is asked for the instructions.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device.type == "cpu" and _cpu_has_bf16() else "fp32"


def _cpu_has_bf16() -> bool:
    try:
        with open("/proc/cpuinfo") as info:
            flags = next((line for line in info if line.startswith(("flags", "Features"))), "").split()
    except OSError:
        return False
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags))


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager:
    """Return the context in which a network computes at this precision."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=DTYPES[precision])


def choose_memory_format(step: Callable[[torch.memory_format], Any], device: torch.device) -> torch.memory_format:
    """Return the faster memory format of `step`, measured on a CPU; channels_last on CUDA, contiguous elsewhere.

    Which is faster on a CPU depends on batch norm, precision and library by up to a factor of five either way.

    Args:
        step: runs one representative step in the given format, without lasting effect.
        device: where `step` computes.
    """
    if device.type != "cpu":
        return torch.channels_last if device.type == "cuda" else torch.contiguous_format
    formats = (torch.contiguous_format, torch.channels_last)
    for memory_format in formats:
        step(memory_format)  # the first call allocates and chooses kernels
    seconds = dict.fromkeys(formats, float("inf"))
    for _ in range(PROBE_ROUNDS):  # in turns, and the best of each: other programs may be running
        for memory_format in formats:
            start = time.perf_counter()
            step(memory_format)
            seconds[memory_format] = min(seconds[memory_format], time.perf_counter() - start)
    return min(seconds, key=seconds.__getitem__)


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
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type}, {_cpu_name()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as info:
            return next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
