"""Every judge over cases of known quality: `judge_cases`, then `summarise` into a `Validity` each."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from nstkit.measure import Aspect, Measure
from transfer.judges.artefacts import GUARDS
from transfer.judges.trust import Validity, ranked
from transfer.judges.validation.auc import Groups, auc, auc_by_kind, interval, overall
from transfer.judges.validation.cases import KINDS, Case, Question
from transfer.judges.validation.orders import (
    JudgedCase,
    dose_orders,
    mean,
    preferred_to_plain,
    repeatability,
    sensitivity,
    without_nan,
)

QUESTIONS: Mapping[Aspect, Question] = {
    "style": "style",
    "colour": "style",
    "texture": "style",
    "content": "content",
    "artefacts": "artefacts",
}
"""What a measure is asked about, by its aspect: colours and textures are those of the style."""

COLUMNS = (
    "told, untold: AUC against kinds of frauds that judges hold, or do not hold, among their candidates.\n"
    "sense: how often the stronger of two paintings is preferred. dose: least rank correlation with under-stylized "
    "doses.\nplain: least preference for a painting over an under-stylized one. again: deviation between repaintings "
    "over that between networks."
)
"""What stands in the columns of the table."""

GUARD_NAMES = frozenset(guard.name for guard in GUARDS)


@runtime_checkable
class Judges(Protocol):
    """What is asked: a panel."""

    @property
    def measures(self) -> Sequence[Measure]:
        """What `judge` returns."""

    def judge(self, picture: Tensor, content: Tensor, style: Tensor) -> dict[str, float]:
        """Return every measure's value of a picture."""


def is_asked(name: str, case: Case, partial: Mapping[str, Collection[str]] = MappingProxyType({})) -> bool:
    """Return whether a judge is asked about a case.

    Args:
        name: of the measure.
        case: about which. Not about what the judge's own network painted; guards about what they guard against.
        partial: labels of the judging networks that are the painter's own, by the painter's label.
    """
    if name.partition("@")[2] in partial.get(case.painter, ()):
        return False
    if name not in GUARD_NAMES or case.expected("artefacts") is not False:
        return True
    return name in KINDS[case.kind].guards


def judge_cases(
    panel: Judges,
    cases: Iterable[Case],
    partial: Mapping[str, Collection[str]] = MappingProxyType({}),
    advance: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Return every measure's values of the cases, in their order; nan where it has none or is not asked.

    Args:
        panel: the judges.
        cases: pictures of known quality. The same tensors in two cases are judged once.
        partial: as `is_asked` has it.
        advance: called behind each case.
    """
    values: dict[str, list[float]] = {measure.name: [] for measure in panel.measures}
    seen: dict[tuple[int, ...], dict[str, float]] = {}
    kept = []  # so that no two pictures can have one identity
    for case in cases:
        pictures = (case.picture, case.content, case.style)
        key = tuple(map(id, pictures))
        if key not in seen:
            seen[key] = _judge(panel, case)
            kept.append(pictures)
        for name, column in values.items():
            column.append(seen[key].get(name, math.nan) if is_asked(name, case, partial) else math.nan)
        advance()
    return values


def _judge(panel: Judges, case: Case) -> dict[str, float]:
    try:
        return panel.judge(case.picture, case.content, case.style)
    except ValueError:  # too small for some judge
        return {}


def summarise(
    measures: Iterable[Measure], cases: Sequence[Case], values: Mapping[str, Sequence[float]]
) -> dict[str, Validity]:
    """Return what each judge can tell apart, by its name.

    Args:
        measures: say which direction is good, and what they are asked about.
        cases: that were judged.
        values: of each measure, in the order of the cases.
    """
    return {measure.name: _summary(measure, cases, values[measure.name]) for measure in measures}


def _summary(measure: Measure, cases: Sequence[Case], values: Sequence[float]) -> Validity:
    question = QUESTIONS[measure.aspect]
    sign = 1 if measure.higher_is_better else -1
    judged = [(case, sign * value) for case, value in zip(cases, values, strict=True)]
    main = [(case, value) for case, value in judged if not case.series and not math.isnan(value)]
    kinds, table = auc_by_kind(_groups(main, question))
    columns = np.split(table, len(kinds), axis=1) if kinds else []
    good, bad = ([value for case, value in main if case.expected(question) is wanted] for wanted in (True, False))
    is_told = np.array([KINDS[kind].told == question for kind in kinds], bool)
    told, untold = (_with_bounds(table[:, chosen]) for chosen in (is_told, ~is_told))
    is_about_style = question == "style"
    repainted, between, repaintings = repeatability(judged)
    return Validity(
        name=measure.name,
        aspect=question,
        auc=overall(table),
        told=told,
        untold=untold,
        pooled=auc(good, bad),
        frauds={
            kind: _with_bounds(column)
            for kind, column in zip(kinds, columns, strict=True)
            if not np.isnan(column).all()
        },
        goods=_by_good_kind(main, question),
        dose={} if question == "artefacts" else dose_orders(judged, falls=question == "content"),
        sensitivity=sensitivity(judged) if is_about_style else {},
        plain=preferred_to_plain(judged) if is_about_style else {},
        repainted=repainted,
        between=between,
        repaintings=repaintings,
        changes=_changes(judged, [value for _, value in main]),
        pairs=len({case.pair for case, _ in main}),
    )


def _with_bounds(table: Float[NDArray, "pairs kinds"]) -> tuple[float, float, float]:
    """Return the mean AUC and the bounds of its interval."""
    return (overall(table), *interval(table))


def _groups(main: Sequence[JudgedCase], question: Question) -> Groups:
    """Return each pair's values of good pictures, and of frauds by kind."""
    groups: dict[str, tuple[list[float], dict[str, list[float]]]] = {}
    for case, value in main:
        good, frauds = groups.setdefault(case.pair, ([], {}))
        if case.expected(question) is True:
            good.append(value)
        elif case.expected(question) is False:
            frauds.setdefault(case.kind, []).append(value)
    return list(groups.values())


def _by_good_kind(main: Sequence[JudgedCase], question: Question) -> dict[str, float]:
    """Return the AUC of each kind of good picture against all the frauds of its pair."""
    kinds = dict.fromkeys(case.kind for case, _ in main if case.expected(question) is True)
    means = {}
    for kind in kinds:
        rest = [(case, value) for case, value in main if case.kind == kind or case.expected(question) is not True]
        means[kind] = overall(auc_by_kind(_groups(rest, question))[1])
    return without_nan(means)


def _changes(judged: Sequence[JudgedCase], main: Sequence[float]) -> dict[str, float]:
    """Return the mean change by exposure and by size, in standard deviations of the values of all cases."""
    spread = float(np.std(main)) if main else 0.0
    if spread == 0:
        return {}
    unchanged = {(case.pair, case.kind): value for case, value in judged if not case.series}
    changes: dict[str, list[float]] = {}
    for case, value in judged:
        if case.series in ("exposure", "size"):
            changes.setdefault(case.series, []).append(abs(value - unchanged[case.pair, case.kind]) / spread)
    return without_nan({series: mean(values) for series, values in changes.items()})


def format_table(table: Mapping[str, Validity]) -> str:
    """Return the verdicts as text, a row a judge, best first within each aspect."""
    width = max([len("judge"), *map(len, table)])
    lines = [
        f"{'judge':{width}s}  {'about':9s}  told untold {'95 %':>12s}  verdict  {'worst fraud':22s}  sense  dose  plain"
        "  again  fails by"
    ]
    for judge in ranked(table):
        worst = f"{judge.worst} {judge.frauds[judge.worst][0]:.2f}" if judge.worst else ""
        auc, low, high = judge.untold
        bounds = f"{low:.2f} to {high:.2f}"
        sense = mean(list(judge.sensitivity.values()))
        failures = " ".join(judge.failures) if judge.is_trusted is False else ""
        lines.append(
            f"{judge.name:{width}s}  {judge.aspect:9s}  {judge.told[0]:4.2f}   {auc:4.2f} {bounds:>12s}  "
            f"{judge.verdict:7s}  {worst:22s}  {sense:5.2f} {judge.least_dose:5.2f}  {judge.least_plain:5.2f}  "
            f"{judge.repeat_ratio:5.2f}  {failures}"
        )
    return "\n".join([*lines, COLUMNS])
