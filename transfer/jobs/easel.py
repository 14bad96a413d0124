"""Where jobs are painted: it keeps the last network, laid out in the number format that suits it here."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.prepare import load_backbone
from nstkit.formats import Choice
from nstkit.hardware import seed_everything
from transfer.jobs.job import Job
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

    def ready(self, job: Job) -> Ready:
        """Return what a job is painted with; raise `UserError` where the network cannot be had."""
        backbone = self.network(job)
        settings = job.painting.resolved(job.pair.mode, job.size_px, backbone.patch_px)
        choice = fit_format(backbone, settings.losses, job.painting.precision, job.memory_format)
        return Ready(backbone, settings.changed(precision=choice.format.precision), choice)

    def scene(self, job: Job) -> Scene:
        """Return the pictures of a job, at its size."""
        return job.pair.scene(job.size_px, self.device)

    def paint(
        self,
        job: Job,
        ready: Ready,
        scene: Scene,
        report: Callable[[Step], None] = lambda step: None,
        *,
        keeps_interrupted: bool = False,
    ) -> Painting:
        """Return the painting of a job, the same whatever was painted before; see `transfer.painting.loop.paint`."""
        seed_everything(job.painting.seed)
        return paint(scene, ready.backbone, ready.settings, report, keeps_interrupted=keeps_interrupted)
