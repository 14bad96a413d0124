"""What every measure of extractor quality or of a picture says about itself."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A pure function and how to read its number.

    Attributes:
        name: the tag it is logged under, such as `judge/colour`.
        function: what computes it.
        unit: unit of the value, "" for a plain ratio.
        range: lowest and highest possible value.
        higher_is_better: which direction is good.
        source: paper and equation, or where the idea comes from.
    """

    name: str
    function: Callable[..., float]
    unit: str
    range: tuple[float, float]
    higher_is_better: bool
    source: str
