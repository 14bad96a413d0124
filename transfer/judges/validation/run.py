"""A test of the judges from pictures to files: the run folder, and what stands on screen."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tqdm import tqdm

from nstkit.backbones.spec import parse_backbone
from nstkit.files import write_csv
from nstkit.hardware import describe_environment
from nstkit.pictures.save import save_picture
from nstkit.pictures.tensors import to_tensor
from nstkit.runs import Run
from transfer.judges.config import JudgesConfig
from transfer.judges.networks import is_partial, judging_specs, named_by
from transfer.judges.trust import RULE, Validity, save_validity
from transfer.judges.validation.cases import Case, make_cases
from transfer.judges.validation.figure import case_sheet, validity_figure
from transfer.judges.validation.painted import paint_cases
from transfer.judges.validation.painter import Painter
from transfer.judges.validation.score import Judges, format_table, judge_cases, summarise
from transfer.judges.validation.subjects import read_subjects


def validate(run: Run, panel: Judges, config: JudgesConfig, device: torch.device) -> dict[str, Validity]:
    """Make the cases, ask every judge about them, write it all into the run; return what each judge can tell apart.

    Args:
        run: where the results go.
        panel: the judges.
        config: names pictures, painters and sizes.
        device: where the painters compute.

    Raises:
        UserError: for a picture that cannot be read or is too narrow, or a painter that cannot be loaded.
    """
    validation, seed, is_hidden = config.validation, config.run.seed, True if config.run.quiet else None
    partial = partial_judges(config)  # first, as a painter that is not there costs no case
    subjects = read_subjects(config)
    painter = Painter(run.folder / "images", run.folder.parent, device, config.run)
    cases: list[Case] = []
    for subject in tqdm(subjects, desc="making cases", unit="pair", disable=is_hidden):
        cases += make_cases(subject, seed)
        cases += paint_cases(painter, subject, validation.painters, validation.steps, seed)
    sheet = case_sheet(cases)
    save_picture(sheet, run.folder / "cases.png")  # before the judges, who take longer
    run.show_picture("image/cases", to_tensor(sheet))
    print(f"{len(cases)} cases of {len(subjects)} pairs, {painter.painted} painted, {painter.found} found: cases.png")
    with tqdm(total=len(cases), desc="judging", unit="case", disable=is_hidden) as bar:
        values = judge_cases(panel, cases, partial, bar.update)
    table = summarise(panel.measures, cases, values)
    _write(run, _about(config, cases, device), cases, values, table)
    print(f"\n{format_table(table)}\n{RULE}\n")
    return table


def partial_judges(config: JudgesConfig) -> dict[str, set[str]]:
    """Return the labels of the judging networks that are the painter's own, by the painter's label."""
    judges = judging_specs(config.judged.judge)
    with named_by("--painter"):
        painters = [parse_backbone(text) for text in config.validation.painters]
    return {
        painter.label: {label for label, spec in judges.items() if is_partial(spec, painter)} for painter in painters
    }


def _about(config: JudgesConfig, cases: Sequence[Case], device: torch.device) -> dict[str, Any]:
    """Return what the table rests on."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "pairs": list(dict.fromkeys(case.pair for case in cases)),
        "cases": len(cases),
        "size": config.validation.size,
        "steps": config.validation.steps,
        "seed": config.run.seed,
        # Their labels, not their paths: this table may be passed on.
        "judge": [parse_backbone(text).label for text in config.judged.judge],
        "painter": [parse_backbone(text).label for text in config.validation.painters],
        "environment": describe_environment(device),
    }


def _in_words(about: Mapping[str, Any]) -> str:
    """Return what the table rests on in one line."""
    environment = about["environment"]
    return (
        f"{about['cases']} pictures at {about['size']} px, {about['steps']} evaluations; painted by "
        f"{', '.join(about['painter'])}.   torch {environment['torch']}, {environment['device']}, {about['date']}"
    )


def _write(
    run: Run,
    about: Mapping[str, Any],
    cases: Sequence[Case],
    values: Mapping[str, Sequence[float]],
    table: Mapping[str, Validity],
) -> None:
    """Write tables and figure into the run folder, and show them in TensorBoard."""
    save_validity(run.folder / "validity.json", table, about)
    write_csv(run.folder / "validity.csv", [_row(judge) for judge in table.values()])
    rows = [
        {"pair": case.pair, "kind": case.kind, "series": case.series, "amount": case.amount, "painter": case.painter}
        | {name: column[index] for name, column in values.items()}
        for index, case in enumerate(cases)
    ]
    write_csv(run.folder / "values.csv", rows)
    figure = validity_figure(table, _in_words(about))
    save_picture(figure, run.folder / "validity.png")
    run.show_picture("image/validity", to_tensor(figure))
    run.show_text("validity", f"```\n{format_table(table)}\n```\n{RULE}")
    run.log(0, {f"validity/{name.removeprefix('judge/')}": judge.auc for name, judge in table.items()})


def _row(judge: Validity) -> dict[str, str | float]:
    """Return one judge as a flat row."""
    return {
        "judge": judge.name,
        "aspect": judge.aspect,
        "verdict": judge.verdict,
        "failures": " ".join(judge.failures),
        "pairs": judge.pairs,
        "auc": judge.auc,
        "told": judge.told[0],
        "untold": judge.untold[0],
        "low": judge.untold[1],
        "high": judge.untold[2],
        "pooled": judge.pooled,
        "worst": judge.worst,
        **{f"fraud/{kind}": auc for kind, (auc, _, _) in judge.frauds.items()},
        **{f"good/{kind}": auc for kind, auc in judge.goods.items()},
        **{f"dose/{series}": correlation for series, correlation in judge.dose.items()},
        **{f"sensitivity/{name}": share for name, share in judge.sensitivity.items()},
        **{f"plain/{name}": share for name, share in judge.plain.items()},
        "repainted": judge.repainted,
        "between": judge.between,
        "repeat_ratio": judge.repeat_ratio,
        **{f"repainting/{cause}": move for cause, move in judge.repaintings.items()},
        **{f"change/{series}": change for series, change in judge.changes.items()},
    }
