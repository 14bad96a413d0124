"""python -m transfer: paint pictures in the style of others, with any network as the eye; see --help."""

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from nstkit.backbones.spec import BackboneSpec, parse_backbone
from nstkit.config import parse, settings_of
from nstkit.errors import printable, run_command
from nstkit.folders import run_names
from nstkit.names import distinct
from nstkit.settings import known
from transfer.config import EXAMPLES, TransferConfig
from transfer.jobs.job import Job
from transfer.listing import print_lists
from transfer.painting.least_memory import check_least_memory
from transfer.pairs import Pair, check_outputs, largest_sizes, read_pairs
from transfer.presets import PRESETS, warn_of_few_steps
from transfer.resume import COMMAND, Plan, find_runs


def main() -> None:
    """Parse, read the pictures, then one run for each backbone: load, paint every pair, judge, report."""
    asked = parse(TransferConfig, COMMAND, presets=PRESETS, examples=EXAMPLES)
    if print_lists(asked):
        return
    specs = [parse_backbone(text) for text in asked.network.backbone]
    if asked.run.print_config:
        print_settings(asked)
        return
    config = asked.resolved()
    canvas = config.optimization
    warn_of_few_steps(config.run.preset, config.flat(), known(canvas.init), known(canvas.steps))
    labels = distinct(spec.label for spec in specs)  # exp1/best.pth and exp2/best.pth would be one folder
    if config.network.list_taps:
        list_taps(asked, labels)
        return
    names = run_names(config.run, COMMAND, labels, may_continue=asked.run.resume is not None)
    earlier = find_runs(asked, specs, names)
    lost: dict[str, str] = {}
    pairs = read_pairs(config.pictures, config.optimization.init or "", lost)
    read = [*config.pictures.files, Path(config.optimization.init or ""), config.run.config or Path()]
    check_outputs(config.pictures.out, labels, pairs, [*read, *(spec.path for spec in specs if spec.path)])
    check_least_memory(
        *largest_sizes(pairs, config.pictures.size), config.optimization, config.run.device, config.run.memory
    )
    plans = [
        Plan(spec, label, [job_of(spec, pair, asked) for pair in pairs], name, folder)
        for spec, label, name, folder in zip(specs, labels, names, earlier, strict=True)
    ]
    plans = begun(plans, config)
    # Only now: importing torch takes seconds, and --help and mistakes should answer at once.
    print(f"loading: {', '.join(labels)}", flush=True)
    from transfer.batch import paint_all

    failed = {f"{label} {name}": why for label in labels for name, why in lost.items()}
    failed |= paint_all(asked, plans)
    if failed:
        say_failed(failed, len(specs) * (len(pairs) + len(lost)))
        sys.exit(1)


def job_of(spec: BackboneSpec, pair: Pair, asked: TransferConfig) -> Job:
    """Return the job of painting a pair with a network."""
    return Job(spec, pair, asked.pictures.size, "", asked.network, asked.painting, asked.run.memory_format)


def begun(plans: list[Plan], config: TransferConfig) -> list[Plan]:
    """Return plans that continue earlier runs, or where all of these are finished and have no names, new ones."""
    if config.run.resume != "auto" or config.run.run_name is not None:
        return plans
    if all(len(plan.finished(config.pictures.out)) == len(plan.jobs) for plan in plans):
        return [replace(plan, continued=None) for plan in plans]
    return plans


def list_taps(asked: TransferConfig, labels: list[str]) -> None:
    """Print the layers of every network, as it sees the first content picture."""
    pairs = read_pairs(asked.pictures, asked.resolved().optimization.init or "")
    from nstkit.backbones.describe import taps_table
    from nstkit.backbones.prepare import load_backbone
    from nstkit.hardware import use_device

    device = use_device(asked.run.device)
    for text, label in zip(asked.network.backbone, labels, strict=True):
        backbone = load_backbone(text, **asked.network.loading).to(device)
        backbone.label = label
        asked.check_taps(backbone)
        print(taps_table(backbone, pairs[0].scene(asked.pictures.size, device).frame))


def say_failed(failed: dict[str, str], count: int) -> None:
    """Say which of so many pictures could not be painted, or not to the end: each reason once."""
    print(f"{len(failed)} of {count} pictures could not be painted as they should:", file=sys.stderr)
    for reason, times in Counter(failed.values()).items():
        first = next(name for name, why in failed.items() if why == reason)
        more = f" and {times - 1} more" if times > 1 else ""
        print(f"  {printable(first)}{more}: {printable(reason)}", file=sys.stderr)


def print_settings(asked: TransferConfig) -> None:
    """Print the settings as they are used on this machine."""
    from nstkit.hardware import device_name, use_device

    device = use_device(asked.run.device)
    print(json.dumps(settings_of(asked.changed(device=device_name(asked.run.device, device)).resolved()), indent=2))


def run() -> None:
    """Run the command, also as a program of its own, which a transfer.py in the working folder does not hide."""
    run_command(main)


if __name__ == "__main__":
    run()
