"""Number format and memory format of a network: on a CPU measured with its own layers, once, then remembered.

A processor's flags do not tell. Two of those that list avx512_bf16 run VGG19 in bfloat16 at 1.9 x and at 0.6 x the
speed of float32; and which memory format is faster depends on batch norm, precision and library, by up to a factor of
five either way.

What is compared is the CPU time of one thread, so that other programs do not change the outcome: on a busy machine
several threads wait for each other, and the time in which they do so counts as theirs.
"""

import contextlib
import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs
import torch
from torch import nn
from torch.nn import functional

from nstkit.config import MemoryFormat, Precision
from nstkit.files import write_atomically
from nstkit.hardware import DTYPES, cpu_name

CACHE = platformdirs.user_cache_path("nstkit") / "formats"
MARGIN = 1.15  # by which bfloat16 has to be faster to be taken: float32 has more digits
CLEAR = 1.5  # over the fastest, from which on a format is out
HOPELESS = 4.0  # of one convolution: where bfloat16 is emulated, a step of a large network may take seconds
ROUNDS = 3  # after the first
BUDGET_S = 0.25  # CPU time after which no further format is begun
STEP_S = 0.04  # CPU time of a step that is long enough to tell of real ones
SETTINGS_OF_KERNELS = ("ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "ATEN_CPU_CAPABILITY")
LAYOUTS: dict[MemoryFormat, torch.memory_format] = {
    "channels_last": torch.channels_last,  # the first is more often the faster one
    "contiguous": torch.contiguous_format,
}


class Format(NamedTuple):
    """How the numbers of a network are written, and how they lie in memory."""

    precision: Precision
    memory_format: MemoryFormat

    def __str__(self) -> str:
        """As it is shown, such as `bf16 channels_last`."""
        return " ".join(self)

    @property
    def layout(self) -> torch.memory_format:
        """The memory format as torch calls it."""
        return LAYOUTS[self.memory_format]


@dataclass(frozen=True)
class Choice:
    """A format, and why it was chosen.

    Attributes:
        format: that was chosen.
        speed: how fast it is beside others, "" where nothing was measured.

    Example:
        >>> str(Choice(Format("bf16", "channels_last"), "1.9 x fp32"))
        'bf16 channels_last: 1.9 x fp32'
    """

    format: Format
    speed: str = ""

    def __str__(self) -> str:
        """As it is shown."""
        return f"{self.format}: {self.speed}" if self.speed else str(self.format)

    @property
    def settings(self) -> dict[str, str]:
        """What the settings `precision` and `memory_format` resolve to."""
        return self.format._asdict()


@dataclass(frozen=True)
class Work:
    """What a network is to do, on a small scale.

    Attributes:
        name: the kind of work.
        network: that does it.
        sizes: of a step, growing, in whatever `prepare` takes.
        prepare: makes a step of a size ready in a format, and returns it. Only the step is timed.
    """

    name: str
    network: nn.Module
    sizes: Sequence[Any]
    prepare: Callable[[Format, Any], Callable[[], object]]


def list_formats(precision: Precision, memory_format: MemoryFormat, device: torch.device) -> list[Format]:
    """Return the formats among which the settings leave the choice, float32 first.

    Without a CPU it is one: on CUDA bfloat16 where the hardware computes in it, channels_last; elsewhere float32,
    contiguous.
    """
    is_cuda = device.type == "cuda"
    precisions: list[Precision] = [precision]
    layouts: list[MemoryFormat] = [memory_format]
    if precision == "auto":
        is_native = is_cuda and torch.cuda.is_bf16_supported(including_emulation=False)
        precisions = ["fp32", "bf16"] if device.type == "cpu" else ["bf16" if is_native else "fp32"]
    if memory_format == "auto":
        layouts = list(LAYOUTS) if device.type == "cpu" else ["channels_last" if is_cuda else "contiguous"]
    return [Format(name, layout) for layout in layouts for name in precisions]  # a change of layout takes time


def choose_format(formats: Sequence[Format], work: Work) -> Choice:
    """Return the fastest of the formats for this work, float32 where bfloat16 is not clearly faster.

    It is measured on the CPU if there is more than one, unless that was done before on this machine. Nothing is left
    behind but a file in the user's cache folder; where there can be none, each process measures anew.

    Args:
        formats: of `list_formats`.
        work: what is timed.
    """
    if len(formats) == 1:
        return Choice(formats[0])
    key = _key(formats, work)
    path = CACHE / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.json"
    seconds = _recall(path, formats)
    if seconds is None:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad(), _one_thread():
            seconds = measure(formats, work)
        seconds = _recall(path, formats) or seconds  # of two processes that measured at one time, the first one's
        _remember(path, key, seconds)
    return decide(formats, seconds)


def decide(formats: Sequence[Format], seconds: Mapping[Format, float]) -> Choice:
    """Return the choice that follows from the seconds of a step; formats without any are slow, or cannot be had.

    Example:
        >>> fp32, bf16 = Format("fp32", "contiguous"), Format("bf16", "contiguous")
        >>> str(decide([fp32, bf16], {fp32: 1.0, bf16: 0.9})), str(decide([fp32, bf16], {fp32: 1.0, bf16: 0.5}))
        ('fp32 contiguous: bf16 is 1.1 x', 'bf16 contiguous: 2.0 x fp32')
    """
    if not seconds:
        return Choice(formats[0])
    best: dict[str, Format] = {}
    for candidate in sorted(seconds, key=seconds.__getitem__):
        best.setdefault(candidate.precision, candidate)
    first = best.get("fp32") or min(seconds, key=seconds.__getitem__)
    if len({candidate.precision for candidate in formats}) == 1:
        others = [value for candidate, value in seconds.items() if candidate != first]
        other = "contiguous" if first.memory_format == "channels_last" else "channels_last"
        return Choice(first, f"{others[0] / seconds[first]:.1f} x {other}" if others else "")
    if "bf16" not in best:
        return Choice(first, "bf16 is far slower")
    ratio = seconds[first] / seconds[best["bf16"]]
    return Choice(best["bf16"], f"{ratio:.1f} x fp32") if ratio >= MARGIN else Choice(first, f"bf16 is {ratio:.1f} x")


def measure(formats: Sequence[Format], work: Work) -> dict[Format, float]:
    """Return the CPU seconds of a step in each format, the least of a few, in turns.

    It takes less than half a second, so the steps are small ones: of a large network a single picture of 64 px, or two
    pictures in training. One whose smallest step takes longer than a fifth of a second is timed in two formats, once.
    Formats that are out of the question are left out, as are further memory formats where the time is up. There are
    none at all where the network takes no picture of any size: whoever uses it will say why.
    """
    precisions = {one.precision for one in formats}
    hopeless = {precision for precision in precisions - {"fp32"} if _is_hopeless(precision)}
    racing = [one for one in formats if one.precision not in hopeless] or list(formats)
    started = time.thread_time()
    size, seconds = None, dict[Format, float]()
    for larger in work.sizes:  # the larger, the more it tells of real ones
        value = _seconds_of_step(racing[0], work, larger)
        if value < math.inf:
            size, seconds[racing[0]] = larger, value
        if STEP_S < value < math.inf:
            break
    if size is None:
        return {}
    for candidate in racing[1:]:
        if len(seconds) >= 2 and time.thread_time() - started > BUDGET_S:
            break
        seconds[candidate] = _seconds_of_step(candidate, work, size)
    for _ in range(ROUNDS):
        racing = [one for one in seconds if seconds[one] < CLEAR * min(seconds.values())]
        for candidate in racing if len(racing) > 1 else ():
            if time.thread_time() - started > BUDGET_S:
                break
            seconds[candidate] = min(seconds[candidate], _seconds_of_step(candidate, work, size))
    return {candidate: value for candidate, value in seconds.items() if value < math.inf}


def _seconds_of_step(candidate: Format, work: Work, size: Any) -> float:
    """Return the CPU time of a step of this thread [s], infinite where the network refuses the format or the size.

    The lesser of two, as the first one makes the kernels; of a long step that is a small part, and one will do.
    """
    seconds = math.inf
    try:
        for _ in range(2):
            step = work.prepare(candidate, size)
            started = time.thread_time()
            step()
            seconds = min(seconds, time.thread_time() - started)
            if seconds > 2 * STEP_S:
                break
    except Exception:  # mostly since the picture is too small; if it is not, whoever uses the network will say why
        return math.inf
    return seconds


def _is_hopeless(precision: Precision) -> bool:
    """Return whether one small convolution takes far longer at this precision than in float32."""
    times = {torch.float32: math.inf, DTYPES[precision]: math.inf}
    for _ in range(3):
        for dtype in times:
            image = torch.ones(1, 64, 16, 16, dtype=dtype, requires_grad=True)
            weights = torch.ones(64, 64, 3, 3, dtype=dtype)
            started = time.thread_time()
            functional.conv2d(image, weights, padding=1).sum().backward()
            times[dtype] = min(times[dtype], time.thread_time() - started)
    return times[DTYPES[precision]] > HOPELESS * times[torch.float32]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)


def _key(formats: Sequence[Format], work: Work) -> dict[str, Any]:
    """Return all that the outcome may depend on: the machine, torch, and the layers of the network."""
    return {
        "processor": cpu_name(),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        **{name: os.environ.get(name, "") for name in SETTINGS_OF_KERNELS},
        "work": work.name,
        "layers": hashlib.sha256(repr(work.network).encode()).hexdigest(),
        "formats": [str(candidate) for candidate in formats],
    }


def _recall(path: Path, formats: Sequence[Format]) -> dict[Format, float] | None:
    """Return the seconds that were measured before, None where there are none that can be read."""
    try:
        saved = json.loads(path.read_text())["seconds"]
        seconds = {candidate: float(saved[str(candidate)]) for candidate in formats if str(candidate) in saved}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return seconds if seconds and all(0 < value < math.inf for value in seconds.values()) else None


def _remember(path: Path, key: Mapping[str, Any], seconds: Mapping[Format, float]) -> None:
    """Write what was measured, with what it belongs to; a folder that cannot be written is no error.

    Nor is there one for a user without a home, whose folder would be a relative path.
    """
    if not seconds or not path.is_absolute():
        return
    content = {**key, "seconds": {str(candidate): value for candidate, value in seconds.items()}}
    with contextlib.suppress(OSError):
        write_atomically(path, lambda file: file.write(json.dumps(content, indent=1).encode()))
