"""How good a feature extractor is, on anything that `--backbone` names: `measure_quality`, `random_twin`.

    python -m nstkit.quality --backbone carried --dataset patterns      # no download, about a minute on two cores

Every number stands beside that of the same architecture with random weights (`extractor/...` and `random/...`):
a measure on which the two agree says something about the architecture or the pictures, nothing about the training.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nstkit.quality.measuring import MEASURES, Quality, measure_quality
    from nstkit.quality.twin import random_twin

__all__ = ["MEASURES", "Quality", "measure_quality", "random_twin"]

_HOMES = {
    "Quality": "nstkit.quality.measuring",
    "measure_quality": "nstkit.quality.measuring",
    "MEASURES": "nstkit.quality.measuring",
    "random_twin": "nstkit.quality.twin",
}


def __getattr__(name: str) -> object:
    # Lazy, so that `--help` of the command does not wait for torch.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'nstkit.quality' has no attribute '{name}'")
