"""Painting in tiles beside painting whole: memory, CPU time, and how far the pictures are apart.

    uv run python benchmarks/tiles.py --backbone vgg19@weights.safetensors

paints a photograph in the style of a drawn sample, whole and in tiles of several sizes, each in a process of its own,
prints a table and writes benchmarks/results/tiles-cpu.json. `added` is by how much the highest resident memory
(VmHWM) exceeds what it had before painting, `estimate` what was foretold of that. `picture` is the mean and the largest
difference from the picture painted whole, in levels of 8 bit; `gradient` the relative one of the first gradients.

Carried network, 768 px, 6 evaluations, float32, one core of an AMD EPYC with other work on it, torch 2.15: 0.85 CPU-s
an evaluation whole, 1.43 in tiles of 512 px, 2.00 in tiles of 256 px; gradients 2.5e-6 apart, pictures 0.2 levels in
the mean and 4 at most, without a line where tiles meet.
"""

import json
import multiprocessing
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from memory import status_mib
from PIL import Image
from results_file import write_results

from nstkit import load_backbone
from nstkit.pictures.read import read_picture
from nstkit.pictures.save import save_picture
from nstkit.pictures.tensors import to_tensor
from nstkit.sample import sample_content, sample_style
from transfer.painting.estimate import painting_bytes
from transfer.painting.loop import paint
from transfer.painting.losses.objective import Objective
from transfer.painting.reach import gradient_of, measure_tiling
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings


@dataclass(frozen=True)
class Settings:
    """Compare painting in tiles with painting whole."""

    backbone: str = "carried"
    """Network, as after `--backbone`."""
    content: Path | None = None
    """Picture that is painted. None = a sample photograph."""
    style: Path | None = None
    """In the style of which. None = a drawn sample."""
    size: int = 1024
    """Longer side [px]."""
    tile: tuple[int, ...] = (0, 512, 256)
    """Longest side of a tile; 0 = whole, which should come first."""
    steps: int = 10
    """Evaluations, which are also the history of L-BFGS."""
    precision: str = "fp32"
    """Number format."""
    out: Path = Path("runs/tiles")
    """Folder for the pictures."""


def main() -> None:
    """Paint in every way, print the table, write the file."""
    settings = tyro.cli(Settings)
    rows: list[dict[str, Any]] = []
    print(f"{'tile px':>8s}{'estimate MiB':>14s}{'added MiB':>11s}{'CPU s/eval':>12s}{'gradient':>10s}{'picture':>15s}")
    for tile in settings.tile:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            row = pool.submit(measure, settings, tile).result()
        first, own = (np.asarray(Image.open(path_of(settings, each)), float) for each in (settings.tile[0], tile))
        row |= {"mean_levels": np.abs(own - first).mean(), "most_levels": np.abs(own - first).max()}
        rows.append(row)
        print(
            f"{tile or 'whole':>8}{row['estimate_mib']:14,.0f}{row['added_mib']:11,.0f}{row['cpu_s']:12.2f}"
            f"{row['gradient']:10.1e}{row['mean_levels']:8.2f}{row['most_levels']:6.0f}",
            flush=True,
        )
    about = json.loads(json.dumps(vars(settings), default=str))
    write_results("tiles-cpu", torch.device("cpu"), {"settings": about, "rows": rows})


def path_of(settings: Settings, tile: int) -> Path:
    """Return where a picture lies."""
    return settings.out / f"{settings.size}-{tile or 'whole'}.png"


def measure(settings: Settings, tile: int) -> dict[str, Any]:
    """Return the figures of one way to paint, in this process, and save the picture."""
    warnings.simplefilter("ignore")
    device = torch.device("cpu")
    pictures = (
        sample if path is None else read_picture(path, settings.size)
        for path, sample in ((settings.content, sample_content()), (settings.style, sample_style(settings.size)))
    )
    content, style = (to_tensor(picture, settings.size).contiguous() for picture in pictures)
    backbone = load_backbone(settings.backbone)
    painting = PaintSettings.of(steps=settings.steps, scales=1, precision=settings.precision).resolved()
    tiling = measure_tiling(backbone, painting.losses, tile) if tile else None
    sizes = ((content.shape[2], content.shape[3]), [(style.shape[2], style.shape[3])])
    needed = painting_bytes(*sizes, backbone, painting, device, tiling)
    before_mib, started = status_mib("VmRSS"), time.process_time()
    result = paint(Scene(content, style), backbone, painting, tiling=tiling)
    cpu_s, added_mib = (time.process_time() - started) / settings.steps, status_mib("VmHWM") - before_mib
    save_picture(result.image, path_of(settings, tile))
    return {
        "tile_px": tile,
        "estimate_mib": 0 if needed is None else needed / 2**20,
        "added_mib": added_mib,
        "cpu_s": cpu_s,
        "gradient": gradient_difference(backbone, painting, tile) if tile else 0.0,
        "losses": result.scalars,
    }


def gradient_difference(backbone: Any, painting: PaintSettings, tile: int) -> float:
    """Return the relative difference of the gradients in tiles and whole, at 3/8 of the size."""
    size = (393, 517)
    generator = torch.Generator().manual_seed(0)
    content, style, canvas = torch.rand(3, 1, 3, *size, generator=generator)
    tiling = replace(measure_tiling(backbone, painting.losses, tile), core_px=128)
    scene = Scene(content, style, canvas)
    whole, tiled = (
        gradient_of(Objective(backbone, scene, painting.losses, "fp32", cut), canvas) for cut in (None, tiling)
    )
    return float((tiled - whole).norm() / whole.norm())


if __name__ == "__main__":
    main()
