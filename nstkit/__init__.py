"""The shared core: configuration, run folders, pictures, backbones, checkpoints, data sets."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nstkit.backbones.backbone import Backbone
    from nstkit.backbones.prepare import load_backbone
    from nstkit.errors import UserError

__all__ = ["Backbone", "UserError", "load_backbone"]
__version__ = "0.1.0"
HOMES = {
    "Backbone": "nstkit.backbones.backbone",
    "UserError": "nstkit.errors",
    "load_backbone": "nstkit.backbones.prepare",
}
PARTS = ("backbones", "datasets", "figures", "pictures", "quality", "sample")  # which need no import of their own


def __getattr__(name: str) -> Any:
    # Lazy, so that `--help` of a command does not wait for torch.
    if name in HOMES:
        return getattr(importlib.import_module(HOMES[name]), name)
    if name in PARTS:
        return importlib.import_module(f"nstkit.{name}")
    raise AttributeError(f"module 'nstkit' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *PARTS} - {"TYPE_CHECKING", "Any", "importlib"})
