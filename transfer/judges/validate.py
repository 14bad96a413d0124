"""Every judge over cases of known quality: `judge_cases`, then `summarise` into a `Validity` each."""

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from nstkit.measure import Measure
from transfer.judges.cases import KINDS, Aspect, Case
from transfer.judges.validate_auc import Groups, auc, auc_by_kind, interval, overall, rank_correlation
from transfer.judges.validity import Validity

ASPECTS: dict[str, Aspect] = {
    "content": "content",
    "cfsd": "content",
    "ssim": "content",
    "lpips": "content",
    "artefact": "artefacts",
    "guard": "artefacts",
    "ghost": "artefacts",
    "checker": "artefacts",
    "clip": "artefacts",
    "high": "artefacts",
    "nois": "artefacts",
}
"""By how a word of a measure's name begins; a measure that has none of these is asked about style."""


@runtime_checkable
class Judges(Protocol):
    """What is asked: a panel."""

    measures: Sequence[Measure]

    def judge(self, picture: Tensor, content: Tensor, style: Tensor) -> dict[str, float]:
        """Return every measure's value of a picture."""


def aspect_of(name: str) -> Aspect:
    """Return what a measure is asked about, by its name without `judge/` and network."""
    words = name.split("@")[0].removeprefix("judge/").replace("/", "_").split("_")
    found = [aspect for start, aspect in ASPECTS.items() for word in words if word.startswith(start)]
    return found[0] if found else "style"


def is_asked(name: str, case: Case, partial: Mapping[str, Collection[str]] = MappingProxyType({})) -> bool:
    """Return whether a judge is asked about a case.

    Args:
        name: of the measure.
        case: about which. Not about what the judge's own network painted; guards about what they guard against.
        partial: labels of the judging networks that are the painter's own, by the painter's label.
    """
    if own := partial.get(case.painter):
        network = name.partition("@")[2]
        if network in own or name == "judge/style":  # the mean over the networks
            return False
    guards = [start for start in ("ghost", "checker", "clip", "high", "nois") if start in name.split("@")[0]]
    if not guards or case.expected("artefacts") is not False:
        return True
    return any(guard in KINDS[case.kind].guards for guard in guards)


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
            seen[key] = _judge(panel, *pictures)
            kept.append(pictures)
        for name, column in values.items():
            column.append(seen[key].get(name, math.nan) if is_asked(name, case, partial) else math.nan)
        advance()
    return values


def _judge(panel: Judges, picture: Tensor, content: Tensor, style: Tensor) -> dict[str, float]:
    try:
        return panel.judge(picture, content, style)
    except ValueError:  # too small for some judge
        return {}


def summarise(
    measures: Iterable[Measure], cases: Sequence[Case], values: Mapping[str, Sequence[float]]
) -> dict[str, Validity]:
    """Return what each judge can tell apart, by its name.

    Args:
        measures: say which direction is good.
        cases: that were judged.
        values: of each measure, in the order of the cases.
    """
    return {measure.name: _summary(measure, cases, values[measure.name]) for measure in measures}


def _summary(measure: Measure, cases: Sequence[Case], values: Sequence[float]) -> Validity:
    aspect = aspect_of(measure.name)
    sign = 1 if measure.higher_is_better else -1
    judged = [(case, sign * value) for case, value in zip(cases, values, strict=True)]
    main = [(case, value) for case, value in judged if not case.series and not math.isnan(value)]
    groups = _groups(main, aspect)
    kinds, table = auc_by_kind(groups)
    frauds = {
        kind: (overall(column), *interval(column))
        for kind, column in zip(kinds, np.split(table, len(kinds), axis=1) if kinds else (), strict=True)
        if not np.isnan(column).all()
    }
    good, bad = ([value for case, value in main if case.expected(aspect) is wanted] for wanted in (True, False))
    low, high = interval(table)
    return Validity(
        name=measure.name,
        aspect=aspect,
        auc=overall(table),
        low=low,
        high=high,
        pooled=auc(good, bad),
        frauds=frauds,
        goods=_by_good_kind(main, aspect),
        dose=_doses(judged, aspect),
        changes=_changes(judged, [value for _, value in main]),
        pairs=len({case.pair for case, _ in main}),
    )


def _groups(main: Sequence[tuple[Case, float]], aspect: Aspect) -> Groups:
    """Return each pair's values of good pictures, and of frauds by kind."""
    groups: dict[str, tuple[list[float], dict[str, list[float]]]] = {}
    for case, value in main:
        good, frauds = groups.setdefault(case.pair, ([], {}))
        if case.expected(aspect) is True:
            good.append(value)
        elif case.expected(aspect) is False:
            frauds.setdefault(case.kind, []).append(value)
    return list(groups.values())


def _by_good_kind(main: Sequence[tuple[Case, float]], aspect: Aspect) -> dict[str, float]:
    """Return the AUC of each kind of good picture against all the frauds of its pair."""
    kinds = dict.fromkeys(case.kind for case, _ in main if case.expected(aspect) is True)
    found = {}
    for kind in kinds:
        rest = [pair for pair in main if pair[0].kind == kind or pair[0].expected(aspect) is not True]
        found[kind] = overall(auc_by_kind(_groups(rest, aspect))[1])
    return {kind: value for kind, value in found.items() if not math.isnan(value)}


def _doses(judged: Sequence[tuple[Case, float]], aspect: Aspect) -> dict[str, float]:
    """Return the rank correlation with each series' dose of style, mean over pairs: falling is right for content."""
    if aspect == "artefacts":
        return {}
    found: dict[str, list[float]] = {}
    steps = [pair for pair in judged if pair[0].series.startswith("dose/")]
    for (series, _), group in itertools.groupby(
        sorted(steps, key=lambda pair: (pair[0].series, pair[0].pair)), lambda pair: (pair[0].series, pair[0].pair)
    ):
        members = list(group)
        correlation = rank_correlation([case.amount for case, _ in members], [value for _, value in members])
        found.setdefault(series.removeprefix("dose/"), []).append(correlation * (-1 if aspect == "content" else 1))
    means = {series: float(np.mean([x for x in values if x == x] or [math.nan])) for series, values in found.items()}
    return {series: value for series, value in means.items() if not math.isnan(value)}


def _changes(judged: Sequence[tuple[Case, float]], main: Sequence[float]) -> dict[str, float]:
    """Return the mean change by exposure and by size, in standard deviations of the values of all cases."""
    spread = float(np.std(main)) if main else 0.0
    if spread == 0:
        return {}
    base = {(case.pair, case.kind): value for case, value in judged if not case.series}
    found: dict[str, list[float]] = {}
    for case, value in judged:
        if case.series in ("exposure", "size"):
            found.setdefault(case.series, []).append(abs(value - base[case.pair, case.kind]) / spread)
    means = {series: float(np.mean([x for x in values if x == x] or [math.nan])) for series, values in found.items()}
    return {series: value for series, value in means.items() if not math.isnan(value)}


def format_table(table: Mapping[str, Validity]) -> str:
    """Return the verdicts as text, a row a judge, best first within each aspect."""
    width = max([len("judge"), *map(len, table)])
    lines = [
        f"{'judge':{width}s}  {'about':9s}  {'AUC':>4s} {'95 %':>12s}  verdict  {'worst fraud':22s}   dose  expo  size"
    ]
    ranked = sorted(table.values(), key=lambda judge: (judge.aspect, -judge.auc if judge.auc == judge.auc else 9))
    for judge in ranked:
        verdict = {True: "trusted", False: "fails", None: "none"}[judge.is_trusted]
        worst = f"{judge.worst} {judge.frauds[judge.worst][0]:.2f}" if judge.worst else ""
        bounds = f"{judge.low:.2f} to {judge.high:.2f}"
        dose = judge.dose.get("quilt", math.nan)
        changes = "  ".join(f"{judge.changes.get(series, math.nan):4.2f}" for series in ("exposure", "size"))
        lines.append(
            f"{judge.name:{width}s}  {judge.aspect:9s}  {judge.auc:4.2f} {bounds:>12s}  {verdict:7s}  {worst:22s}  "
            f"{dose:5.2f}  {changes}"
        )
    return "\n".join(lines)
