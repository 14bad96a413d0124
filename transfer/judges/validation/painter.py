"""Paints with any network, and remembers: a picture is kept under a name that holds all that determines it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import CARRIED, BackboneSpec, Padding
from nstkit.config import RunSettings, as_plain
from nstkit.pictures.read import read_picture
from nstkit.pictures.save import save_picture
from nstkit.pictures.tensors import to_picture, to_tensor
from nstkit.settings import known
from transfer.judges.networks import named_by
from transfer.painting.estimate import fit_memory
from transfer.painting.format import fit_format
from transfer.painting.loop import Step, paint
from transfer.painting.pyramid import Kept
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings


@dataclass(frozen=True)
class Commission:
    """What is painted, by which network, and how.

    Attributes:
        name: the first part of the file's name, for people.
        spec: of the network.
        scene: the pictures, on the CPU.
        settings: of the painter, resolved, for a single scale.
        padding: around the maps of the network.
    """

    name: str
    spec: BackboneSpec
    scene: Scene
    settings: PaintSettings
    padding: Padding = "zero"

    def file_name(self, steps: int) -> str:
        """Return the name of the picture after so many evaluations: another one where anything else differs."""
        file = self.spec.path if self.spec.path != CARRIED else None
        changed = None if file is None else file.stat().st_mtime_ns  # a checkpoint may train on
        facts = [self.spec.text, changed, as_plain(self.settings.changed(steps=steps)), self.padding]
        digest = hashlib.sha256(json.dumps(facts).encode())
        for picture in (self.scene.content, self.scene.style, self.scene.start):
            digest.update(b"none" if picture is None else picture.mul(255).numpy().tobytes())
        return f"{self.name}-{digest.hexdigest()[:12]}.png"


class Painter:
    """Paints what is commissioned; a network is loaded when its first painting is not there yet.

    Attributes:
        painted: how many pictures were painted.
        found: how many were there already.
    """

    def __init__(self, folder: Path, others: Path, device: torch.device, run: RunSettings) -> None:
        """Keep paintings in `folder`; take those of earlier runs, at `others`/*/images."""
        self._folder, self._others = folder, others
        self._device, self._run = device, run
        self._backbones: dict[tuple[str, Padding], Backbone] = {}
        self.painted, self.found = 0, 0

    def paint(self, commission: Commission) -> Float[Tensor, "1 3 h w"]:
        """Return the painting after its last evaluation, as it is in 8 bits."""
        (picture,) = self.paint_stops(commission, [commission.settings.optimization.steps or 1])
        return picture

    def paint_stops(self, commission: Commission, stops: Sequence[int]) -> list[Float[Tensor, "1 3 h w"]]:
        """Return the painting after each of these numbers of evaluations, as it is in 8 bits; one loop paints all.

        Args:
            commission: what is painted; its own number of evaluations does not count.
            stops: rising, from 1.
        """
        names = [commission.file_name(stop) for stop in stops]
        earlier = [self._earlier(name) for name in names]
        if None in earlier:
            pictures = [to_picture(picture) for picture in self._paint(commission, stops)]
            self.painted += len(stops)
        else:
            pictures = [read_picture(file) for file in earlier if file is not None]
            self.found += len(stops)
        for name, picture, file in zip(names, pictures, earlier, strict=True):
            if file != self._folder / name:
                save_picture(picture, self._folder / name)
        return [to_tensor(picture) for picture in pictures]

    def _earlier(self, name: str) -> Path | None:
        """Return where a picture is kept."""
        kept = [self._folder / name, *sorted(self._others.glob(f"*/images/{name}"))]
        return next((file for file in kept if file.exists()), None)

    def _paint(self, commission: Commission, stops: Sequence[int]) -> list[Tensor]:
        backbone = self._load(commission.spec, commission.padding)
        settings, scene = commission.settings.changed(steps=stops[-1]), commission.scene
        choice = fit_format(backbone, settings.losses, self._run.precision, self._run.memory_format)
        settings = settings.changed(precision=choice.format.precision)
        settings = fit_memory(*scene.sizes, backbone, settings, self._device)
        kept, early = Kept(settings.optimization, 0), []

        def report(step: Step) -> None:
            kept.take(step.canvas, step.scalars)
            if step.number in stops[:-1]:
                early.append(known(kept.image).cpu().clone())

        last = paint(scene.to(self._device), backbone, settings, report).image
        return [*early, last]

    def _load(self, spec: BackboneSpec, padding: Padding) -> Backbone:
        if (spec.text, padding) not in self._backbones:
            with named_by("--painter"):
                self._backbones[spec.text, padding] = load_backbone(spec, padding=padding).to(self._device)
        return self._backbones[spec.text, padding]
