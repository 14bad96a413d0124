"""Pictures of one painter whose order is known: does a judge see it, and does it see what is not there?

Three questions. Does a judge's value rise with the dose of style? Of two pictures by the same network, does it prefer
the one with more style? And does it stay where a picture is only painted again?
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from transfer.judges.validation.auc import rank_correlation
from transfer.judges.validation.cases import Case

JudgedCase = tuple[Case, float]
"""A case and a judge's value of it; higher = better."""

SENSITIVE = ("weight", "evaluations")
"""Series whose neighbouring doses are compared one by one."""
PLAIN = ("gatys", "neural-style")
"""Series whose pictures are under-stylized to the last, next to a painting of the same network."""


def dose_orders(judged: Iterable[JudgedCase], falls: bool = False) -> dict[str, float]:
    """Return by series the rank correlation of value and dose, the mean over pairs and painters; 1 is right.

    Args:
        judged: cases with values.
        falls: whether the value should fall with the dose, as that of content does.
    """
    correlations: dict[str, list[float]] = {}
    for series, values in _doses(judged):
        correlation = rank_correlation(list(values), list(values.values()))
        correlations.setdefault(series, []).append(-correlation if falls else correlation)
    return without_nan({series: mean(values) for series, values in correlations.items()})


def sensitivity(judged: Iterable[JudgedCase]) -> dict[str, float]:
    """Return how often a judge prefers the stronger of two pictures of one pair by one painter, a tie counted half.

    Example:
        >>> import torch
        >>> grey = torch.zeros(1, 3, 4, 4)
        >>> weak, strong = (Case("p", "painting", grey, grey, grey, "dose/weight", weight) for weight in (3.0, 10.0))
        >>> sensitivity([(weak, -0.1), (strong, 0.2)])
        {'weight 10 over 3': 1.0}
    """
    wins: dict[str, list[float]] = {}
    for series, values in _doses(judged):
        if series in SENSITIVE:
            for (low, weak), (high, strong) in itertools.pairwise(values.items()):
                wins.setdefault(f"{series} {high:g} over {low:g}", []).append(_win(strong, weak))
    return without_nan({name: mean(values) for name, values in wins.items()})


def preferred_to_plain(judged: Sequence[JudgedCase]) -> dict[str, float]:
    """Return how often a judge prefers a painting to each under-stylized picture of the same pair and painter."""
    paintings = {
        (case.pair, case.painter): value for case, value in judged if case.kind == "painting" and not case.series
    }
    wins: dict[str, list[float]] = {}
    for case, value in judged:
        series = case.series.removeprefix("dose/")
        if series in PLAIN and case.amount and (case.pair, case.painter) in paintings:
            name = f"{series} {case.amount:g}"
            wins.setdefault(name, []).append(_win(paintings[case.pair, case.painter], value))
    return without_nan({name: mean(values) for name, values in wins.items()})


def repeatability(judged: Sequence[JudgedCase]) -> tuple[float, float, dict[str, float]]:
    """Return how much a value moves when a picture is painted again, how much between networks, and what moves it.

    Returns:
        The standard deviation over a painting and its repaintings, of one pair by one painter; that over the paintings
        of one pair by all painters, both pooled (nan where there are not two); and for each change the root mean square
        of what it does to the value.
    """
    paintings: dict[str, dict[str, float]] = {}
    again: dict[tuple[str, str], list[float]] = {}
    for case, value in judged:
        if case.kind == "painting" and not case.series and not math.isnan(value):
            paintings.setdefault(case.pair, {})[case.painter] = value
    moves: dict[str, list[float]] = {}
    for case, value in judged:
        if not case.series.startswith("repainting/") or math.isnan(value):
            continue
        painting = paintings.get(case.pair, {}).get(case.painter, math.nan)
        again.setdefault((case.pair, case.painter), [painting]).append(value)
        moves.setdefault(case.series.removeprefix("repainting/"), []).append((value - painting) ** 2)
    return (
        _pooled_deviation(again.values()),
        _pooled_deviation(list(by_painter.values()) for by_painter in paintings.values()),
        without_nan({cause: math.sqrt(mean(squares)) for cause, squares in moves.items()}),
    )


def mean(values: Sequence[float]) -> float:
    """Return the mean of what is not nan."""
    return float(np.mean([value for value in values if not math.isnan(value)] or [math.nan]))


def without_nan(values: Mapping[str, float]) -> dict[str, float]:
    """Return the entries that are numbers."""
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _doses(judged: Iterable[JudgedCase]) -> Iterator[tuple[str, dict[float, float]]]:
    """Yield each series of each pair and painter, without its prefix, as values by rising dose."""
    steps = [(case, value) for case, value in judged if case.series.startswith("dose/")]
    steps.sort(key=lambda step: (step[0].series, step[0].pair, step[0].painter, step[0].amount))
    for (series, *_), group in itertools.groupby(steps, lambda step: (step[0].series, step[0].pair, step[0].painter)):
        yield series.removeprefix("dose/"), {case.amount: value for case, value in group}


def _win(strong: float, weak: float) -> float:
    """Return 1 where the first is higher, 0 where it is lower, 0.5 for a tie, nan where one is missing."""
    return math.nan if math.isnan(strong - weak) else 0.5 + 0.5 * float(np.sign(strong - weak))


def _pooled_deviation(groups: Iterable[Sequence[float]]) -> float:
    """Return the root of the mean variance within groups of two and more, weighted by their degrees of freedom."""
    squares, freedom = 0.0, 0
    for group in groups:
        squares += float(np.var(group) * len(group))
        freedom += len(group) - 1
    return math.sqrt(squares / freedom) if freedom else math.nan
