"""The rows of results.csv as arrays: networks x pairs x style weights, of one variant, size and seed of the painter."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from nstkit.errors import UserError

Row = Mapping[str, Any]
PAINTED_BY = ("variant", "size_px", "seed")  # what the pictures of one table have in common


@dataclass(frozen=True)
class Painter:
    """A network of a table.

    Attributes:
        label: its name.
        arm: the group it belongs to.
        seed: of its training, None where that is not known.
        epoch: at which it was kept, NaN where that is not known.
        quality: of it, NaN where it was not measured.
    """

    label: str
    arm: str
    seed: int | None
    epoch: float
    quality: float


@dataclass(frozen=True)
class Table:
    """Pictures that differ in network, pair and style weight alone.

    Attributes:
        about: variant, size and seed of the painter.
        networks: of the first axis.
        pairs: (content, style) of the second axis.
        weights: of the third axis, in order.
        matched_by: what is held at one level, NaN for a picture that is missing.
        outcome: what the question is about, likewise.
    """

    about: dict[str, Any]
    networks: list[Painter]
    pairs: list[tuple[str, str]]
    weights: list[float]
    matched_by: Float[np.ndarray, "n p w"]
    outcome: Float[np.ndarray, "n p w"]

    def mean_front(
        self, pair_weights: Float[np.ndarray, " p"] | None = None
    ) -> tuple[Float[np.ndarray, "n w"], Float[np.ndarray, "n w"]]:
        """Return content and outcome of each network and weight over the pairs, of which every weight is painted.

        Args:
            pair_weights: how much each pair counts. None = all alike.
        """
        is_whole = np.isfinite(self.matched_by + self.outcome).all(axis=2)  # n p
        share = is_whole * (np.ones(len(self.pairs)) if pair_weights is None else pair_weights)
        total = share.sum(axis=1, keepdims=True)
        share = np.divide(share, total, out=np.full_like(share, np.nan), where=total > 0)
        fronts = [(np.nan_to_num(values) * share[:, :, None]).sum(axis=1) for values in (self.matched_by, self.outcome)]
        return fronts[0], fronts[1]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table, numbers as such and None for an empty cell.

    Raises:
        UserError: where there is none.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(file)]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}. Give the folder of a study.") from error


def tables_of(rows: Sequence[Row], *, outcome: str, matched_by: str, quality: str) -> list[Table]:
    """Return a table for each variant, size and seed of the painter, in the order in which they come.

    Args:
        rows: of results.csv.
        outcome: the column that the question is about.
        matched_by: the column that is held at one level.
        quality: the column of the networks' quality.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in PAINTED_BY), []).append(row)
    return [
        _table(dict(zip(PAINTED_BY, key, strict=True)), group, outcome, matched_by, quality)
        for key, group in groups.items()
    ]


def _table(about: dict[str, Any], rows: Sequence[Row], outcome: str, matched_by: str, quality: str) -> Table:
    networks = {row["backbone"]: _painter(row, quality) for row in rows}
    pairs = list(dict.fromkeys((str(row["content"]), str(row["style"])) for row in rows))
    weights = sorted({number(row.get("style_weight")) for row in rows if row.get("style_weight") is not None})
    shape = (len(networks), len(pairs), len(weights))
    arrays = {name: np.full(shape, np.nan) for name in (matched_by, outcome)}
    places = {label: place for place, label in enumerate(networks)}
    for row in rows:
        if row.get("style_weight") is None:  # it failed before its settings were known
            continue
        pair, weight = (str(row["content"]), str(row["style"])), number(row["style_weight"])
        place = (places[row["backbone"]], pairs.index(pair), weights.index(weight))
        for name, array in arrays.items():
            array[place] = number(row.get(name))
    return Table(about, list(networks.values()), pairs, weights, arrays[matched_by], arrays[outcome])


def _painter(row: Row, quality: str) -> Painter:
    seed = number(row.get("train_seed"))
    return Painter(
        label=str(row["backbone"]),
        arm=str(row.get("arm") or "networks"),
        seed=None if math.isnan(seed) else int(seed),
        epoch=number(row.get("epoch")),
        quality=number(row.get(quality)),
    )


def number(value: Any) -> float:
    """Return a cell as a number, NaN where it is none."""
    return float(value) if isinstance(value, (int, float)) else math.nan


def _value(text: str | None) -> Any:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text
