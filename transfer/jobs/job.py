"""A picture to paint, and the key by which it is known again: a hash of all that determines it."""

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from nstkit import __version__
from nstkit.annotations import path_of
from nstkit.backbones.spec import BackboneSpec
from nstkit.config import MemoryFormat, as_plain
from transfer.config import NetworkSettings
from transfer.painting.settings import PaintSettings
from transfer.pairs import Pair

if TYPE_CHECKING:
    from transfer.painting.masks import Labels, Masks

KEY_DIGITS = 16


@dataclass(frozen=True)
class Job:
    """A picture to paint.

    Attributes:
        spec: the network.
        pair: what is painted from.
        size_px: longer side of the result.
        variant: name of the settings, where there are several.
        network: what is changed about the network.
        painting: what the painter is told, not resolved.
        memory_format: of the network; the key does not depend on it.
    """

    spec: BackboneSpec
    pair: Pair
    size_px: int
    variant: str
    network: NetworkSettings
    painting: PaintSettings
    memory_format: MemoryFormat = "auto"

    @functools.cached_property
    def key(self) -> str:
        """A word that differs where the network, a picture or a setting differs, or the version of this package.

        It does not say what anything is called or where it lies. Not seen are the code that `--arch` names, weights
        that timm or torchvision have fetched, and the machine, on which the last bits depend.
        """
        settings = as_plain(self.painting.resolved(self.pair.mode, self.size_px))
        del settings["memory"], settings["tile"]  # in tiles it is the same picture
        if self.pair.start is not None:
            del settings["init"]  # the name of a file
        swaps = [(taps, weights_digest(path_of(donor)) or donor) for taps, donor in self._swaps]
        network = {**as_plain(self.network), "swap": swaps, "backbone": None, "list_taps": None}
        spec = (self.spec.name, self.spec.weights, self.spec.seed, self.spec.path and weights_digest(self.spec.path))
        pair = (self.pair.rows, self.pair.shares, self.pair.style_scale)
        digest = hashlib.sha256(json.dumps([__version__, spec, network, settings, self.size_px, pair]).encode())
        for part in _parts_of(self.pair):
            digest.update(len(part).to_bytes(8) + part)
        return digest.hexdigest()[:KEY_DIGITS]

    @property
    def _swaps(self) -> Iterator[tuple[str, str]]:
        for text in self.network.swap:
            taps, _, donor = text.partition("@")
            yield taps, donor


def weights_digest(path: Path) -> str | None:
    """Return the hash of a file of weights, or of those in a folder of an exported network; None for any other path."""
    files = [path] if path.is_file() else sorted([*path.glob("*.safetensors"), *path.glob("*.json")])
    if not files:
        return None
    return "-".join(_file_digest(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files)


@functools.lru_cache(maxsize=256)
def _file_digest(path: Path, changed_ns: int, size_bytes: int) -> str:
    """Return the hash of a file, which is read once for each state that it is in."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parts_of(pair: Pair) -> Iterator[bytes]:
    """Yield the pictures and masks of a pair, in an order in which none can be taken for another."""
    for pictures in ([pair.content], [pair.style, *pair.further], [pair.start]):
        yield b"".join(_picture_bytes(picture) for picture in pictures if picture is not None)
    if pair.masks is not None:
        yield from _mask_parts(pair.masks)


def _picture_bytes(picture: Image.Image) -> bytes:
    return repr((picture.mode, picture.size)).encode() + hashlib.sha256(picture.tobytes()).digest()


def _mask_parts(masks: "Masks") -> Iterator[bytes]:
    yield repr((masks.names, masks.weights)).encode()
    for labels in (masks.content, *masks.styles):
        yield b"" if labels is None else _label_bytes(labels)


def _label_bytes(labels: "Labels") -> bytes:
    return repr(labels.shape).encode() + hashlib.sha256(labels.tobytes()).digest()
