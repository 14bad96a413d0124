"""What judges keep of pictures that they have seen, so that it is computed once; old things go where new ones come."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable


@runtime_checkable
class Sized(Protocol):
    """Something of which is known how much memory it takes."""

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""


Value = TypeVar("Value", bound=Sized)


class Memory(Generic[Value]):
    """Values by key, up to so many bytes; what was not asked for longest is forgotten first, the last one never.

    Example:
        >>> import torch
        >>> memory = Memory[torch.Tensor](most_bytes=1000)
        >>> memory.recall("a", lambda: torch.ones(2)) is memory.recall("a", lambda: torch.ones(3))
        True
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._values: OrderedDict[str, Value] = OrderedDict()

    def recall(self, key: str, make: Callable[[], Value]) -> Value:
        """Return the value of this key, made only where it is not there."""
        if key not in self._values:
            self._values[key] = make()
        self._values.move_to_end(key)
        while len(self._values) > 1 and sum(value.nbytes for value in self._values.values()) > self._most_bytes:
            self._values.popitem(last=False)
        return self._values[key]
