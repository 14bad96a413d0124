"""How much memory a piece of work takes, found out before it is begun: it is done once without the bytes.

torch's fake tensors have shapes, formats and a device but no contents. The program itself runs on them, so there is no
second description of it that could go out of date, and a picture of 20000 px costs no more than one of 200.
"""

import copy
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree
from torch.utils._python_dispatch import TorchDispatchMode


def rehearse(work: Callable[..., object], device: torch.device, *networks: nn.Module) -> int | None:
    """Return the most memory that the tensors made by `work` take at one time [bytes].

    Every tensor that `work` makes is fake; a number that it reads from one is 1. The random states stay as they are.

    Args:
        work: called with a fake copy of each network; makes all other tensors itself, and none by way of NumPy.
        device: whose memory is counted.
        networks: that exist. Their weights and buffers are not counted.

    Returns:
        The bytes; None where the work cannot be done without contents. The reason is then the work's own to tell.

    Example:
        >>> rehearse(lambda: torch.zeros(10**6, 10**6).exp().sum(), torch.device("cpu")) == 2 * 4 * 10**12
        True
    """
    from torch._subclasses.fake_tensor import FakeTensorMode  # takes a second

    meter = _Meter(device)
    with (
        warnings.catch_warnings(),
        torch.random.fork_rng([device] if device.type == "cuda" else []),
        torch.inference_mode(False),
        FakeTensorMode(allow_non_fake_inputs=True) as mode,
        _Copies(),
        meter,
    ):
        warnings.simplefilter("ignore")
        try:
            work(*(_fake_copy(network, mode) for network in networks))
        except Exception:  # whatever a network does that asks for contents
            return None
    return meter.peak_bytes


def _fake_copy(network: nn.Module, mode: Any) -> nn.Module:
    tensors = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(tensor): mode.from_tensor(tensor) for tensor in tensors})


class _Copies(TorchFunctionMode):
    """Copies tensors as `clone` does, since the storage of a fake one cannot be copied."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not torch.Tensor.__deepcopy__:
            return func(*args, **(kwargs or {}))
        tensor, memo = args
        if id(tensor) not in memo:
            values = tensor.detach().clone()
            is_parameter = isinstance(tensor, nn.Parameter)
            memo[id(tensor)] = nn.Parameter(values, tensor.requires_grad) if is_parameter else values
        return memo[id(tensor)]


class _Meter(TorchDispatchMode):
    """Counts the bytes of the storages that operations make, from their making to their end.

    Attributes:
        peak_bytes: the most that there were at one time.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device, self._bytes, self._known = device, 0, set[int]()
        self.peak_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            return 1.0
        for tensor in _pytree.tree_leaves((args, kwargs)):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor.untyped_storage(), 0)  # what nobody made here, such as weights: nor are its views
        result = func(*args, **(kwargs or {}))
        for tensor in _pytree.tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and tensor.device.type == self._device.type:
                self._note(tensor.untyped_storage(), tensor.untyped_storage().nbytes())
        return result

    def _note(self, storage: torch.UntypedStorage, size: int) -> None:
        key = id(storage)
        if key in self._known:
            return
        self._known.add(key)
        weakref.finalize(storage, self._forget, key, size)
        self._bytes += size
        self.peak_bytes = max(self.peak_bytes, self._bytes)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._bytes -= size
