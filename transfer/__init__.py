"""Gram-based style transfer with any network as the eye: `python -m transfer`, or `transfer.stylize` from Python."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transfer.api import stylize

__all__ = ["stylize"]


def __getattr__(name: str) -> Any:
    # Lazy, so that `python -m transfer --help` does not wait for torch.
    if name == "stylize":
        from transfer.api import stylize

        return stylize
    raise AttributeError(f"module 'transfer' has no attribute '{name}'")
