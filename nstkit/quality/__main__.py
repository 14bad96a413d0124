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
    from nstkit.formats import Format
    from nstkit.hardware import device_name, seed_everything, use_device
    from nstkit.quality.report import Pictures, measure_spec, print_table, report
    from nstkit.runs import open_run

    specs = [parse_backbone(text) for text in given.extractor.backbone]
    device = use_device(given.run.device)
    # What is measured should not depend on what is fast on this machine.
    form = Format(
        "fp32" if given.run.precision == "auto" else given.run.precision,
        "channels_last" if given.run.memory_format == "auto" else given.run.memory_format,
    )
    config = given.changed(device=device_name(given.run.device, device), **form._asdict())
    if config.run.print_config:
        print(json.dumps(settings_of(config), indent=2))
        return
    names = run_names(config.run, "quality", [spec.label for spec in specs])
    pictures = Pictures(config)
    for spec, name in zip(specs, names, strict=True):
        seed_everything(config.run.seed)
        backbone = load_backbone(spec, factory=config.extractor.arch, **config.extractor.input.flat())
        backbone.check_taps(config.extractor.taps)
        backbone.to_memory_format(form.layout)
        data, size_px = pictures.load(spec)
        fitted = config.changed(backbone=(spec.text,), image_size=size_px)
        slug = f"{backbone.label}-{data.name}"
        with open_run(fitted, device, "quality", slug, given=given, name=name) as run:
            quality = measure_spec(spec, backbone, data, fitted, device, form.precision)
            report(run, backbone, data, quality, fitted)
            print_table(backbone, data, quality, fitted)


if __name__ == "__main__":
    run_command(main)
