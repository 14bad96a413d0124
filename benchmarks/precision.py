"""The format that `--precision auto` measures to be the fastest, beside what all of them take at full size.

    uv run python benchmarks/precision.py
    ONEDNN_MAX_CPU_ISA=AVX512_CORE uv run python benchmarks/precision.py    # as on a processor without bfloat16

prints a table and writes benchmarks/results/precision-<instructions>.json. A row is one kind of work of one network: an
evaluation of a painting, or forward and backward of a batch in training. It has the CPU seconds that this takes in each
format (one thread, as several on a busy machine wait for each other; the least of a few), what `auto` chooses where
nothing is remembered, the wall time and the CPU time of that, and how many times as fast the choice is as the rule
before it: bfloat16 wherever the processor lists avx512_bf16, amx_bf16 or bf16, painting in channels_last, training in
the faster memory format.
"""

import copy
import functools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from results_file import write_results
from torch import nn
from torch.nn import functional

from nstkit import formats, hardware
from nstkit.backbones.prepare import load_backbone
from nstkit.config import MemoryFormat
from nstkit.formats import Format, Work, choose_format, list_formats
from train_backbone.config import NetworkSettings
from train_backbone.format import training_work
from train_backbone.model import build_model
from transfer.painting.format import painting
from transfer.painting.settings import PaintSettings

CPU = torch.device("cpu")
FORMATS = list_formats("auto", "auto", CPU)
CLASSES = 100
PROBES = 3


@dataclass(frozen=True)
class Settings:
    """Compare the measured choice of a format with what formats take at full size."""

    paint: tuple[str, ...] = ("carried", "vgg19@random", "squeezenet1_1@random", "resnet50@random")
    """Networks that paint, as after `--backbone`."""
    size: int = 256
    """Side of the painting [px]."""
    train: tuple[NetworkSettings, ...] = (
        NetworkSettings(arch="vgg19"),
        NetworkSettings(arch="vgg19", norm="none"),
        NetworkSettings(arch="vgg19", width=0.25),
        NetworkSettings(arch="vgg19", width=0.25, norm="none"),
        NetworkSettings(arch="resnet50"),
    )
    """Networks that are trained."""
    train_size: int = 32
    """Side of the pictures of a training [px]."""
    batch_size: int = 64
    """Pictures of a training step."""
    rounds: int = 3
    """Steps timed in each format, after one that is not."""


def main() -> None:
    """Time every network, print the table, write the file."""
    settings = tyro.cli(Settings)
    torch.set_num_threads(1)
    print(f"{hardware.cpu_name()}, instructions: {instructions()}")
    print(
        f"{'CPU s':22s}{''.join(f'{form!s:>20s}' for form in FORMATS)}   probe s (CPU)   chosen, over the rule before"
    )
    rows = []
    for name in settings.paint:
        work = painting(load_backbone(name), PaintSettings().resolved().losses)
        steps = {form: functools.partial(work.prepare, form, settings.size) for form in FORMATS}
        rows.append(measure(f"paint {name}", work, steps, settings.rounds, layout_before="channels_last"))
    for network in settings.train:
        model = build_model(network, CLASSES, settings.train_size)
        work = training_work(model, settings.train_size, settings.batch_size)
        steps = {form: functools.partial(training_step, model, form, settings) for form in FORMATS}
        name = f"train {network.arch} {network.norm} {network.width:g}"
        rows.append(measure(name, work, steps, settings.rounds, layout_before=None))
    sizes = {"size_px": settings.size, "train_size_px": settings.train_size, "batch_size": settings.batch_size}
    facts = {"instructions": instructions(), **sizes, "rounds": settings.rounds, "rows": rows}
    write_results(f"precision-{instructions()}", CPU, facts)


def training_step(model: nn.Module, form: Format, settings: Settings) -> Callable[[], object]:
    """Return forward and backward of a whole batch through a whole network."""
    network = copy.deepcopy(model).train().to(memory_format=form.layout)
    images = torch.rand(settings.batch_size, 3, settings.train_size, settings.train_size)
    images = images.contiguous(memory_format=form.layout)
    labels = torch.arange(settings.batch_size) % CLASSES

    def step() -> None:
        network.zero_grad()
        with hardware.autocast(CPU, form.precision):
            logits = network(images)
        functional.cross_entropy(logits.float(), labels).backward()

    return step


def measure(
    name: str,
    work: Work,
    steps: Mapping[Format, Callable[[], Callable[[], object]]],
    rounds: int,
    layout_before: MemoryFormat | None,
) -> dict[str, Any]:
    """Return a row, and print it.

    Args:
        name: of the row.
        work: whose format is chosen.
        steps: make the step at full size ready.
        rounds: steps timed in each format.
        layout_before: memory format of the rule before, None for the faster one.
    """
    times, choices = [], []
    for _ in range(PROBES):
        with tempfile.TemporaryDirectory() as folder:
            formats.CACHE = Path(folder)
            started, cpu_started = time.perf_counter(), time.process_time()
            choices.append(choose_format(FORMATS, work))
            times.append((time.perf_counter() - started, time.process_time() - cpu_started))
    seconds = {form: cpu_seconds(prepare(), rounds) for form, prepare in steps.items()}
    precision_before = "bf16" if cpu_lists_bf16() else "fp32"
    before = min(
        (form for form in FORMATS if form.precision == precision_before and layout_before in (None, form[1])),
        key=seconds.__getitem__,
    )
    ratios = [seconds[before] / seconds[choice.format] for choice in choices]
    probe_s, probe_cpu_s = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"{name:22s}{''.join(f'{value:20.3f}' for value in seconds.values())}   {probe_s:.2f} ({probe_cpu_s:.2f})     "
        f"{choices[0]}; {min(ratios):.2f} x {before}",
        flush=True,
    )
    return {
        "name": name,
        "cpu_s": {str(form): value for form, value in seconds.items()},
        "fastest": str(min(seconds, key=seconds.__getitem__)),
        "chosen": [str(choice) for choice in choices],
        "probe_s": [wall for wall, _ in times],
        "probe_cpu_s": [cpu for _, cpu in times],
        "before": str(before),
        "speed_over_before": ratios,
    }


def cpu_seconds(step: Callable[[], object], rounds: int) -> float:
    """Return the least CPU time of a call [s], after one that is not counted."""
    seconds = []
    for _ in range(rounds + 1):
        started = time.process_time()
        step()
        seconds.append(time.process_time() - started)
    return min(seconds[1:])


def cpu_lists_bf16() -> bool:
    """Return whether the processor lists instructions for bfloat16, whatever is allowed to use them."""
    try:
        words = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(words))


def instructions() -> str:
    """Return the instructions that oneDNN may use, `own` where the environment does not limit them."""
    return os.environ.get("ONEDNN_MAX_CPU_ISA", "own").lower()


if __name__ == "__main__":
    main()
