"""The shared core: configuration, run folders, pictures, backbones, checkpoints, data sets."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nstkit.backbones.prepare import load_backbone

__all__ = ["load_backbone"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Lazy, so that `--help` of a command does not wait for torch.
    if name == "load_backbone":
        from nstkit.backbones.prepare import load_backbone

        return load_backbone
    raise AttributeError(f"module 'nstkit' has no attribute '{name}'")
