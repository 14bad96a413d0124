"""Pictures a second of this trainer, beside a plain PyTorch loop and beside what the hardware can compute, in one run.

    uv run python benchmarks/training.py
    uv run python benchmarks/training.py --batch-size 256 512 1024 --compile False True --norm batch none     # a GPU

prints a table and writes benchmarks/results/training-<device>.json. Every row is a process of its own, for its memory.

Measured on 2 cores of an AMD EPYC (avx512_bf16), torch 2.15.0, VGG19 at 32 px, batch 128, 12 steps each, one run:
with batch norm 212 pictures/s against 143 of the plain float32 loop (1.5 x) and 217 of the one with autocast (1.0 x);
without 251 against 144 and 260. Ours computes at 58 to 67 % of the rate of a matrix product in bfloat16; data and
augmentation take 0.3 % of a step. So on a CPU the network is the limit, and no loop can be 3 x as fast as another.

ours   the trainer's own steps: pictures in memory as bytes, augmentation as tensor operations, automatic precision
       and memory format, average of the weights
peer   the same network, optimizer and augmentation written as in torchvision's references/classification: a DataLoader
       with PIL transforms, float32 or (amp) autocast as there, PyTorch's memory format
roof   the FLOPs of forward and backward at the rate of a large matrix product in the row's precision
data   the share of a step of ours that reading and augmentation take
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
import tyro
from PIL import Image
from results_file import write_results
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms

from nstkit import hardware
from nstkit.backbones.initialise import kaiming_init
from nstkit.backbones.spec import Norm
from nstkit.backbones.vgg import VGG
from nstkit.config import Precision
from nstkit.datasets.arrays import Dataset, LabelledImages, build_dataset
from nstkit.formats import choose_format, list_formats
from nstkit.ranks import Ranks
from train_backbone.config import TrainConfig
from train_backbone.feed import Feed
from train_backbone.format import training_work
from train_backbone.loop import train_step
from train_backbone.training import prepare_training
from train_backbone.trial import begin_memory, count_flops, peak_memory_mib

SIDE_PX, CLASSES, PICTURES = 32, 100, 20_000
MEAN, STD = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)


@dataclass(frozen=True)
class Settings:
    """Time training steps of VGG19 at 32 px."""

    norm: tuple[Norm, ...] = ("batch", "none")
    """With batch norm, without."""
    batch_size: tuple[int, ...] = (128,)
    """Pictures a step."""
    compile: tuple[bool, ...] = (False,)
    """Whether ours is compiled."""
    steps: int = 12
    """Timed steps, after three that are not."""
    peer: tuple[Literal["fp32", "amp"], ...] = ("fp32", "amp")
    """Which plain loops to run beside it; none given = none."""
    workers: int = min(8, os.cpu_count() or 1)
    """Of the plain loop's DataLoader."""


@dataclass(frozen=True)
class Job:
    """One row of the table."""

    kind: str
    norm: Norm
    batch_size: int
    is_compiled: bool
    steps: int
    workers: int


def main() -> None:
    """Time every combination, print the table, write the file."""
    settings = tyro.cli(Settings)
    jobs = []
    for norm in settings.norm:
        for batch_size in settings.batch_size:
            ours = Job("ours", norm, batch_size, False, settings.steps, settings.workers)
            jobs += [replace(ours, is_compiled=is_compiled) for is_compiled in settings.compile]
            jobs += [replace(ours, kind=f"peer {kind}") for kind in settings.peer]
    print(f"{'':12s}{'norm':>6s}{'batch':>6s}{'compiled':>9s}{'pictures/s':>11s}{'spread':>8s}{'of roof':>8s}"
          f"{'data':>7s}{'MiB':>8s}{'ours/it':>8s}")  # fmt: skip
    rows: list[dict[str, Any]] = []
    for job in jobs:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            row = {**vars(job), **pool.submit(measure, job).result()}
        rows.append(row)
        ours = next(r["pictures_per_s"] for r in rows if (r["norm"], r["batch_size"]) == (job.norm, job.batch_size))
        row["ours_over_this"] = ours / row["pictures_per_s"]
        data = "" if row["data_share"] is None else f"{row['data_share']:.1%}"
        print(f"{job.kind:12s}{job.norm:>6s}{job.batch_size:6d}{job.is_compiled!s:>9s}{row['pictures_per_s']:11,.0f}"
              f"{row['spread']:8.1%}{row['share_of_roof']:8.1%}{data:>7s}{row['memory_mib']:8,.0f}"
              f"{row['ours_over_this']:8.2f}", flush=True)  # fmt: skip
    device = hardware.choose_device("auto")
    write_results(f"training-{device.type}", device, {"network": "vgg19", "side_px": SIDE_PX, "rows": rows})


def measure(job: Job) -> dict[str, Any]:
    """Return the figures of one row, measured in this process."""
    device = hardware.choose_device("auto")
    torch.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (PICTURES, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    labels = torch.arange(PICTURES) % CLASSES
    model = VGG("vgg19", norm=job.norm, classes=CLASSES)
    kaiming_init(model)
    flops = count_flops(VGG("vgg19", norm=job.norm, classes=CLASSES), torch.rand(2, 3, SIDE_PX, SIDE_PX)) / 2
    model.to(device)
    begin_memory(device)
    choice = choose_format(list_formats("auto", "auto", device), training_work(model, SIDE_PX, job.batch_size))
    precision = "fp32" if job.kind == "peer fp32" else choice.format.precision
    if job.kind == "ours":
        model.to(memory_format=choice.format.layout)
    run_steps = run_ours if job.kind == "ours" else run_peer
    steps = run_steps(job, model, images, labels, device, precision)
    data_s, step_s = zip(*(times for number, times in enumerate(steps) if number >= 3), strict=True)
    median_s = statistics.median(step_s)
    quartiles = statistics.quantiles(step_s, n=4)
    rate = job.batch_size / median_s
    return {
        "precision": precision,
        "pictures_per_s": rate,
        "spread": (quartiles[2] - quartiles[0]) / median_s,
        "flops_per_picture": flops,
        "share_of_roof": rate * flops / matrix_rate(device, precision),
        "data_share": statistics.median(data_s) / median_s if job.kind == "ours" else None,
        "memory_mib": peak_memory_mib(device),
    }


def run_ours(
    job: Job, model: nn.Module, images: np.ndarray, labels: torch.Tensor, device: torch.device, precision: Precision
) -> Iterator[tuple[float, float]]:
    """Yield seconds for data and for all of each step of this trainer."""
    part = LabelledImages(torch.from_numpy(images), labels)
    few = part.take(torch.arange(CLASSES))
    data: Dataset = build_dataset("random", tuple(map(str, range(CLASSES))), part, few, few).to(device)
    steps_an_epoch = PICTURES // job.batch_size
    config = TrainConfig.of(norm=job.norm, batch_size=job.batch_size, compile=job.is_compiled).resolved(steps_an_epoch)
    training = prepare_training(model, config, steps_an_epoch, CLASSES, precision)
    memory_format = hardware.memory_format_of(model.parameters())
    model.train()
    batches = Feed(data, config, Ranks()).read(0, 0, 0)
    next(batches)  # the plan of the epoch
    for _ in range(job.steps + 3):
        begin = now(device)
        batch = next(batches)
        read = now(device)
        train_step(training, batch, config, precision, memory_format)
        yield read - begin, now(device) - begin


class Pictures(torch.utils.data.Dataset):
    """Pictures as torchvision's CIFAR gives them: one array, a PIL picture and its transforms at each access."""

    def __init__(self, images: np.ndarray, labels: torch.Tensor) -> None:
        self.images, self.labels = images, labels.tolist()
        flip_and_crop = [transforms.RandomCrop(SIDE_PX, padding=4), transforms.RandomHorizontalFlip()]
        self.transform = transforms.Compose([*flip_and_crop, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def run_peer(
    job: Job, model: nn.Module, images: np.ndarray, labels: torch.Tensor, device: torch.device, precision: Precision
) -> Iterator[tuple[float, float]]:
    """Yield seconds for data and for all of each step of a plain loop."""
    loader = DataLoader(
        Pictures(images, labels),
        batch_size=job.batch_size,
        shuffle=True,
        num_workers=job.workers,
        pin_memory=device.type == "cuda",
        drop_last=True,
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    model.train()
    batches = iter(loader)
    for _ in range(job.steps + 3):
        begin = now(device)
        image, target = next(batches)
        image, target = image.to(device, non_blocking=True), target.to(device, non_blocking=True)
        read = now(device)
        with hardware.autocast(device, precision):
            loss = criterion(model(image), target)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()  # the references log it at every step
        yield read - begin, now(device) - begin


def now(device: torch.device) -> float:
    """Return the time [s] once all that was queued is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def matrix_rate(device: torch.device, precision: Precision) -> float:
    """Return FLOP/s of a large matrix product, the best of five."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=hardware.DTYPES[precision]) for _ in range(2))
    times = []
    for _ in range(6):
        begin = now(device)
        a @ b
        times.append(now(device) - begin)
    return 2 * side**3 / min(times[1:])


if __name__ == "__main__":
    main()
