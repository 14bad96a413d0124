"""python -m transfer.study: many pictures by many networks, compared; see --help."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nstkit.config import parse, settings_of
from nstkit.errors import printable, run_command
from transfer.study.config import EXAMPLES, StudyConfig

if TYPE_CHECKING:
    from transfer.jobs.job import Job


def main() -> None:
    """Parse, register what is asked, paint and judge what is not finished, report; exit code 1 where cells failed."""
    asked = parse(StudyConfig, "transfer.study", examples=EXAMPLES)
    # Only now: importing torch takes seconds, and --help and mistakes in the flags should answer at once.
    from nstkit.folders import run_names
    from nstkit.hardware import device_name, use_device
    from nstkit.runs import open_run
    from transfer.study.cells import list_cells
    from transfer.study.grid import run_grid
    from transfer.study.networks import list_networks
    from transfer.study.pilot import write_pilot
    from transfer.study.plan import kept_cells, planned, suffix_of
    from transfer.study.rating_server import serve
    from transfer.study.registration import check_registration, register, registered
    from transfer.study.report import has_outcome, write_report

    if asked.run.report_only is not None:
        print(write_report(asked.run.report_only, asked.question))
        print(f"report:  {asked.run.report_only / 'report.html'}")
        return
    if asked.run.rate is not None:
        serve(asked.run.rate, asked.question, asked.run.port)
        return
    device = use_device(asked.run.device)
    config, networks = planned(asked, list_networks(asked.question, asked.grid.backbone))
    config = config.changed(device=device_name(asked.run.device, device))
    if config.run.print_config:
        print(json.dumps(settings_of(config), indent=2))
        return
    (name,) = run_names(config.run, "study", may_continue=True)
    lost: dict[str, str] = {}
    cells = kept_cells(config, list(list_cells(config, lost)))
    content = registered(config, networks, cells)
    if name is not None:
        check_registration(config.run.runs_dir / "study" / name, content)
    slug = f"{len(networks)}-networks-{len(cells)}-cells{suffix_of(config)}"
    with open_run(config, device, "study", slug, given=asked, name=name, may_continue=True) as run:
        print(f"asked:   {register(run.folder, content)}")
        announce(run.folder, cells, config, asked)
        columns = {network.spec.label: network.columns(config.question.quality) for network in networks}
        rows = run_grid(run, cells, config, asked.run.device, columns)
        if has_outcome(rows, config.question):
            print(write_report(run.folder, config.question))
            if config.run.pilot:
                print(write_pilot(run.folder, config.question))
    for picture, reason in lost.items():
        print(f"{printable(picture)} is not in the grid: {printable(reason)}", file=sys.stderr)
    if failed := sum("error" in row for row in rows):
        print(f"{failed} of {len(rows)} cells could not be painted; the reasons stand in results.csv", file=sys.stderr)
    if failed or lost:
        sys.exit(1)


def announce(folder: Path, cells: "list[Job]", config: StudyConfig, asked: StudyConfig) -> None:
    """Say what the cells of a large study that are not finished will take, before they begin."""
    from transfer.jobs.store import Store
    from transfer.study import grid
    from transfer.study.cells import key_of
    from transfer.study.estimate import LEAST_CELLS, estimate

    store = Store(folder / "cells")
    keys = [key_of(cell, config.judging) for cell in cells]
    waiting = [cell for cell, key in zip(cells, keys, strict=True) if store.find(key, key) is None]
    if len(waiting) >= LEAST_CELLS and not config.run.smoke:
        print(estimate(waiting, grid.Painter(config, asked.run.device)).describe(config.working.workers))


if __name__ == "__main__":
    run_command(main)
