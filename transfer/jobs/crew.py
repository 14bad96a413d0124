"""Who works on a list of jobs: this process, or several that Ray starts, on this machine or on a cluster.

    with open_crew(build, settings, device) as crew:
        for position, outcome in crew.work(jobs):
            ...

`build` makes what a job is given to: a function that may keep a network from one job to the next. Every process makes
its own. Outcomes come as they are ready, each to the one process that writes.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar, runtime_checkable

from nstkit.config import Device
from transfer.config import WorkerSettings

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")
Given = TypeVar("Given", contravariant=True)
Made = TypeVar("Made", covariant=True)


@runtime_checkable
class Crew(Protocol, Generic[Given, Made]):
    """Works on lists of tasks."""

    def work(self, tasks: Sequence[Given]) -> Iterator[tuple[int, "Made | Lost"]]:
        """Yield the place of each task in the list and what came of it, in whatever order they are ready.

        Whatever a task raises is raised here.
        """
        ...


class Lost:
    """The outcome of a task whose process ended again and again, as the system does where memory runs out."""

    def __init__(self, tries: int) -> None:
        self.reason = f"the process that painted it ended without a word, {tries} times; too little memory?"


class Alone(Generic[Task, Outcome]):
    """This process, which does one task after the other."""

    def __init__(self, do: Callable[[Task], Outcome]) -> None:
        self._do = do

    def work(self, tasks: Iterable[Task]) -> Iterator[tuple[int, Outcome | Lost]]:
        """Yield what came of each task, in order; see `Crew.work`."""
        for position, task in enumerate(tasks):
            yield position, self._do(task)


@contextlib.contextmanager
def open_crew(
    build: Callable[[], Callable[[Task], Outcome]], settings: WorkerSettings, device: Device
) -> Iterator[Crew[Task, Outcome]]:
    """Start the processes that the settings ask for, and end them at the end.

    Args:
        build: makes what does a task, in the process that will; for Ray it and the tasks can be pickled.
        settings: how many processes, and where.
        device: that was asked for: where it may be a GPU, each process of a cluster that has some gets one.

    Raises:
        UserError: where Ray is asked for and not installed, or its cluster is not there.
    """
    if settings.workers == 0:
        yield Alone(build())
        return
    from transfer.jobs.cluster import open_cluster

    with open_cluster(build, settings, device) as crew:
        yield crew
