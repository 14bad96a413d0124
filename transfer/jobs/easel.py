"""Where jobs are painted: it keeps the last network, laid out in the number format that suits it here."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.prepare import load_backbone
from nstkit.formats import Choice
from nstkit.hardware import seed_everything
from transfer.jobs.job import Job
from transfer.painting.estimate import fit_memory
from transfer.painting.format import fit_format
from transfer.painting.loop import Painting, Step, paint
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings


@dataclass(frozen=True)
class Ready:
    """All that a job is painted with but its pictures.

    Attributes:
        backbone: on the device, in its format.
        settings: resolved.
        choice: of the format.
    """

    backbone: Backbone
    settings: PaintSettings
    choice: Choice


class Easel:
    """Paints jobs on one device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._loaded: tuple[object, Backbone] | None = None

    def network(self, job: Job) -> Backbone:
        """Return the network of a job on the device; raise `UserError` where it cannot be had."""
        wanted = (job.spec, job.network)
        if self._loaded is None or self._loaded[0] != wanted:
            self._loaded = None  # before the next one needs the memory
            self._loaded = (wanted, load_backbone(job.spec, **job.network.loading).to(self.device))
        return self._loaded[1]

    def formatted(self, job: Job) -> Ready:
        """Return what a job is painted with, whatever memory there is; raise `UserError` where there is no network."""
        backbone = self.network(job)
        settings = job.painting.resolved(job.pair.mode, job.size_px, backbone.patch_px)
        choice = fit_format(backbone, settings.losses, job.painting.precision, job.memory_format)
        return Ready(backbone, settings.changed(precision=choice.format.precision), choice)

    def ready(self, job: Job) -> Ready:
        """Return what a job is painted with, in tiles if need be; raise `UserError` also where memory is too small."""
        ready = self.formatted(job)
        sizes = job.pair.sizes(job.size_px)
        return replace(ready, settings=fit_memory(*sizes, ready.backbone, ready.settings, self.device))

    def scene(self, job: Job) -> Scene:
        """Return the pictures of a job, at its size."""
        return job.pair.scene(job.size_px, self.device)

    def paint(
        self,
        job: Job,
        ready: Ready,
        scene: Scene,
        report: Callable[[Step], None] = lambda step: None,
        at_scale: Callable[[Tensor], None] = lambda image: None,
        *,
        keeps_unfinished: bool = False,
    ) -> Painting:
        """Return the painting of a job, the same whatever was painted before; see `transfer.painting.loop.paint`."""
        seed_everything(job.painting.seed)
        return paint(scene, ready.backbone, ready.settings, report, at_scale, keeps_unfinished=keeps_unfinished)
