"""A test of the judges from pictures to files: the run folder, and what stands on screen."""

import csv
import io
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tqdm import tqdm

from nstkit.backbones.spec import parse_backbone
from nstkit.config import Precision
from nstkit.files import write_atomically
from nstkit.pictures import save_picture, to_tensor
from nstkit.runs import Run
from transfer.judges.cases import Case, make_cases
from transfer.judges.cases_paint import Painter, paint_cases
from transfer.judges.local_weights import local_specs
from transfer.judges.panel import is_same_network
from transfer.judges.validate import Judges, format_table, judge_cases, summarise
from transfer.judges.validate_config import JudgesConfig
from transfer.judges.validate_pictures import read_subjects
from transfer.judges.validity import RULE, Validity, save_validity
from transfer.judges.validity_figure import case_sheet, validity_figure


def validate(
    run: Run, panel: Judges, config: JudgesConfig, device: torch.device, precision: Precision
) -> dict[str, Validity]:
    """Make the cases, ask every judge about them, write it all into the run; return what each judge can tell apart."""
    subjects = read_subjects(config)
    painter = Painter(run.folder / "images", run.folder.parent, device, precision)
    cases: list[Case] = []
    for subject in tqdm(subjects, desc="making cases", unit="pair", disable=True if config.quiet else None):
        cases += make_cases(subject, config.seed)
        cases += paint_cases(painter, subject, config.painter, config.steps, config.seed)
    sheet = case_sheet(cases)
    save_picture(sheet, run.folder / "cases.png")  # before the judges, who take longer
    run.show_picture("image/cases", to_tensor(sheet))
    print(f"{len(cases)} cases of {len(subjects)} pairs, {painter.painted} painted, {painter.found} found: cases.png")
    with tqdm(total=len(cases), desc="judging", unit="case", disable=True if config.quiet else None) as bar:
        values = judge_cases(panel, cases, partial_judges(config), bar.update)
    table = summarise(panel.measures, cases, values)
    _write(run, config, cases, values, table)
    print(f"\n{format_table(table)}\n{RULE}\n")
    return table


def partial_judges(config: JudgesConfig) -> dict[str, set[str]]:
    """Return the labels of the judging networks that are the painter's own, by the painter's label."""
    judges = {(spec := parse_backbone(text)).label: spec for text in config.judge} or local_specs()
    painters = [parse_backbone(text) for text in config.painter]
    return {
        painter.label: {label for label, spec in judges.items() if is_same_network(spec, painter)}
        for painter in painters
    }


def _write(
    run: Run,
    config: JudgesConfig,
    cases: Sequence[Case],
    values: Mapping[str, Sequence[float]],
    table: Mapping[str, Validity],
) -> None:
    about = {"date": time.strftime("%Y-%m-%d"), "pairs": list(dict.fromkeys(case.pair for case in cases))}
    about |= {key: getattr(config, key) for key in ("size", "steps", "seed")}
    # Their labels: where a user's files lie is nobody's business, and this table may be passed on.
    about |= {role: [parse_backbone(text).label for text in getattr(config, role)] for role in ("judge", "painter")}
    save_validity(run.folder / "validity.json", table, about)
    _write_csv(run, "validity.csv", [_row(judge) for judge in table.values()])
    rows = [
        {"pair": case.pair, "kind": case.kind, "series": case.series, "amount": case.amount, "painter": case.painter}
        | {name: column[number] for name, column in values.items()}
        for number, case in enumerate(cases)
    ]
    _write_csv(run, "values.csv", rows)
    figure = validity_figure(table)
    save_picture(figure, run.folder / "validity.png")
    run.show_picture("image/validity", to_tensor(figure))
    run.show_text("validity", f"```\n{format_table(table)}\n```\n{RULE}")
    run.log(0, {f"validity/{name.removeprefix('judge/')}": judge.auc for name, judge in table.items()})


def _row(judge: Validity) -> dict[str, Any]:
    """Return one judge as a flat row."""
    verdict = {True: "trusted", False: "fails", None: "none"}[judge.is_trusted]
    row: dict[str, Any] = {"judge": judge.name, "aspect": judge.aspect, "verdict": verdict, "pairs": judge.pairs}
    row |= {"auc": judge.auc, "low": judge.low, "high": judge.high, "pooled": judge.pooled, "worst": judge.worst}
    row |= {f"fraud/{kind}": auc for kind, (auc, _, _) in judge.frauds.items()}
    row |= {f"good/{kind}": auc for kind, auc in judge.goods.items()}
    row |= {f"dose/{series}": value for series, value in judge.dose.items()}
    return row | {f"change/{series}": value for series, value in judge.changes.items()}


def _write_csv(run: Run, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(run.folder / name, lambda file: file.write(text.getvalue().encode()))
