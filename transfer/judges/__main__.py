"""python -m transfer.judges: judge finished pictures, or the judges themselves; see --help."""

import json

from nstkit.config import parse, settings_of
from nstkit.errors import run_command
from transfer.judges.config import EXAMPLES, JudgesConfig
from transfer.judges.listing import list_judges


def main() -> None:
    """Parse, load the judges, then judge the pictures or validate the judges."""
    asked = parse(JudgesConfig, "transfer.judges", examples=EXAMPLES)
    if asked.judged.list_judges:
        print(list_judges())
        return
    # Only now: importing torch takes seconds, and --help and mistakes in the flags should answer at once.
    from nstkit.folders import run_names
    from nstkit.hardware import device_name, seed_everything, use_device
    from nstkit.runs import open_run
    from transfer.judges.files import judge_files
    from transfer.judges.panel import load_panel
    from transfer.judges.validation.run import validate

    device = use_device(asked.run.device)
    config = asked.changed(device=device_name(asked.run.device, device))
    if config.run.print_config:
        print(json.dumps(settings_of(config), indent=2))
        return
    (name,) = run_names(config.run, "judges") if config.validation.validate else (None,)
    seed_everything(config.run.seed)
    panel = load_panel(config.judged.judge, device=device)
    for note in panel.notes:
        print(f"note: {note}")
    if not config.validation.validate:
        judge_files(panel, config.judged, device)
        return
    slug = f"validity-{config.validation.size}px"
    with open_run(config, device, "judges", slug, given=asked, name=name) as run:
        validate(run, panel, config, device)


def run() -> None:
    """Run the command, also as a program of its own, which a transfer.py in the working folder does not hide."""
    run_command(main)


if __name__ == "__main__":
    run()
