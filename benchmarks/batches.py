"""What it saves to let the network see several small canvases in one pass, each with an L-BFGS of its own.

    OMP_NUM_THREADS=1 uv run python benchmarks/batches.py

Pairs of the sample photograph in drawn styles, 15 evaluations with the carried network in float32, painted one by one
and in batches (`python -m transfer --batch N`). Prints CPU-seconds a picture, and how much faster than one by one that
is: the lowest of several rounds, in turn, so that other work on the machine is felt by all alike. Writes
benchmarks/results/batches.json.

One core of an AMD EPYC that was busy with other work, torch 2.15: at 64 px 1.18, 1.33 and 1.40 x for batches of 2, 4
and 8; at 128 px 1.10, 1.19 and 1.11 x. By the network alone there is nothing to gain at 256 px.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from results_file import write_results

from nstkit.backbones.prepare import load_backbone
from nstkit.errors import run_command
from nstkit.pictures.tensors import to_tensor
from nstkit.sample import sample_content, sample_style
from transfer.painting.loop import paint
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings
from transfer.painting.together import paint_together


def main() -> None:
    """Measure every size and batch, print, write the file."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--backbone", default="carried", help="that paints (default: carried)")
    parser.add_argument("--size", type=int, nargs="+", default=[64, 128, 256], help="longer side [px]")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 2, 4, 8], help="pictures at one time")
    parser.add_argument("--steps", type=int, default=15, help="evaluations (default: 15)")
    parser.add_argument("--rounds", type=int, default=3, help="of each, the fastest of which counts (default: 3)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    given = parser.parse_args()
    device = torch.device(given.device)
    backbone = load_backbone(given.backbone).to(device)
    rows: list[dict[str, Any]] = []
    for size_px in given.size:
        settings = PaintSettings.of(steps=given.steps, precision="fp32").resolved(longer_px=size_px)
        content = to_tensor(sample_content(), size_px)
        scenes = [Scene(content, to_tensor(sample_style(size_px, seed))).to(device) for seed in range(max(given.batch))]

        def work(count: int, scenes: list[Scene] = scenes, settings: PaintSettings = settings) -> None:
            if count == 1:
                paint(scenes[0], backbone, settings)
            else:
                paint_together(scenes[:count], backbone, [settings] * count, [lambda step: None] * count)

        clock = seconds_of(device)
        costs = {count: float("inf") for count in given.batch}
        for _ in range(given.rounds):
            for count in given.batch:
                costs[count] = min(costs[count], clock(lambda count=count: work(count)) / count)
        for count, cost in costs.items():
            gain = costs[given.batch[0]] / cost
            rows.append(
                {"size_px": size_px, "batch": count, "seconds_a_picture": round(cost, 4), "gain": round(gain, 3)}
            )
            print(f"{size_px:4d} px  batch {count:3d}  {cost:.3f} s a picture  {gain:.2f} x", flush=True)
    write_results("batches", device, {"settings": vars(given), "rows": rows})


def seconds_of(device: torch.device) -> Callable[[Callable[[], object]], float]:
    """Return what times work: by the processor's time, or the clock's where a GPU works."""

    def timed(work: Callable[[], object]) -> float:
        clock = time.process_time if device.type == "cpu" else time.perf_counter
        started = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return clock() - started

    return timed


if __name__ == "__main__":
    run_command(main)
