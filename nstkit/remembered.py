"""What was measured of a network is remembered by its weights, so that every later picture of it has it beside.

One small file a network lies in the user's cache folder; deleting it forgets.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping

import platformdirs
import torch
from torch import nn

from nstkit.files import write_atomically

CACHE = platformdirs.user_cache_path("nstkit") / "quality"


def digest_of(network: nn.Module) -> str:
    """Return the SHA-256 of a network's parameters in their order, whatever their layout, names and device.

    Example:
        >>> layer = nn.Linear(2, 3)
        >>> digest_of(layer) == digest_of(nn.Sequential(layer, nn.ReLU())) != digest_of(nn.Linear(2, 3))
        True
    """
    digest = hashlib.sha256()
    for value in network.parameters():
        digest.update(str(tuple(value.shape)).encode())
        digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()


def remember(network: nn.Module, values: Mapping[str, float]) -> None:
    """Keep what was measured of a network in place of what was known; nothing where the folder cannot be written."""
    path = CACHE / f"{digest_of(network)}.json"
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(json.dumps(dict(values)).encode()))


def recall(network: nn.Module) -> dict[str, float]:
    """Return what was measured of a network by tag, nothing where it never was."""
    try:
        values = json.loads((CACHE / f"{digest_of(network)}.json").read_bytes())
        return {str(tag): float(value) for tag, value in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
