"""Whether what a last.pt holds under `training` can be gone on from: looked at before anything of it is used."""

from typing import Any

from torch import Tensor

from nstkit.checkpoint import shown
from nstkit.torchfile import is_dense
from train_backbone.training import COUNTERS, PARTS, Training

MOST_THREADS = 4096


def find_fault(training: Training, saved: Any) -> str | None:
    """Return what a saved state has not as this training has it, None where all of it is alike.

    Args:
        training: as it is at its start.
        saved: what is said to be its `state_dict()`.
    """
    own = training.state_dict()
    if not isinstance(saved, dict):
        return f"training is {shown(saved)}"
    for name in ("model", *COUNTERS):
        if name not in saved:
            return f"{name} is missing"
    threads = saved.get("threads", 1)
    if not isinstance(threads, int) or not 1 <= threads <= MOST_THREADS:
        return f"threads is {shown(threads)}"
    states = {"": saved, **({"snapshot.": saved["snapshot"]} if saved.get("snapshot") else {})}
    for place, state in states.items():
        if not isinstance(state, dict):
            return f"{place[:-1]} is {shown(state)}"
        for name in (*PARTS, *COUNTERS):
            if name in own and (name in ("model", *COUNTERS) or state.get(name)):
                look = _optimizer_fault if name == "optimizer" else _fault
                expected = training.optimizer.param_groups if name == "optimizer" else own[name]
                if fault := look(expected, state.get(name), f"{place}{name}"):
                    return fault
        if fault := _history_fault(state["history"], place):
            return fault
    return None


def _fault(own: Any, saved: Any, place: str) -> str | None:
    """Return where a value is of another kind or shape than ours."""
    if isinstance(own, dict):
        if not isinstance(saved, dict):
            return f"{place} is {shown(saved)}"
        missing = (f"{place}.{name} is missing" for name in own if name not in saved)
        faults = (_fault(own[name], saved[name], f"{place}.{name}") for name in own if name in saved)
        return next((fault for fault in (*missing, *faults) if fault), None)
    if isinstance(own, Tensor):
        if not is_dense(saved):
            return f"{place} is {shown(saved)}"
        return None if saved.shape == own.shape else f"{place} is of shape {tuple(saved.shape)}"
    is_like = isinstance(saved, list) if isinstance(own, list) else isinstance(saved, (int, float))
    return None if is_like or (own is None and saved is None) else f"{place} is {shown(saved)}"


def _optimizer_fault(groups: list[dict[str, Any]], saved: Any, place: str) -> str | None:
    """Return where an optimizer's state is not that of our parameters, whose shapes its sums have."""
    shapes = [value.shape for group in groups for value in group["params"]]
    try:
        counts = [len(group["params"]) for group in saved["param_groups"]]
        places = [index for group in saved["param_groups"] for index in group["params"]]
        sums = [(shapes[index], value) for index, values in saved["state"].items() for value in values.values()]
    except (KeyError, TypeError, IndexError, AttributeError):
        return f"{place} is damaged"
    if counts != [len(group["params"]) for group in groups] or places != list(range(len(shapes))):
        return f"{place} is of other parameters"
    is_whole = all(is_dense(value) and (value.ndim == 0 or value.shape == shape) for shape, value in sums)
    return None if is_whole else f"{place}.state is damaged"


def _history_fault(history: Any, place: str) -> str | None:
    is_whole = all(
        isinstance(epoch, dict)
        and {"epoch", "step"} <= epoch.keys()
        and all(isinstance(value, (int, float)) for value in epoch.values())
        for epoch in history
    )
    return None if is_whole else f"{place}history is damaged"
