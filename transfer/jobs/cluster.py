"""Processes that Ray starts. Each keeps what it has loaded; a task whose process is lost is given to a new one."""

import contextlib
import os
import signal
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic

from nstkit.config import Device
from nstkit.cores import cores
from nstkit.errors import UserError, first_line
from transfer.config import WorkerSettings
from transfer.jobs.work import Lost, Outcome, Task

INSTALL = "pip install 'nstkit[grid]'"
BEGINNINGS = 4
TRIES = 3  # of a task whose process ends without a word
QUIET = {  # none of it is asked for here, and each would reach for the network or copy the working folder
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}


class Worker(Generic[Task, Outcome]):
    """What a process of Ray holds: the function that does tasks, made at the first one."""

    def __init__(self, build: Callable[[], Callable[[Task], Outcome]], threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._build = build
        self._do: Callable[[Task], Outcome] | None = None

    def do(self, task: Task) -> Outcome:
        """Return what comes of a task."""
        if self._do is None:
            self._do = self._build()
        return self._do(task)


class Cluster(Generic[Task, Outcome]):
    """Several processes of Ray, each with one task at a time."""

    def __init__(self, ray: Any, start: Callable[[], Any], count: int) -> None:
        self._ray, self._start, self._count = ray, start, count
        self._idle: list[Any] = []

    def work(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Outcome | Lost]]:
        """Yield what came of each task as it is ready; see `transfer.jobs.work.Crew.work`."""
        lost = (self._ray.exceptions.RayActorError, self._ray.exceptions.OutOfMemoryError)
        waiting, tries = deque(range(len(tasks))), [0] * len(tasks)
        at_work: dict[Any, tuple[Any, int]] = {}
        while waiting or at_work:
            while waiting and len(at_work) < self._count:
                worker = self._idle.pop() if self._idle else self._start()
                position = waiting.popleft()
                tries[position] += 1
                at_work[worker.do.remote(tasks[position])] = (worker, position)
            (ready, *_), _ = self._ray.wait(list(at_work), num_returns=1)
            worker, position = at_work.pop(ready)
            try:
                outcome = self._ray.get(ready)
            except lost:
                if tries[position] < TRIES:
                    waiting.appendleft(position)
                else:
                    yield position, Lost(TRIES)
                continue
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from error  # as it would be without Ray
            self._idle.append(worker)
            yield position, outcome


@contextlib.contextmanager
def open_cluster(
    build: Callable[[], Callable[[Task], Outcome]], settings: WorkerSettings, device: Device
) -> Iterator[Cluster[Task, Outcome]]:
    """Connect to a cluster, or begin one on this machine, and start the workers; see `transfer.jobs.crew.open_crew`."""
    os.environ |= {name: value for name, value in QUIET.items() if name not in os.environ}
    try:
        import ray
    except ImportError as error:
        raise UserError(f"--workers {settings.workers} needs Ray: {INSTALL}. Or leave it out.") from error

    threads = settings.threads or threads_of_each(settings.workers)
    is_ours = not ray.is_initialized()
    if is_ours:
        connect(ray, settings.cluster, settings.workers * threads)
    try:
        there = ray.cluster_resources()
        gpus = min(1, int(there.get("GPU", 0))) if device in ("auto", "cuda") else 0
        places = int(there["GPU"] if gpus else there.get("CPU", 0) // threads)
        if places < settings.workers:
            what = "GPUs" if gpus else f"places of {threads} CPU threads"
            warnings.warn(
                f"the cluster of Ray has {places} {what}, so that is how many workers there are", stacklevel=2
            )
        if places < 1:
            raise UserError(f"--threads {threads}: the cluster of Ray has no machine with so many. Give fewer.")
        kind = ray.remote(num_cpus=threads, num_gpus=gpus, max_restarts=0)(Worker)
        yield Cluster(ray, lambda: kind.remote(build, threads), min(settings.workers, places))
    finally:
        if is_ours:
            ray.shutdown()


def connect(ray: Any, address: str | None, cpus: int) -> None:
    """Connect to a cluster of Ray, or begin one on this machine.

    Args:
        ray: the module.
        address: of the cluster; None = this machine alone.
        cpus: that a cluster begun here says it has, whatever the machine does.

    Raises:
        UserError: where there is none at the address.
    """
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    is_main = threading.current_thread() is threading.main_thread()
    ends = signal.getsignal(signal.SIGTERM)
    try:
        if address is None:
            begin(ray, cpus, quiet)
        else:
            ray.init(address=address, **quiet)
    except Exception as error:  # it raises bare ones too
        where = (
            "--workers: Ray does not begin here" if address is None else f"--ray-address {address}: no cluster there"
        )
        raise UserError(f"{where} ({first_line(error)}). Try again, or leave it out.") from error
    finally:
        if is_main and ends is not None:
            signal.signal(signal.SIGTERM, ends)  # Ray would leave at once, with a code of its own


def begin(ray: Any, cpus: int, quiet: Mapping[str, Any]) -> None:
    """Begin a cluster on this machine. On one that is very busy Ray gives up after 30 s, so it is asked again."""
    for trial in range(BEGINNINGS):
        try:
            ray.init(address="local", num_cpus=cpus, include_dashboard=False, **quiet)
            return
        except Exception as error:
            ray.shutdown()
            if "timed out" not in str(error) or trial == BEGINNINGS - 1:
                raise


def threads_of_each(workers: int) -> int:
    """Return how many threads each of several processes on this machine computes in, where nobody has said it."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) else max(1, cores() // workers)
