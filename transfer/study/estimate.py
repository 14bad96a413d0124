"""How long a study takes, and how much memory and disk, found out by a few short paintings before it begins."""

import io
import math
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from nstkit.settings import known
from transfer.jobs.job import Job
from transfer.study.table import Row

LEAST_CELLS = 24  # with fewer there is nothing to plan
SHORT, LONGER = 2, 6  # evaluations of the paintings that are timed
NUMBERS_BYTES = 4096  # of a cell beside its picture

Paint = Callable[[Job], tuple[Row, Image.Image]]


@dataclass(frozen=True)
class Estimate:
    """What a study takes.

    Attributes:
        time_s: of all cells, one after the other.
        disk_bytes: of their pictures and numbers.
        memory_bytes: of one process, at most so far.
        cells: how many there are.
    """

    time_s: float
    disk_bytes: float
    memory_bytes: int
    cells: int

    def describe(self, workers: int) -> str:
        """Return a line for the screen; `workers` paint at one time, 0 = this process."""
        several = f" with {workers} workers" if workers else ""
        minutes = self.time_s / max(1, workers) / 60
        memory, disk = max(1, workers) * self.memory_bytes / 2**30, self.disk_bytes / 2**20
        takes = f"about {minutes:.0f} min for {self.cells} cells{several}"
        return f"needs:   {takes}, {disk:.0f} MiB on disk, {memory:.1f} GiB of memory"


def estimate(cells: Sequence[Job], paint: Paint) -> Estimate:
    """Return what cells take, from three short paintings of one cell of each kind: network's size, picture's size.

    The first one also loads the network and looks at the pair, which is remembered; that is counted once a pair.

    Args:
        cells: all of the study.
        paint: paints and judges a cell.
    """
    kinds: dict[object, list[Job]] = {}
    for cell in cells:
        kinds.setdefault((weight_of(cell), cell.size_px), []).append(cell)
    time_s = disk_bytes = 0.0
    for of_kind in kinds.values():
        first_s, _ = timed(paint, of_kind[0], SHORT)
        short_s, picture = timed(paint, of_kind[0], SHORT)
        longer_s, _ = timed(paint, of_kind[0], LONGER)
        step_s = max(0.0, longer_s - short_s) / (LONGER - SHORT)
        pairs = len({(cell.pair.content_name, cell.pair.style_name) for cell in of_kind})
        time_s += sum(short_s + step_s * (steps_of(cell) - SHORT) for cell in of_kind)
        time_s += pairs * max(0.0, first_s - short_s)
        disk_bytes += len(of_kind) * (png_bytes(picture) + NUMBERS_BYTES)
    memory_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Estimate(time_s, disk_bytes, memory_bytes, len(cells))


def weight_of(cell: Job) -> object:
    """Return what tells networks of other cost apart: the size of their file in powers of about 1.2, or their name."""
    path = cell.spec.path
    if path is None or not path.exists():
        return cell.spec.name
    return round(4 * math.log2(1 + path.stat().st_size)) if path.is_file() else path.name


def steps_of(cell: Job) -> int:
    """Return the evaluations that a cell takes."""
    return known(cell.painting.resolved(cell.pair.mode, cell.size_px).optimization.steps)


def timed(paint: Paint, cell: Job, steps: int) -> tuple[float, Image.Image]:
    """Return how long a cell takes with these evaluations [s], and its picture."""
    started = time.perf_counter()
    _, picture = paint(replace(cell, painting=cell.painting.changed(steps=steps)))
    return time.perf_counter() - started, picture


def png_bytes(picture: Image.Image) -> int:
    """Return the size of a picture as a file."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return len(stream.getvalue())
