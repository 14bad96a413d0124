"""What was found of a claim, and the table of all."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image

Verdict = Literal["yes", "no", "mixed", "not measured"]


@dataclass(frozen=True)
class Finding:
    """What was measured of a claim.

    Attributes:
        measured: in words, with the numbers and how many pairs they are of.
        agrees: whether it agrees with the claim.
        values: the numbers by name, for curves.
        figures: pictures that show it, by name.
    """

    measured: str
    agrees: Verdict
    values: Mapping[str, float]
    figures: Mapping[str, Image.Image]


def verdict_of(differences: Sequence[float]) -> Verdict:
    """Return whether all differences are above 0 (yes), none is (no), or some are (mixed).

    Example:
        >>> verdict_of([0.1, 0.2]), verdict_of([0.1, -0.2]), verdict_of([0.0]), verdict_of([])
        ('yes', 'mixed', 'no', 'not measured')
    """
    above = sum(difference > 0 for difference in differences)
    if not differences:
        return "not measured"
    return "yes" if above == len(differences) else "mixed" if above else "no"


def median_and_range(values: Sequence[float]) -> str:
    """Return the median of values, and their least and greatest where there are several.

    Example:
        >>> median_and_range([0.5]), median_and_range([0.25, 1.0, 0.5])
        ('0.5', '0.5 (0.25 to 1)')
    """
    middle = f"{statistics.median(values):.3g}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.3g} to {max(values):.3g})"


def claims_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows of `claim`, `source`, `measured` and `agrees` as a Markdown table."""
    lines = ["| claim | source | measured | agrees |", "|---|---|---|---|"]
    for row in rows:
        cells = (row[name].replace("|", "/") for name in ("claim", "source", "measured", "agrees"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
