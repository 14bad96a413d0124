"""What is known of each judge: which frauds it tells from good pictures, and whether it is to be trusted.

The table that is shipped, validity.json, is written by `python -m transfer.judges --validate`. Whoever shows a
judge's value shows with `mark` whether it failed.

A judge is trusted if the lower bound of its AUC over all kinds of frauds is at least 0.8, and there is no kind of fraud
that it rather prefers (AUC below 0.5). With fewer than 4 pairs, or with nothing to be told apart, there is no verdict.
"""

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nstkit.files import write_atomically

SHIPPED = Path(__file__).with_name("validity.json")
LEAST_AUC = 0.8
LEAST_KIND_AUC = 0.5
LEAST_PAIRS = 4
RULE = (
    f"trusted = lower bound of the mean AUC at least {LEAST_AUC:g} and no kind of fraud below {LEAST_KIND_AUC:g}; "
    f"at least {LEAST_PAIRS} pairs"
)
VERDICTS = {True: "trusted", False: "fails", None: "none"}
MARKS = {True: "", False: "!", None: "?"}
LEGEND = "! = fails its test on known pictures, ? = untested (python -m transfer.judges --validate)"


@dataclass(frozen=True)
class Validity:
    """What one judge can tell apart. AUC = how often it prefers a good picture to a fraud of the same pair.

    Attributes:
        name: of the measure, with its network.
        aspect: what it was asked about: style, content or artefacts.
        auc: mean over kinds of frauds; nan where it was asked nothing.
        low: lower bound of the 95 % interval, from a bootstrap over pairs.
        high: upper bound.
        pooled: AUC when pictures of different pairs are compared too.
        frauds: AUC with its bounds, by kind of fraud.
        goods: AUC against all frauds, by kind of good picture.
        dose: rank correlation with the dose of style by series, mean over pairs; the sign is such that 1 is right.
        changes: mean change by exposure or size, in standard deviations over all cases.
        pairs: how many.
    """

    name: str
    aspect: str
    auc: float
    low: float
    high: float
    pooled: float
    frauds: dict[str, tuple[float, float, float]]
    goods: dict[str, float]
    dose: dict[str, float]
    changes: dict[str, float]
    pairs: int

    @property
    def is_trusted(self) -> bool | None:
        """The verdict by the rule of this module; None where there is none."""
        if self.pairs < LEAST_PAIRS or not self.frauds:
            return None
        return self.low >= LEAST_AUC and all(auc >= LEAST_KIND_AUC for auc, _, _ in self.frauds.values())

    @property
    def verdict(self) -> str:
        """The verdict as a word."""
        return VERDICTS[self.is_trusted]

    @property
    def worst(self) -> str:
        """The kind of fraud that it is fooled by most; "" where it was asked nothing."""
        return min(self.frauds, key=lambda kind: self.frauds[kind][0], default="")


def ranked(table: Mapping[str, Validity]) -> list[Validity]:
    """Return the judges by aspect, best first within each; those that were asked nothing come last."""
    return sorted(table.values(), key=lambda judge: (judge.aspect, math.isnan(judge.auc), -judge.auc))


def save_validity(path: Path, table: Mapping[str, Validity], about: Mapping[str, Any]) -> None:
    """Write a table as JSON; `about` says how it was made."""
    judges = {name: {**_rounded(asdict(judge)), "is_trusted": judge.is_trusted} for name, judge in table.items()}
    content = {"about": dict(about), "rule": RULE, "judges": judges}
    write_atomically(path, lambda file: file.write(json.dumps(content, indent=1, allow_nan=False).encode()))


@functools.cache
def load_validity(path: Path = SHIPPED) -> dict[str, Validity]:
    """Return what is known of each judge by the measure's name; nothing where the file is missing."""
    if not path.exists():
        return {}
    judges = json.loads(path.read_text())["judges"]
    return {name: _read(fields) for name, fields in judges.items()}


def is_trusted(name: str) -> bool | None:
    """Return whether a measure passed its test; None where this measure with this network was not tested."""
    judge = load_validity().get(name)
    return None if judge is None else judge.is_trusted


def mark(name: str) -> str:
    """Return a measure's name with a sign where it failed (!) or was not tested (?); see `LEGEND`."""
    return name + MARKS[is_trusted(name)]


def _rounded(value: Any) -> Any:
    """Return plain values to four places; JSON has no NaN, so it becomes null."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def _read(fields: dict[str, Any]) -> Validity:
    """Return a judge of the file; null is NaN."""
    goods, dose, changes = (
        {key: _as_number(value) for key, value in fields[name].items()} for name in ("goods", "dose", "changes")
    )
    auc, low, high, pooled = (_as_number(fields[name]) for name in ("auc", "low", "high", "pooled"))
    return Validity(
        name=fields["name"],
        aspect=fields["aspect"],
        auc=auc,
        low=low,
        high=high,
        pooled=pooled,
        frauds={kind: (_as_number(a), _as_number(b), _as_number(c)) for kind, (a, b, c) in fields["frauds"].items()},
        goods=goods,
        dose=dose,
        changes=changes,
        pairs=fields["pairs"],
    )


def _as_number(value: float | None) -> float:
    return math.nan if value is None else float(value)
