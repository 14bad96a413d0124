"""What a crew is: it takes tasks and gives what came of each."""

from collections.abc import Iterator, Sequence
from typing import Generic, Protocol, TypeVar, runtime_checkable

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
