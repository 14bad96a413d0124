"""The cases that need a network: painted once, then kept as pictures under a name that holds all they depend on."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.prepare import load_backbone
from nstkit.backbones.spec import BackboneSpec, parse_backbone
from nstkit.config import RunSettings, as_plain
from nstkit.pictures.read import read_picture
from nstkit.pictures.save import save_picture
from nstkit.pictures.tensors import to_picture, to_tensor
from transfer.judges.networks import named_by
from transfer.judges.validation.cases import Case, Subject
from transfer.painting.estimate import check_painting
from transfer.painting.format import fit_format
from transfer.painting.loop import paint
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings

RANDOM = "vgg11@random"
"""Its own style loss falls as far as that of a trained network; the picture is the photograph in another light."""
RANDOM_STEPS = 20
STYLE_WEIGHTS = (1.0, 3.0, 10.0, 30.0)


class Painter:
    """Paints with any network and remembers; a network is loaded when its first painting is not there yet.

    Attributes:
        painted: how many pictures were painted.
        found: how many were there already.
    """

    def __init__(self, folder: Path, others: Path, device: torch.device, run: RunSettings) -> None:
        """Keep paintings in `folder`; take those of earlier runs, at `others`/*/images."""
        self._folder, self._others = folder, others
        self._device, self._run = device, run
        self._backbones: dict[str, Backbone] = {}
        self.painted, self.found = 0, 0

    def paint(
        self, spec: BackboneSpec, subject: Subject, settings: PaintSettings, name: str
    ) -> Float[Tensor, "1 3 h w"]:
        """Return a painting, as it is in 8 bits.

        Args:
            spec: of the network.
            subject: gives content and style.
            settings: of the painter, resolved.
            name: the first part of the file's name, for people.
        """
        path = self._folder / f"{name}-{_digest(spec, subject, settings)}.png"
        kept = [path, *sorted(self._others.glob(f"*/images/{path.name}"))]
        earlier = next((file for file in kept if file.exists()), None)
        if earlier is None:
            picture = to_picture(self._paint(spec, subject, settings))
            self.painted += 1
        else:
            picture = read_picture(earlier)
            self.found += 1
        if earlier != path:
            save_picture(picture, path)
        return to_tensor(picture)

    def _paint(self, spec: BackboneSpec, subject: Subject, settings: PaintSettings) -> Float[Tensor, "1 3 h w"]:
        if spec.text not in self._backbones:
            with named_by("--painter"):
                self._backbones[spec.text] = load_backbone(spec).to(self._device)
        backbone = self._backbones[spec.text]
        choice = fit_format(backbone, settings.losses, self._run.precision, self._run.memory_format)
        settings = settings.changed(precision=choice.format.precision)
        content, style = subject.content, subject.style
        check_painting(_size(content), _size(style), backbone, settings, self._device)
        scene = Scene(content, style).to(self._device)
        return paint(scene, backbone, settings).image


def paint_cases(painter: Painter, subject: Subject, specs: tuple[str, ...], steps: int, seed: int) -> Iterator[Case]:
    """Yield the painted cases of a pair: by a random network, by each given one, and a series of style weights.

    Args:
        painter: paints and remembers.
        subject: the pair.
        specs: networks whose paintings count as good.
        steps: evaluations of the loss a painting.
        seed: of the noise that a texture starts from.
    """

    def case(
        spec: BackboneSpec, kind: str, settings: PaintSettings, weight: float | None = None, is_good: bool = True
    ) -> Case:
        return Case(
            pair=subject.name,
            kind=kind,
            picture=painter.paint(spec, subject, settings, f"{subject.name}-{kind}-{spec.label}"),
            content=subject.content,
            style=subject.style,
            series="" if weight is None else "dose/weight",
            amount=1.0 if weight is None else weight,
            painter=spec.label if is_good else "",
        )

    painting = PaintSettings.of(steps=steps, seed=seed).resolved()
    few_steps = painting.changed(steps=min(steps, RANDOM_STEPS))
    texture = painting.changed(init="noise", content_weight=0.0)
    with named_by("--painter"):
        networks = [parse_backbone(text) for text in specs]
    yield case(parse_backbone(RANDOM), "random_network", few_steps, is_good=False)
    for spec in networks:
        yield case(spec, "painting", painting)
        yield case(spec, "synthesis", texture)
    for spec in networks[:1]:
        for weight in STYLE_WEIGHTS:
            yield case(spec, "painting", painting.changed(style_weight=weight), weight)


def _digest(spec: BackboneSpec, subject: Subject, settings: PaintSettings) -> str:
    """Return a word that differs for different pictures, networks or settings."""
    changed = spec.path.stat().st_mtime_ns if spec.path is not None else None  # a checkpoint that trains on
    digest = hashlib.sha256(json.dumps([spec.text, changed, as_plain(settings)]).encode())
    for picture in (subject.content, subject.style):
        digest.update(picture.mul(255).round().byte().numpy().tobytes())
    return digest.hexdigest()[:12]


def _size(image: Tensor) -> tuple[int, int]:
    """Return (height, width)."""
    height, width = image.shape[-2:]
    return height, width
