"""python -m nstkit.quality: measure feature extractors beside random networks of the same architecture; see --help."""

import json

from nstkit.config import parse, settings_of
from nstkit.errors import run_command
from nstkit.quality.config import EXAMPLES, QualityConfig


def main() -> None:
    """Parse, then one run for each backbone: load it and the pictures, measure, report."""
    given = parse(QualityConfig, "nstkit.quality", examples=EXAMPLES)
    # Only now: importing torch takes seconds, and --help and mistakes in the flags should answer at once.
    from nstkit.backbones.prepare import load_backbone
    from nstkit.backbones.spec import parse_backbone
    from nstkit.folders import run_names
    from nstkit.hardware import choose_machine, seed_everything
    from nstkit.quality.report import Pictures, measure_spec, print_table, report
    from nstkit.runs import open_run

    specs = [parse_backbone(text) for text in given.extractor.backbone]
    machine = choose_machine(given.run)
    config = given.changed(**machine.settings)
    if config.run.print_config:
        print(json.dumps(settings_of(config), indent=2))
        return
    names = run_names(config.run, "quality", [spec.label for spec in specs])
    pictures = Pictures(config)
    for spec, name in zip(specs, names, strict=True):
        seed_everything(config.run.seed)
        backbone = load_backbone(spec, factory=config.extractor.arch, **config.extractor.input.flat())
        backbone.check_taps(config.extractor.taps)
        data, size_px = pictures.load(spec)
        fitted = config.changed(backbone=(spec.text,), image_size=size_px)
        slug = f"{backbone.label}-{data.name}"
        with open_run(fitted, machine.device, "quality", slug, given=given, name=name) as run:
            quality = measure_spec(spec, backbone, data, fitted, machine.device, machine.precision)
            report(run, backbone, data, quality, fitted)
            print_table(backbone, data, quality, fitted)


if __name__ == "__main__":
    run_command(main)
