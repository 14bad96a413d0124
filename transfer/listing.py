"""What `--list-presets`, `--list-judges` and `--list-backbones` print; torch is imported for the last alone."""

import fnmatch
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from nstkit.backbones.spec import TORCHVISION, Arch
from nstkit.presets import list_presets
from transfer.config import TransferConfig
from transfer.judges.listing import list_judges
from transfer.presets import PRESETS


def print_lists(config: TransferConfig) -> bool:
    """Print the lists that are asked for; return whether there is any."""
    if config.run.list_presets:
        print(list_presets(PRESETS, shutil.get_terminal_size().columns))
    if config.run.list_judges:
        print(list_judges())
    pattern = config.network.list_backbones
    if pattern is not None:
        for name in backbone_names(config.run.runs_dir):
            if any(fnmatch.fnmatch(word.lower(), pattern.lower()) for word in (name, name.partition(":")[2])):
                print(name, flush=True)
    return config.run.list_presets or config.run.list_judges or pattern is not None


def backbone_names(runs_dir: Path) -> Iterator[str]:
    """Yield what `--backbone` takes by name: ours, own trainings, then timm's with pretrained weights, torchvision's.

    Args:
        runs_dir: whose trainings are listed.
    """
    yield "carried"
    yield from (f"{arch}{suffix}" for arch in get_args(Arch) for suffix in ("", "_bn"))
    yield from map(str, sorted(path.parent for path in runs_dir.glob("train_backbone/*/ckpt.pt")))
    import timm

    yield from timm.list_models(pretrained=True)
    from torchvision import models

    yield from (f"{TORCHVISION}{name}" for name in models.list_models(module=models))
