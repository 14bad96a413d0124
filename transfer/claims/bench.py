"""Where claims paint: each picture once, kept in the run's folder with its numbers."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from nstkit.backbones.spec import BackboneSpec, parse_backbone
from nstkit.command_line import read_words
from nstkit.errors import UserError
from nstkit.figures.compose import Tile, contact_sheet
from nstkit.pictures.read import read_picture
from nstkit.runs import Run
from transfer.claims.config import ClaimsConfig
from transfer.config import TransferConfig
from transfer.jobs.job import Job
from transfer.jobs.store import Store
from transfer.judges.networks import local_specs
from transfer.pairs import Pair
from transfer.study.cells import Row, key_of, read_grid_pairs
from transfer.study.config import GridSettings, StudyConfig, preset_of
from transfer.study.grid import Painter

GAP_PX = 8


@dataclass(frozen=True)
class Shown:
    """A picture that was painted for a claim.

    Attributes:
        pair: what it was painted from.
        network: label of what it was painted with.
        label: how it was painted, for the sheet.
        row: its numbers by column.
        picture: the result.
    """

    pair: Pair
    network: str
    label: str
    row: Row
    picture: Image.Image

    def value(self, name: str) -> float:
        """Return one of its numbers; raise `UserError` where the judges did not give it."""
        if name not in self.row:
            raise UserError(f"no {name}: {self.row.get('not judged', 'there is no judge')}")
        return float(self.row[name])


class Bench:
    """What all claims share: networks, pictures, and the pictures that were painted before.

    Attributes:
        config: of the command.
        device: where to compute.
        pairs: at least one.
        vgg19: the network that stands for ImageNet's VGG19.
    """

    def __init__(self, run: Run, config: ClaimsConfig, device: torch.device) -> None:
        self.run, self.config, self.device = run, config, device
        given = config.claims
        grid = GridSettings(content=given.content, style=given.style, pairing="matched")
        self.pairs = read_grid_pairs(grid, given.size)
        self.vgg19 = imagenet_vgg19(given.vgg19)
        self._store = Store(run.folder / "cells")
        study = StudyConfig.of(**config.judging.flat(), device=config.run.device, precision=config.run.precision)
        self._painter = Painter(study, config.run.device)

    def settings(self, spec: BackboneSpec, flags: str) -> TransferConfig:
        """Return what flags of `python -m transfer` come to, with one network and as long as claims are painted."""
        given = read_words(TransferConfig, shlex.split(flags))
        run = {"steps": self.config.claims.steps, "device": self.config.run.device}
        return TransferConfig.of(**{**run, **preset_of(given, (spec.text,)), **given})

    def paint(self, spec: BackboneSpec, flags: str, label: str) -> list[Shown]:
        """Return every pair painted by a network, those that are finished from the folder.

        Args:
            spec: the network.
            flags: of `python -m transfer`.
            label: how that is called.

        Raises:
            UserError: where one cannot be painted.
        """
        settings = self.settings(spec, flags)
        shown = []
        for pair in self.pairs:
            cell = Job(spec, pair, self.config.claims.size, label, settings.network, settings.painting)
            key = key_of(cell, self.config.judging)
            if (row := self._store.find(key, key)) is not None:
                picture = read_picture(self._store.path(key))
            else:
                row, picture = self._painter(cell)
                if "error" in row:
                    raise UserError(str(row["error"]))
                self._store.keep(key, key, row, picture)
            print(f"  {spec.label} {label} {pair.name}")
            shown.append(Shown(pair, spec.label, label, row, picture))
        return shown


def imagenet_vgg19(text: str | None) -> BackboneSpec:
    """Return the VGG19 that was asked for, or whose weights lie on this machine, or else the carried network."""
    if text is not None:
        return parse_backbone(text)
    return local_specs().get("vgg19") or parse_backbone("carried")


def sheet_of(rows: Sequence[Sequence[Shown]], names: Sequence[str] = ()) -> Image.Image:
    """Return pictures on a sheet: a row for each way of painting, a column for each pair, named numbers below."""
    tiles = []
    for shown in (shown for row in rows for shown in row):
        numbers = (f"{name} {shown.row[name]:.3f}" for name in names if name in shown.row)
        lines = dict.fromkeys((shown.network, shown.label, *numbers))  # a network may be the way of painting
        tiles.append(Tile(shown.picture, tuple(lines)))
    return contact_sheet(tiles, len(rows[0]), gap_px=GAP_PX, margin_px=GAP_PX)
