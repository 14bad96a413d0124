"""What is known of each judge: which frauds it tells from good pictures, and whether it is to be trusted.

The table that is shipped, validity.json, is written by `python -m transfer.judges --validate`. Whoever shows a
judge's value shows with `mark` whether it failed.

A judge is trusted if

- the lower bound of its AUC, over those kinds of frauds that no judge holds among its candidates, is at least 0.8, and
  there is no kind of fraud that it rather prefers (AUC below 0.5);
- and, if it judges style, it orders under-stylized pictures (rank correlation with the dose at least 0.5 in each
  series, and it does not rather prefer one of them to a painting of the same network), and repaintings of one picture
  differ by less than a third of what different networks differ by.

With fewer than 4 pairs, or with nothing to be told apart, there is no verdict. What could not be asked decides nothing.
"""

import dataclasses
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
LEAST_DOSE = 0.5
LEAST_PLAIN = 0.5
MOST_REPEAT_RATIO = 1 / 3
UNDER_STYLIZED = ("evaluations", "gatys", "neural-style")
"""Series whose pictures have too little style, more and more of it: few evaluations, losses that take long."""
RULE = (
    f"trusted = lower bound of the mean AUC over untold kinds at least {LEAST_AUC:g}, no kind of fraud below "
    f"{LEAST_KIND_AUC:g};\nof style also: dose at least {LEAST_DOSE:g}, plain at least {LEAST_PLAIN:g}, again below "
    f"{MOST_REPEAT_RATIO:.2f}; at least {LEAST_PAIRS} pairs"
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
        told: AUC with the bounds of its 95 % interval, from a bootstrap over pairs, over the kinds that judges hold
            among their candidates.
        untold: likewise over all other kinds.
        pooled: AUC when pictures of different pairs are compared too.
        frauds: AUC with its bounds, by kind of fraud.
        goods: AUC against all frauds, by kind of good picture.
        dose: rank correlation with the dose of style by series, mean over pairs; the sign is such that 1 is right.
        sensitivity: how often it prefers the stronger of two pictures by one painter, by what makes it stronger.
        plain: how often it prefers a painting to an under-stylized picture by the same network, by loss
            and evaluations.
        repainted: standard deviation of its value over repaintings of one picture.
        between: that over the paintings of one pair by several networks.
        repaintings: root mean square change by what was changed.
        changes: mean change by exposure or size, in standard deviations over all cases.
        pairs: how many.
    """

    name: str
    aspect: str
    auc: float
    told: tuple[float, float, float]
    untold: tuple[float, float, float]
    pooled: float
    frauds: dict[str, tuple[float, float, float]]
    goods: dict[str, float]
    dose: dict[str, float]
    sensitivity: dict[str, float]
    plain: dict[str, float]
    repainted: float
    between: float
    repaintings: dict[str, float]
    changes: dict[str, float]
    pairs: int

    @property
    def is_trusted(self) -> bool | None:
        """The verdict by the rule of this module; None where there is none."""
        if self.pairs < LEAST_PAIRS or not self.frauds:
            return None
        return not self.failures

    @property
    def failures(self) -> tuple[str, ...]:
        """The parts of the rule that it fails: frauds, kind, and of style dose, plain and again."""
        # A comparison with nan is False: what was not asked fails nothing.
        failing = {
            "frauds": not self.untold[1] >= LEAST_AUC,
            "kind": any(auc < LEAST_KIND_AUC for auc, _, _ in self.frauds.values()),
        }
        if self.aspect == "style":
            failing |= {
                "dose": self.least_dose < LEAST_DOSE,
                "plain": self.least_plain < LEAST_PLAIN,
                "again": self.repeat_ratio >= MOST_REPEAT_RATIO,
            }
        return tuple(part for part, fails in failing.items() if fails)

    @property
    def least_dose(self) -> float:
        """The lowest rank correlation over the under-stylized series; nan where there is none."""
        return min((self.dose[series] for series in UNDER_STYLIZED if series in self.dose), default=math.nan)

    @property
    def least_plain(self) -> float:
        """The lowest of `plain`; nan where there is none."""
        return min(self.plain.values(), default=math.nan)

    @property
    def repeat_ratio(self) -> float:
        """Deviation between repaintings over deviation between networks; nan where one is unknown."""
        return self.repainted / self.between if self.between else math.nan

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
    known = {field.name: _as_numbers(fields[field.name]) for field in dataclasses.fields(Validity)}
    return Validity(**known)


def _as_numbers(value: Any) -> Any:
    """Return what JSON holds with NaN for null, and a tuple for a list."""
    if isinstance(value, dict):
        return {key: _as_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(map(_as_numbers, value))
    return math.nan if value is None else value
