"""All pictures of one command, as a sheet and as a page: pictures, curves, judges, settings. It opens from the disk."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from nstkit.config import settings_of
from nstkit.pages.render import CURVE_PX, as_data, curve_points, write_page
from transfer.config import TransferConfig
from transfer.judges.trust import LEGEND, mark
from transfer.pairs import Pair
from transfer.sheet import Sheet, blocks

TEMPLATE = Path(__file__).with_name("overview.html")
PICTURE_PX, LEAST_PX = 640, 160  # longer side of a picture in the page, of which there may be few or many
SOURCE_PX = 240  # of one that it was painted from
PAGE_PIXELS = 2**25  # of the pictures of one network in the page


@dataclass(frozen=True)
class Shown:
    """A picture of the page.

    Attributes:
        network: that painted it.
        pair: its name.
        path: of the file at full size.
        data: the picture itself, small.
        losses: of every evaluation.
        numbers: what was measured on it, by name.
    """

    network: str
    pair: str
    path: Path
    data: str
    losses: Sequence[float]
    numbers: Mapping[str, float]


class Overview:
    """Takes the pictures of networks and pairs, in any order."""

    def __init__(self, pairs: Sequence[Pair], config: TransferConfig) -> None:
        self._pairs, self._config = pairs, config
        self._sheet = Sheet(pairs)
        self._picture_px = max(LEAST_PX, min(PICTURE_PX, math.isqrt(PAGE_PIXELS // len(pairs))))
        self._sources = [_sources(pair) for pair in pairs]
        self._shown: list[Shown] = []

    def add(
        self,
        picture: Image.Image,
        network: str,
        pair: str,
        path: Path,
        losses: Sequence[float],
        numbers: Mapping[str, float],
    ) -> None:
        """Take a picture of any size; see `Shown`."""
        self._sheet.add(picture, network, pair)
        self._shown.append(Shown(network, pair, path, as_data(picture, self._picture_px), losses, numbers))

    def draw_sheet(self) -> Image.Image:
        """Return the sheet as far as it is filled."""
        return self._sheet.draw()

    def write_page(self, path: Path) -> None:
        """Write the page as far as it is filled."""
        networks = list(dict.fromkeys(each.network for each in self._shown))
        columns = list(dict.fromkeys(name for each in self._shown for name in each.numbers))
        words = (_counted(len(networks), "network"), _counted(len(self._pairs), "pair"))
        count = f"{_counted(len(self._shown), 'picture')}: {' x '.join(words)}"
        numbers = [
            [each.network, each.pair, *(_digits(each.numbers.get(name)) for name in columns)] for each in self._shown
        ]
        write_page(
            path,
            TEMPLATE,
            title=count,
            about=f"{self._config.pictures.size} px, {self._config.optimization.steps} evaluations",
            blocks=[
                {
                    "pairs": self._sources[block],
                    "rows": [{"network": name, "pictures": self._row(name, block, path.parent)} for name in networks],
                }
                for block in blocks(len(self._pairs))
            ],
            curve_px=CURVE_PX,
            legend=LEGEND,
            columns=["network", "pair", *map(_heading, columns)],
            numbers=numbers,
            settings=json.dumps(settings_of(self._config), indent=2),
        )

    def _row(self, network: str, block: slice, folder: Path) -> list[dict[str, Any] | None]:
        """Return what a network painted of some of the pairs, None for what it did not."""
        of_network = {each.pair: each for each in self._shown if each.network == network}
        return [
            {
                "pair": each.pair,
                "link": quote(Path(os.path.relpath(each.path, folder)).as_posix()),
                "data": each.data,
                "curve": curve_points(each.losses),
                "evaluations": len(each.losses),
                "caption": _caption(each.numbers),
            }
            if (each := of_network.get(pair.name)) is not None
            else None
            for pair in self._pairs[block]
        ]


FIRST = ("judge/style", "judge/content", "loss/style")
"""Numbers that stand below a picture."""


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _heading(name: str) -> str:
    return mark(name).removeprefix("judge/") if name.startswith("judge/") else name


def _caption(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name.removeprefix('judge/')} {_digits(numbers[name])}" for name in FIRST if name in numbers)


def _sources(pair: Pair) -> list[dict[str, str]]:
    sources = ((pair.content, pair.content_name), (pair.style, pair.style_name))
    return [{"data": as_data(picture, SOURCE_PX), "name": name} for picture, name in sources if picture is not None]


def _digits(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
