"""The report of a study, from results.csv alone: report.html, report.md, figures; pictures where they lie there."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nstkit.errors import UserError
from nstkit.files import write_text
from nstkit.pages.render import as_data, as_png, write_page
from nstkit.pictures.read import read_picture
from nstkit.pictures.save import save_picture
from transfer.study import findings
from transfer.study.analysis import Analysis, analyse, answer
from transfer.study.config import QuestionSettings
from transfer.study.figures import front_figure, slope_figure, trajectory_figure
from transfer.study.registration import read_registration
from transfer.study.table import Row, read_rows, tables_of

TEMPLATE = Path(__file__).with_name("report.html")
PICTURE_PX = 256  # longer side of a picture in the page
MOST_NETWORKS = 40  # whose pictures the page holds
QUESTION = "Does a better feature extractor paint a better picture?"
CAPTIONS = {
    "trajectory": "A line is a training from its first stage to its last; marks are networks that were made otherwise.",
    "slopes": "How much the outcome changes between a random and the best network, seed by seed.",
    "fronts": "What each network trades: more style weight, less content. Read where the red line crosses.",
}


def write_report(folder: Path, question: QuestionSettings) -> str:
    """Write the report of a study and return the answer.

    Args:
        folder: of the study, with results.csv.
        question: what is asked, where nothing was registered.

    Raises:
        UserError: where there are no results, or none that the question is about.
    """
    rows = read_rows(folder / "results.csv")
    registration = read_registration(folder)
    question = registered_question(question, registration)
    if not has_outcome(rows, question):
        raise UserError(f"{folder / 'results.csv'}: no column {question.outcome}, so there is nothing to report.")
    names = {"outcome": question.outcome, "matched_by": question.matched_by, "quality": question.quality}
    first, *others = [analyse(table, question) for table in tables_of(rows, **names)]
    figures = {"trajectory": trajectory_figure(first, question), "fronts": front_figure(first, question)}
    if first.slopes:
        figures["slopes"] = slope_figure(first, question)
    for name, figure in figures.items():
        save_picture(figure, folder / "figures" / f"{name}.png")
    grids = [
        findings.primary_grid(first, question),
        findings.secondary_grid(first),
        findings.variance_grid(first),
        *([findings.replicate_grid(others, question)] if others else []),
        findings.left_out_grid(rows, first),
        findings.network_grid(first),
    ]
    sentence = answer(first, question)
    write_text(folder / "report.md", as_markdown(sentence, grids, registration, list(figures)))
    write_page(
        folder / "report.html",
        TEMPLATE,
        title=QUESTION,
        answer=sentence,
        warning=warning_of(folder, first),
        registration=registration,
        registered=json.dumps(None if registration is None else registration["registered"], indent=2),
        figures=[{"name": name, "data": as_png(figures[name]), "caption": CAPTIONS[name]} for name in figures],
        grids=grids,
        shown=contact_sheet(folder, first, rows),
        claims=read_claims(folder),
        method=method_of(question, first),
    )
    return sentence


def has_outcome(rows: Sequence[Row], question: QuestionSettings) -> bool:
    """Return whether any picture was judged by what the question is about."""
    return any(question.outcome in row for row in rows)


def registered_question(question: QuestionSettings, registration: Mapping[str, Any] | None) -> QuestionSettings:
    """Return what was registered, where something was."""
    if registration is None:
        return question
    names = ("outcome", "matched_by", "level", "quality", "margin", "alpha")
    return question.changed(**{name: registration["registered"][name] for name in names})


def warning_of(folder: Path, analysis: Analysis) -> str:
    """Return what a reader has to know before the answer."""
    if folder.name.endswith("-smoke"):
        return "A smoke run: too few evaluations of too small pictures. Nothing here is a result."
    if folder.name.endswith("-pilot"):
        return "A pilot: it plans the study and answers nothing."
    if analysis.primary is None:
        return "There are no trainings to follow here, so the networks are described and not tested."
    return ""


def method_of(question: QuestionSettings, analysis: Analysis) -> str:
    """Return how it was found, in words."""
    table = analysis.table
    contents, styles = (len({pair[side] for pair in table.pairs}) for side in (0, 1))
    weights = ", ".join(f"{weight:g}" for weight in table.weights)
    about = table.about
    size = f"{about['size_px']:g} px" if isinstance(about["size_px"], float) else "one size"
    moved = "" if analysis.level == question.level else f" (registered {question.level:g}, moved by the rule)"
    return (
        f"{len(table.networks)} networks painted {len(table.pairs)} pairs of {contents} contents and {styles} styles "
        f"at {size} with style weights {weights} ({about['variant']}). Of each network, {question.outcome} is read at "
        f"{question.matched_by} {analysis.level:g}{moved}, between the two nearest points of its mean front over the "
        f"pairs; networks that do not reach it are left out and counted. Quality is {question.quality}, 0 at the mean "
        f"of the first stage and 1 at the best network of the first arm. The unit is the training seed: one slope "
        f"each, a t test over seeds. Equivalence is two one-sided tests (Schuirmann 1987), the inverted U two lines "
        f"(Simonsohn 2018), variances are Henderson's method 3, the bootstrap draws seeds, contents and styles (Owen "
        f"2007), and the placebo permutes the qualities within each seed."
    )


def contact_sheet(folder: Path, analysis: Analysis, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the pictures of the page: of each network and pair the one whose content is nearest to the level."""
    at_level = pictures_at_level(folder, analysis)
    shown = []
    for place in chosen_networks(analysis):
        files = at_level.get(place, [])
        if any(files):
            matched = findings.digits(analysis.matched[place]) or "not reached"
            weight, label = (
                analysis.table.weights[nearest_weight(analysis, place)],
                analysis.table.networks[place].label,
            )
            caption = f"{label}, style weight {weight:g}, outcome at the level {matched}"
            tiles = ["" if file is None else as_data(read_picture(file), PICTURE_PX) for file in files]
            shown.append({"caption": caption, "tiles": tiles})
    return {"pairs": [" x ".join(pair) for pair in analysis.table.pairs], "networks": shown}


def pictures_at_level(folder: Path, analysis: Analysis) -> dict[int, list[Path | None]]:
    """Return of each network, by its place, the file of each pair, of the style weight nearest to the level."""
    files = picture_files(folder)
    found = {}
    for place, network in enumerate(analysis.table.networks):
        if np.isfinite(analysis.front[0][place]).any():
            weight = analysis.table.weights[nearest_weight(analysis, place)]
            about = (weight, *analysis.table.about.values())
            found[place] = [files.get((network.label, *pair, *about)) for pair in analysis.table.pairs]
    return found


def nearest_weight(analysis: Analysis, place: int) -> int:
    """Return the place of the style weight at which the content of a network's pictures is nearest to the level."""
    return int(np.nanargmin(np.abs(analysis.front[0][place] - analysis.level)))


def chosen_networks(analysis: Analysis) -> list[int]:
    """Return the places of the networks whose pictures are shown: one training, and the first of each other arm."""
    networks, first_arm = analysis.table.networks, analysis.first_arm
    seed = networks[first_arm[0]].seed
    followed = [place for place in first_arm if networks[place].seed == seed]
    firsts = {network.arm: place for place, network in reversed(list(enumerate(networks))) if place not in first_arm}
    return [*sorted(followed, key=lambda place: networks[place].epoch), *sorted(firsts.values())][:MOST_NETWORKS]


def picture_files(folder: Path) -> dict[tuple[Any, ...], Path]:
    """Return the picture of each cell that lies in the folder, by network, pair, weight, variant, size and seed."""
    files = {}
    for numbers in sorted((folder / "cells").glob("*.json")):
        row, picture = json.loads(numbers.read_text()), numbers.with_suffix(".png")
        names = ("backbone", "content", "style", "style_weight", "variant", "size_px", "seed")
        if picture.is_file() and all(name in row for name in names):
            files[tuple(row[name] for name in names)] = picture
    return files


def read_claims(folder: Path) -> list[dict[str, str]]:
    """Return the table of what papers claim that lies in the folder, nothing where there is none."""
    path = folder / "claims.csv"
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {name: row.get(name) or "" for name in ("claim", "source", "measured", "agrees")}
            for row in csv.DictReader(file)
        ]


def as_markdown(
    sentence: str, grids: Sequence[findings.Grid], registration: Mapping[str, Any] | None, figures: Sequence[str]
) -> str:
    """Return the report as Markdown, beside the figures."""
    lines = [f"# {QUESTION}", "", sentence, ""]
    if registration is not None:
        lines += [f"Registered {registration['time']}, SHA-256 `{registration['sha256']}`.", ""]
    lines += [f"![{name}](figures/{name}.png)" for name in figures]
    return "\n".join([*lines, "", *map(findings.as_markdown, grids)])
