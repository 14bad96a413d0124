"""python -m nstkit.quality: measure feature extractors beside random networks of the same architecture; see --help.

python -m nstkit.quality --backbone carried --dataset patterns             # no download, under a minute on two cores
python -m nstkit.quality --backbone runs/train_backbone/RUN vgg19 resnet50.a1_in1k --image-size 64
"""

import dataclasses
import json

from nstkit.config import parse, settings_of
from nstkit.errors import run_command
from nstkit.quality.config import QualityConfig


def main() -> None:
    """Parse, then one run for each backbone: load it and the pictures, measure, report."""
    config = parse(QualityConfig, "nstkit.quality")
    # Only now: importing torch takes seconds, and --help and mistakes in the flags should answer at once.
    from nstkit import hardware
    from nstkit.backbones.load import load_backbone
    from nstkit.backbones.spec import parse_backbone
    from nstkit.quality.report import Pictures, measure_spec, print_table, report
    from nstkit.runs import Run, choose_folder, tensorboard_command

    specs = [parse_backbone(text) for text in config.backbone]
    device = hardware.choose_device(config.device)
    precision = hardware.choose_precision(config.precision, device)
    given, config = settings_of(config), dataclasses.replace(config, device=device.type, precision=precision)
    if config.print_config:
        print(json.dumps(settings_of(config), indent=2))
        return
    pictures = Pictures(config)
    for spec in specs:
        hardware.seed_everything(config.seed)
        backbone = load_backbone(spec, factory=config.arch)
        backbone.check_taps(config.taps)
        data, size_px = pictures.load(spec)
        name = config.run_name and config.run_name + (f"-{backbone.label}" if len(specs) > 1 else "")
        folder = choose_folder(config.runs_dir, "quality", name, f"{backbone.label}-{data.name}")
        own = dataclasses.replace(config, backbone=(spec.text,), image_size=size_px)
        with Run(folder, own, hardware.describe_environment(device), given=given) as run:
            print(f"results: {folder}\nwatch:   {tensorboard_command(config.runs_dir)}")
            quality = measure_spec(spec, backbone, data, own, device, precision)
            report(run, backbone, data, quality, own)
        print_table(backbone, data, quality, own)
        print(f"results: {folder}\nwatch:   {tensorboard_command(config.runs_dir)}")


if __name__ == "__main__":
    run_command(main)
