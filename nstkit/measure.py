"""What every measure of extractor quality or of a picture says about itself."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

Aspect = Literal["extractor", "style", "content", "artefacts", "colour", "texture"]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Measure(Generic[Value]):
    """A pure function and how to read its number.

    Attributes:
        name: the tag it is logged under, such as `judge/colour`.
        function: what is called to compute it: the value itself, or one for each picture of a batch, of which the mean
            is meant.
        unit: unit of the value, "" for a plain ratio.
        range: lowest and highest possible value.
        higher_is_better: which direction is good.
        source: paper and equation, or where the idea comes from.
        aspect: what it is about: the network (`extractor`), or one side of a picture that was painted.
    """

    name: str
    function: Callable[..., Value]
    unit: str
    range: tuple[float, float]
    higher_is_better: bool
    source: str
    aspect: Aspect


def legend(measures: Iterable[Measure[Any]]) -> str:
    """Return in one line how measures are read: which way is better, unit and range; those alike in all this together.

    Args:
        measures: named without what their tags begin with.

    Example:
        >>> share = Measure("extractor/dead", max, "share of the channels", (0.0, 1.0), False, "by hand", "extractor")
        >>> count = Measure("extractor/rank", max, "", (1.0, float("inf")), True, "by hand", "extractor")
        >>> legend([share, count])
        'dead ↓ share of the channels, 0 to 1; rank ↑ from 1'
    """
    readings: dict[str, list[str]] = {}
    for measure in measures:
        low, high = measure.range
        span = f"from {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
        arrow = "↑" if measure.higher_is_better else "↓"
        reading = f"{arrow} {measure.unit}, {span}" if measure.unit else f"{arrow} {span}"
        readings.setdefault(reading, []).append(measure.name.partition("/")[2])
    return "; ".join(f"{', '.join(names)} {reading}" for reading, names in readings.items())
