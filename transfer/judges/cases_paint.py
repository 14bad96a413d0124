"""The cases that need a network: painted once, then kept as pictures under a name that holds all they depend on."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.features import Backbone
from nstkit.backbones.load import load_backbone
from nstkit.backbones.spec import BackboneSpec, parse_backbone
from nstkit.config import Precision, settings_of
from nstkit.pictures import read_picture, save_picture, to_picture, to_tensor
from transfer.config import TransferConfig
from transfer.judges.cases import Case, Subject
from transfer.painting import paint

RANDOM = "vgg11@random"
"""Its own style loss falls as far as that of a trained network; the picture is the photograph in another light."""
RANDOM_STEPS = 20
STYLE_WEIGHTS = (1.0, 3.0, 10.0, 30.0)


class Painter:
    """Paints with any network and remembers; a network is loaded when its first painting is not there yet."""

    def __init__(self, folder: Path, others: Path, device: torch.device, precision: Precision) -> None:
        """Keep paintings in `folder`; take those of earlier runs, at `others`/*/images."""
        self._folder, self._others = folder, others
        self._device, self._precision = device, precision
        self._backbones: dict[str, Backbone] = {}
        self.painted, self.found = 0, 0

    def paint(
        self, spec: BackboneSpec, subject: Subject, config: TransferConfig, name: str
    ) -> Float[Tensor, "1 3 h w"]:
        """Return a painting, as it is in 8 bits.

        Args:
            spec: of the network.
            subject: gives content and style.
            config: resolved settings.
            name: the first part of the file's name, for people.
        """
        path = self._folder / f"{name}-{_digest(spec, subject, config)}.png"
        kept = [path, *sorted(self._others.glob(f"*/images/{path.name}"))]
        earlier = next((file for file in kept if file.exists()), None)
        if earlier is None:
            if spec.text not in self._backbones:
                self._backbones[spec.text] = load_backbone(spec).to(self._device)
            inputs = [picture.to(self._device) for picture in (subject.content, subject.style)]
            picture = to_picture(paint(*inputs, self._backbones[spec.text], config, self._precision).image)
            self.painted += 1
        else:
            picture = read_picture(earlier)
            self.found += 1
        if earlier != path:
            save_picture(picture, path)
        return to_tensor(picture)


def paint_cases(painter: Painter, subject: Subject, specs: tuple[str, ...], steps: int, seed: int) -> Iterator[Case]:
    """Yield the painted cases of a pair: by a random network, by each given one, and a series of style weights.

    Args:
        painter: paints and remembers.
        subject: the pair.
        specs: networks whose paintings count as good.
        steps: evaluations of the loss a painting.
        seed: of the noise that a texture starts from.
    """

    def case(text: str, kind: str, amount: float | None = None, **settings: Any) -> Case:
        spec = parse_backbone(text)
        config = TransferConfig(steps=steps, seed=seed, quiet=True, **settings).resolved()
        if text == RANDOM:
            config = TransferConfig(steps=min(steps, RANDOM_STEPS), seed=seed, quiet=True).resolved()
        picture = painter.paint(spec, subject, config, f"{subject.name}-{kind}-{spec.label}")
        series = "" if amount is None else "dose/weight"
        made_by = "" if text == RANDOM else spec.label
        return Case(subject.name, kind, picture, subject.content, subject.style, series, amount or 1.0, made_by)

    yield case(RANDOM, "random_network")
    for text in specs:
        yield case(text, "painting")
        yield case(text, "synthesis", init="noise", content_weight=0.0)
    for weight in STYLE_WEIGHTS if specs else ():
        yield case(specs[0], "painting", weight, style_weight=weight)


def _digest(spec: BackboneSpec, subject: Subject, config: TransferConfig) -> str:
    """Return a word that differs for different pictures, networks or settings."""
    changed = spec.path.stat().st_mtime_ns if spec.path is not None else None  # a checkpoint that trains on
    found = hashlib.sha256(json.dumps([spec.text, changed, settings_of(config)]).encode())
    for picture in (subject.content, subject.style):
        found.update(picture.mul(255).round().byte().numpy().tobytes())
    return found.hexdigest()[:12]
