"""What a pilot says: how far networks of one recipe spread, and how many seeds the study needs."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from nstkit.files import write_text
from transfer.study.analysis import Analysis, analyse, reached_share
from transfer.study.config import QuestionSettings
from transfer.study.findings import Grid, as_markdown, digits, variance_grid
from transfer.study.statistics.power import equivalence_power, sd_interval, seeds_needed, t_test_power
from transfer.study.table import read_rows, tables_of

SEEDS = (3, 4, 6, 8, 10, 12, 16)
POWER = 0.8


def write_pilot(folder: Path, question: QuestionSettings) -> str:
    """Write pilot.md and pilot.json into the folder of a pilot; return how many seeds it asks for, in a sentence."""
    rows = read_rows(folder / "results.csv")
    names = {"outcome": question.outcome, "matched_by": question.matched_by, "quality": question.quality}
    found = analyse(tables_of(rows, **names)[0], question, replicates=100)
    plan = plan_of(found, question)
    write_text(folder / "pilot.json", json.dumps(plan, indent=2))
    sentence = sentence_of(plan, question)
    grids = [power_grid(plan, question), variance_grid(found)]
    write_text(folder / "pilot.md", "\n".join(["# Pilot", "", sentence, "", *map(as_markdown, grids)]))
    return sentence


def plan_of(found: Analysis, question: QuestionSettings) -> dict[str, Any]:
    """Return what a pilot says, as plain values: deviations, and the number of seeds for an effect of the margin."""
    slopes = list(found.slopes.values())
    plan: dict[str, Any] = {
        "level": found.level,
        "networks_reached": reached_share(found.front[0], found.level),
        "pairs_reached": found.pairs_reached,
        "seeds": len(slopes),
        "sd_networks": between_networks(found),
        "sd_slopes": None,
        "seeds_needed": None,
    }
    if len(slopes) > 1 and np.ptp(slopes) > 0:
        low, high = sd_interval(slopes)
        sd = float(np.std(slopes, ddof=1))
        plan |= {"sd_slopes": sd, "sd_slopes_low": low, "sd_slopes_high": high}
        plan["seeds_needed"] = seeds_needed(question.margin, sd, POWER, question.alpha)
        plan["power"] = [
            {
                "seeds": count,
                "power": t_test_power(question.margin, sd, count, question.alpha),
                "equivalence": equivalence_power(question.margin, sd, count, question.alpha),
            }
            for count in SEEDS
        ]
    return plan


def between_networks(found: Analysis) -> float | None:
    """Return the pooled deviation of the outcome between networks of one stage, None where there are too few."""
    by_stage: dict[float, list[float]] = {}
    for place in found.first_arm:
        if math.isfinite(found.matched[place]):
            by_stage.setdefault(found.table.networks[place].epoch, []).append(float(found.matched[place]))
    several = [values for values in by_stage.values() if len(values) > 1]
    free = sum(len(values) - 1 for values in several)
    squares = sum((len(values) - 1) * float(np.var(values, ddof=1)) for values in several)
    return math.sqrt(squares / free) if free else None


def sentence_of(plan: dict[str, Any], question: QuestionSettings) -> str:
    """Return the plan in a sentence."""
    if plan["sd_slopes"] is None:
        return "No plan: the pilot has fewer than two trainings whose networks reach the level."
    needed = "more than 100 seeds" if plan["seeds_needed"] is None else f"{plan['seeds_needed']} seeds"
    return (
        f"The slopes of {plan['seeds']} seeds deviate by {plan['sd_slopes']:.3f} (95 % interval "
        f"{plan['sd_slopes_low']:.3f} to {plan['sd_slopes_high']:.3f}); an effect of {question.margin:g} takes "
        f"{needed} to be found with a power of {POWER:.0%}."
    )


def power_grid(plan: dict[str, Any], question: QuestionSettings) -> Grid:
    """Return the power for numbers of seeds."""
    rows = [[str(row["seeds"]), f"{row['power']:.2f}", f"{row['equivalence']:.2f}"] for row in plan.get("power", [])]
    about = f"Networks of one stage deviate by {digits(plan['sd_networks'])}; {plan['networks_reached']:.0%} of the "
    about += f"networks and {plan['pairs_reached']:.0%} of network x pair reach the level {plan['level']:g}."
    columns = ["seeds", f"power for {question.margin:g}", f"power for equivalence within {question.margin:g}"]
    return Grid("Power", about, columns, rows)
