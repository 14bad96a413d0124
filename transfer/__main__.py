"""python -m transfer: paint pictures in the style of others, with any network as the eye; see --help."""

import json
import sys
from pathlib import Path

from nstkit.backbones.spec import parse_backbone
from nstkit.config import parse, settings_of
from nstkit.errors import run_command
from nstkit.folders import run_names
from nstkit.names import distinct
from transfer.config import EXAMPLES, TransferConfig
from transfer.painting.least_memory import check_least_memory
from transfer.pairs import check_outputs, largest_sizes, read_pairs
from transfer.presets import PRESETS


def main() -> None:
    """Parse, read the pictures, then one run for each backbone: load, paint every pair, judge, report."""
    asked = parse(TransferConfig, "transfer", presets=PRESETS, examples=EXAMPLES)
    specs = [parse_backbone(text) for text in asked.network.backbone]
    if asked.run.print_config:
        print_settings(asked)
        return
    config = asked.resolved()
    labels = distinct(spec.label for spec in specs)  # exp1/best.pth and exp2/best.pth would be one folder
    names = [None] * len(specs) if config.network.list_taps else run_names(config.run, "transfer", labels)
    pairs = read_pairs(config.pictures, config.optimization.init or "")
    read = [*config.pictures.files, Path(config.optimization.init or ""), config.run.config or Path()]
    check_outputs(config.pictures.out, labels, pairs, [*read, *(spec.path for spec in specs if spec.path)])
    check_least_memory(
        *largest_sizes(pairs, config.pictures.size), config.optimization, config.run.device, config.run.memory
    )
    # Only now: importing torch takes seconds, and --help and mistakes should answer at once.
    if not config.network.list_taps:
        print(f"loading: {', '.join(labels)}", flush=True)
    from nstkit import hardware
    from nstkit.backbones.describe import taps_table
    from nstkit.backbones.prepare import load_backbone
    from nstkit.runs import open_run
    from transfer import batch
    from transfer.painting.format import fit_format

    device = hardware.use_device(asked.run.device)
    given, asked = asked, asked.changed(device=device.type)
    config = asked.resolved()
    overview, is_complete = None, True
    if len(specs) * len(pairs) > 1:
        from transfer.overview import Overview

        overview = Overview(pairs, config)
    for spec, label, name in zip(specs, labels, names, strict=True):
        backbone = load_backbone(spec, **config.network.loading).to(device)
        backbone.label = label
        config.check_taps(backbone)
        if config.network.list_taps:
            print(taps_table(backbone, pairs[0].scene(config.pictures.size, device).frame))
            continue
        fitted = asked.changed(backbone=(spec.text,)).resolved(backbone.patch_px)
        batch.check_least_memory(backbone, pairs, fitted, device)
        choice = fit_format(backbone, fitted.losses, fitted.run.precision, fitted.run.memory_format)
        fitted = fitted.changed(**choice.settings)
        fitted = batch.fit_largest(backbone, pairs, fitted, device)
        panel = batch.load_judges(config, spec, pairs, device)
        hardware.seed_everything(config.run.seed)
        slug = f"{backbone.label}-{pairs[0].name if len(pairs) == 1 else f'{len(pairs)}-pairs'}"
        with open_run(fitted, device, "transfer", slug, given=given, name=name) as run:
            print(f"format:  {choice}")
            is_complete &= batch.paint_pairs(run, backbone, pairs, fitted, device, panel, overview)
    if not is_complete:
        sys.exit(1)


def print_settings(asked: TransferConfig) -> None:
    """Print the settings as they are used on this machine."""
    from nstkit.hardware import use_device

    device = use_device(asked.run.device)
    print(json.dumps(settings_of(asked.changed(device=device.type).resolved()), indent=2))


def run() -> None:
    """Run the command, also as a program of its own, which a transfer.py in the working folder does not hide."""
    run_command(main)


if __name__ == "__main__":
    run()
