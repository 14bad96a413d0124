"""python -m transfer.study: many pictures by many networks, compared; see --help."""

import json
import sys

from nstkit.config import parse, settings_of
from nstkit.errors import printable, run_command
from transfer.study.config import EXAMPLES, StudyConfig


def main() -> None:
    """Parse, list the cells, paint and judge those that are not finished; exit code 1 where some cannot be."""
    asked = parse(StudyConfig, "transfer.study", examples=EXAMPLES)
    # Only now: importing torch takes seconds, and --help and mistakes in the flags should answer at once.
    from nstkit.folders import run_names
    from nstkit.hardware import use_device
    from nstkit.runs import open_run
    from transfer.study.cells import list_cells
    from transfer.study.grid import run_grid

    device = use_device(asked.run.device)
    config = asked.changed(device=device.type)
    if config.run.print_config:
        print(json.dumps(settings_of(config), indent=2))
        return
    (name,) = run_names(config.run, "study", may_continue=True)
    lost: dict[str, str] = {}
    cells = list(list_cells(config, lost))
    slug = f"{len(config.grid.backbone)}-networks-{len(cells)}-cells"
    with open_run(config, device, "study", slug, given=asked, name=name, may_continue=True) as run:
        rows = run_grid(run, cells, config, asked.run.device)
    for name, reason in lost.items():
        print(f"{printable(name)} is not in the grid: {printable(reason)}", file=sys.stderr)
    if failed := sum("error" in row for row in rows):
        print(f"{failed} of {len(rows)} cells could not be painted; the reasons stand in results.csv", file=sys.stderr)
    if failed or lost:
        sys.exit(1)


if __name__ == "__main__":
    run_command(main)
