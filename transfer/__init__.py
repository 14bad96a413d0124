"""Gram-based style transfer with any network as the eye: `python -m transfer`, or `transfer.stylize` from Python."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transfer.api import stylize
    from transfer.painting.losses.statistics.gram import gram_matrix
    from transfer.result import Result
    from transfer.verdict import judge

__all__ = ["Result", "gram_matrix", "judge", "stylize"]
HOMES = {
    "Result": "transfer.result",
    "gram_matrix": "transfer.painting.losses.statistics.gram",
    "judge": "transfer.verdict",
    "stylize": "transfer.api",
}
PARTS = ("judges", "painting", "presets")  # of the package, which need no import of their own


def __getattr__(name: str) -> Any:
    # Lazy, so that `python -m transfer --help` does not wait for torch.
    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    if name in PARTS:
        return importlib.import_module(f"transfer.{name}")
    raise AttributeError(f"module 'transfer' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *PARTS} - {"TYPE_CHECKING", "Any", "importlib"})
