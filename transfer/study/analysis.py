"""What the pictures of a study say: the registered test, what stands beside it, and the answer in one sentence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from transfer.study.config import QuestionSettings
from transfer.study.statistics.bootstrap import Interval, crossed_bootstrap
from transfer.study.statistics.components import variance_components
from transfer.study.statistics.fronts import matched as matched_at
from transfer.study.statistics.intervals import MeanTest, equivalence_p, holm, slope, t_test
from transfer.study.statistics.placebo import Placebo, placebo
from transfer.study.statistics.two_lines import TwoLines, two_lines
from transfer.study.table import Table

REACHED_SHARE, LEVEL_STEP = 0.9, 0.05
REPLICATES = 1000  # of bootstrap and placebo


@dataclass(frozen=True)
class Beside:
    """How far an arm lies off the line of the first one, at its own quality.

    Attributes:
        arm: its name.
        off: mean distance of its networks from the line, NaN where it cannot be told.
        test: that the mean is 0, over its networks; None where there are fewer than two.
        reached: its networks that reach the level.
        count: all of its networks.
    """

    arm: str
    off: float
    test: MeanTest | None
    reached: int
    count: int


@dataclass(frozen=True)
class Analysis:
    """What one table says.

    Attributes:
        table: that was looked at.
        level: of content, at which the networks are compared.
        quality: of each network between 0 (mean of the first stage) and 1 (best), NaN where it is not known.
        front: content and outcome of each network and weight, over the pairs.
        matched: outcome of each network at the level, NaN where its front does not reach it.
        pairs_reached: share of network x pair whose own front reaches the level.
        slopes: of each training seed, by seed.
        primary: the test of the slopes, None where there are fewer than two.
        equivalence_p: that the mean slope lies outside of the margin, NaN without a test.
        bootstrap: interval of the mean slope over seeds, contents and styles.
        placebo: what permuted networks give, None without a test.
        bend: the two-lines test, None where there are too few networks.
        components: variance by what it comes from.
        beside: the other arms.
        secondary: adjusted p value of each secondary test, by name.
    """

    table: Table
    level: float
    quality: Float[np.ndarray, " n"]
    front: tuple[Float[np.ndarray, "n w"], Float[np.ndarray, "n w"]]
    matched: Float[np.ndarray, " n"]
    pairs_reached: float
    slopes: dict[int, float]
    primary: MeanTest | None = None
    equivalence_p: float = math.nan
    bootstrap: Interval | None = None
    placebo: Placebo | None = None
    bend: TwoLines | None = None
    components: dict[str, float] = field(default_factory=dict)
    beside: list[Beside] = field(default_factory=list)
    secondary: dict[str, float] = field(default_factory=dict)

    @property
    def first_arm(self) -> list[int]:
        """Places of the networks of the first arm."""
        networks = self.table.networks
        return [place for place, network in enumerate(networks) if network.arm == networks[0].arm]

    @property
    def censored(self) -> tuple[int, int]:
        """Networks of the first arm whose front does not reach the level, and all of them."""
        arm = self.first_arm
        return int(np.isnan(self.matched[arm]).sum()), len(arm)


def analyse(table: Table, question: QuestionSettings, replicates: int = REPLICATES) -> Analysis:
    """Return what a table says to a question. Whatever cannot be told from it is left out, not guessed."""
    front = table.mean_front()
    arm = np.array([network.arm == table.networks[0].arm for network in table.networks])
    level = choose_level(front[0][arm], question.level)
    matched = matched_at(*front, level)
    quality = scaled_quality(table)
    grid = by_seed(table)
    slopes = {
        seed: value for seed, places in grid.items() if math.isfinite(value := slope(quality[places], matched[places]))
    }
    of_pairs = matched_at(table.matched_by, table.outcome, level)
    described = Analysis(
        table=table,
        level=level,
        quality=quality,
        front=front,
        matched=matched,
        pairs_reached=float(np.isfinite(of_pairs).mean()) if of_pairs.size else math.nan,
        slopes=slopes,
        components=split_variance(table, of_pairs),
        beside=beside_of(table, quality, matched, line_of(grid, slopes, quality, matched)),
    )
    if len(slopes) < 2:
        return described
    bend = bend_of(quality[arm], matched[arm])
    secondary = {"inverted U": math.nan if bend is None else bend.p}
    secondary |= {
        f"{each.arm} off the line": math.nan if each.test is None else each.test.p for each in described.beside
    }
    return replace(
        described,
        primary=t_test(list(slopes.values()), question.alpha),
        equivalence_p=equivalence_p(list(slopes.values()), question.margin),
        bootstrap=bootstrap_slope(table, grid, quality, level, question.alpha, replicates),
        placebo=placebo_of(grid, quality, matched, question.alpha, replicates),
        bend=bend,
        secondary=holm(secondary),
    )


def choose_level(content: Float[np.ndarray, "n w"], asked: float) -> float:
    """Return the level at which networks are compared: that asked for, or the nearest one that 90 % of them reach.

    Where no level in steps of 0.05 is reached by 90 %, it is the one that most reach, the nearest of these.
    """
    candidates = [asked, *(asked + sign * LEVEL_STEP * step for step in range(1, 20) for sign in (-1, 1))]
    shares = [reached_share(content, level) for level in candidates]
    enough = [level for level, share in zip(candidates, shares, strict=True) if share >= REACHED_SHARE]
    return round(enough[0] if enough else candidates[int(np.argmax(shares))], 10)


def reached_share(content: Float[np.ndarray, "n w"], level: float) -> float:
    """Return the share of networks whose front reaches a level."""
    if not content.size:
        return 0.0
    return float(((content.min(axis=1) <= level) & (level <= content.max(axis=1))).mean())


def scaled_quality(table: Table) -> Float[np.ndarray, " n"]:
    """Return each network's quality: 0 is the mean of the first stage of the first arm, 1 its best network."""
    quality = np.array([network.quality for network in table.networks])
    arm = [place for place, network in enumerate(table.networks) if network.arm == table.networks[0].arm]
    epochs = np.array([table.networks[place].epoch for place in arm])
    if not np.isfinite(epochs).any() or not np.isfinite(quality[arm]).any():
        return np.full(len(quality), np.nan)
    first, best = np.nanmean(quality[arm][epochs == np.nanmin(epochs)]), np.nanmax(quality[arm])
    return (quality - first) / (best - first) if best > first else np.full(len(quality), np.nan)


def by_seed(table: Table) -> dict[int, list[int]]:
    """Return the places of the networks of the first arm by training seed, each in the order of its epochs."""
    grid: dict[int, list[int]] = {}
    for place, network in enumerate(table.networks):
        if network.arm == table.networks[0].arm and network.seed is not None:
            grid.setdefault(network.seed, []).append(place)
    return {seed: sorted(places, key=lambda place: table.networks[place].epoch) for seed, places in grid.items()}


def line_of(
    grid: dict[int, list[int]], slopes: dict[int, float], quality: np.ndarray, matched: np.ndarray
) -> dict[int, tuple[float, float]]:
    """Return start and slope of each seed's line."""
    lines = {}
    for seed, value in slopes.items():
        places = [place for place in grid[seed] if np.isfinite(quality[place] + matched[place])]
        lines[seed] = (float(matched[places].mean() - value * quality[places].mean()), value)
    return lines


def beside_of(
    table: Table, quality: np.ndarray, matched: np.ndarray, lines: dict[int, tuple[float, float]]
) -> list[Beside]:
    """Return how far each other arm lies off the line: that of its own seed, or the mean of all lines."""
    mean_line = tuple(np.mean(list(lines.values()), axis=0)) if lines else (math.nan, math.nan)
    arms: dict[str, list[int]] = {}
    for place, network in enumerate(table.networks):
        if network.arm != table.networks[0].arm:
            arms.setdefault(network.arm, []).append(place)
    found = []
    for arm, places in arms.items():
        off = []
        for place in places:
            seed = table.networks[place].seed
            start, rise = mean_line if seed is None else lines.get(seed, mean_line)
            off.append(matched[place] - start - rise * quality[place])
        known = [float(value) for value in off if math.isfinite(value)]
        test = t_test(known) if len(known) > 1 else None
        mean = float(np.mean(known)) if known else math.nan
        reached = int(np.isfinite(matched[places]).sum())
        found.append(Beside(arm, mean, test, reached, len(places)))
    return found


def bend_of(quality: np.ndarray, matched: np.ndarray) -> TwoLines | None:
    """Return the two-lines test over all networks of an arm, None where there are too few."""
    known = np.isfinite(quality + matched)
    try:
        return two_lines(quality[known], matched[known])
    except ValueError:
        return None


def bootstrap_slope(
    table: Table, grid: dict[int, list[int]], quality: np.ndarray, level: float, alpha: float, replicates: int
) -> Interval:
    """Return the interval of the mean slope where seeds, contents and styles are drawn anew."""
    contents, styles = (list(dict.fromkeys(pair[side] for pair in table.pairs)) for side in (0, 1))
    content_of = np.array([contents.index(content) for content, _ in table.pairs])
    style_of = np.array([styles.index(style) for _, style in table.pairs])

    def mean_slope(draws: list[np.ndarray]) -> float:
        of_seeds, of_contents, of_styles = draws
        counts = (of_contents[content_of] * of_styles[style_of]).astype(float)
        matched = matched_at(*table.mean_front(counts), level)
        slopes = [slope(quality[places], matched[places]) for places in grid.values()]
        counts = of_seeds * np.isfinite(slopes)
        return float(np.nan_to_num(slopes) @ counts / counts.sum()) if counts.any() else math.nan

    return crossed_bootstrap((len(grid), len(contents), len(styles)), mean_slope, replicates=replicates, alpha=alpha)


def placebo_of(
    grid: dict[int, list[int]], quality: np.ndarray, matched: np.ndarray, alpha: float, replicates: int
) -> Placebo | None:
    """Return what the test finds in permuted networks, None where the seeds have not the same number of stages."""
    if len({len(places) for places in grid.values()}) != 1:
        return None
    places = np.array(list(grid.values()))

    def test(of_quality: np.ndarray, of_matched: np.ndarray) -> tuple[float, float]:
        slopes = [slope(*seed) for seed in zip(of_quality, of_matched, strict=True)]
        known = [value for value in slopes if math.isfinite(value)]
        if len(known) < 2:
            return math.nan, math.nan
        found = t_test(known, alpha)
        return found.mean, found.p

    return placebo(quality[places], matched[places], test, alpha=alpha, replicates=replicates)


def split_variance(table: Table, of_pairs: Float[np.ndarray, "n p"]) -> dict[str, float]:
    """Return what the variance of the outcome at the level comes from, over network x pair of the first arm."""
    cells = [
        (network, pair, value)
        for network, values in zip(table.networks, of_pairs, strict=True)
        for pair, value in zip(table.pairs, values, strict=True)
        if network.arm == table.networks[0].arm and math.isfinite(value)
    ]
    if len(cells) < 4:
        return {}
    factors: dict[str, Sequence[object]] = {
        "stage of training": [str(network.epoch) for network, *_ in cells],
        "content": [pair[0] for _, pair, _ in cells],
        "style": [pair[1] for _, pair, _ in cells],
        "network within a stage": [network.label for network, *_ in cells],
    }
    return variance_components(np.array([value for *_, value in cells]), factors)


def answer(analysis: Analysis, question: QuestionSettings) -> str:
    """Return the answer in one sentence, with its numbers."""
    found = analysis.primary
    if found is None:
        count = len(analysis.slopes)
        censored, networks = analysis.censored
        lost = f"; {censored} of {networks} networks do not reach {question.matched_by} {analysis.level:g}"
        return (
            f"No answer: a test takes two training seeds of which two stages can be compared, and there are {count}"
            f"{lost if censored else ''}."
        )
    level = f"{100 * (1 - question.alpha):g} %"
    numbers = (
        f"from a random to the best network {question.outcome} changes by {found.mean:+.3f} "
        f"({level} interval {found.low:+.3f} to {found.high:+.3f}, p = {found.p:.2g}, n = {found.count} training seeds)"
    )
    at = f"at {question.matched_by} {analysis.level:g}"
    is_equivalent = analysis.equivalence_p < question.alpha
    if found.p < question.alpha and is_equivalent:
        return f"Hardly: {at} {numbers}, which is less than the {question.margin:g} that would matter."
    if found.p < question.alpha:
        return f"{'Yes' if found.mean > 0 else 'No, a worse one'}: {at} {numbers}."
    if is_equivalent:
        return f"No: {at} {numbers}, and any difference is below the {question.margin:g} that would matter."
    most = max(abs(found.low), abs(found.high))
    return f"Not decided: {at} {numbers}; the difference is smaller than {most:.3f}."
