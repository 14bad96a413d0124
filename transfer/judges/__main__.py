"""python -m transfer.judges: judge finished pictures, or the judges themselves; see --help.

python -m transfer.judges result.png --content photo.jpg --style painting.jpg     # made by any tool
python -m transfer.judges --validate                                              # which judge can be trusted?
python -m transfer.judges --validate --content photos/ --style paintings/ --judge vgg19 squeezenet1_1
"""

import dataclasses
import itertools
import json
import sys
from collections.abc import Sequence

from nstkit.config import parse, settings_of
from nstkit.errors import run_command
from transfer.judges.validate_config import JudgesConfig


def main() -> None:
    """Parse, load the judges, then judge the pictures or validate the judges."""
    config = parse(JudgesConfig, "transfer.judges", with_picture_flag(sys.argv[1:]))
    from nstkit import hardware
    from nstkit.runs import Run, choose_folder, tensorboard_command
    from transfer.judges.judge_files import judge_files
    from transfer.judges.panel import load_panel
    from transfer.judges.validate_run import validate

    device = hardware.choose_device(config.device)
    precision = hardware.choose_precision(config.precision, device)
    given, config = settings_of(config), dataclasses.replace(config, device=device.type, precision=precision)
    if config.print_config:
        print(json.dumps(settings_of(config), indent=2))
        return
    hardware.seed_everything(config.seed)
    panel = load_panel(config.judge, device=device)
    for note in panel.notes:
        print(f"note: {note}")
    if not config.validate:
        judge_files(panel, config, device)
        return
    folder = choose_folder(config.runs_dir, "judges", config.run_name, f"validity-{config.size}px")
    with Run(folder, config, hardware.describe_environment(device), given=given) as run:
        print(f"results: {folder}\nwatch:   {tensorboard_command(config.runs_dir)}")
        validate(run, panel, config, device, precision)
    print(f"results: {folder}\nwatch:   {tensorboard_command(config.runs_dir)}")


def with_picture_flag(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with pictures that stand first put behind `--picture`."""
    first = list(itertools.takewhile(lambda word: not word.startswith("-"), words))
    return ["--picture", *first, *words[len(first) :]] if first else list(words)


if __name__ == "__main__":
    run_command(main)
