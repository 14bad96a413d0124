"""python -m transfer: paint pictures in the style of others, with any network as the eye; see --help.

python -m transfer                                                         # sample pictures, carried network
python -m transfer --backbone runs/train_backbone/RUN/ckpt.pt --content photo.jpg --style painting.jpg
python -m transfer --backbone vgg19 resnet50.a1_in1k --content photos/ --style paintings/
"""

import dataclasses
import json

from nstkit.config import parse, settings_of
from nstkit.errors import run_command
from transfer.config import TransferConfig


def main() -> None:
    """Parse, read the pictures, then one run for each backbone: load, paint every pair, judge, report."""
    asked = parse(TransferConfig, "transfer")
    config = asked.resolved()
    # Only now: importing torch takes seconds, and --help and mistakes in the flags should answer at once.
    from nstkit import hardware
    from nstkit.backbones.describe import taps_table
    from nstkit.backbones.spec import parse_backbone
    from nstkit.pictures import to_tensor
    from nstkit.runs import Run, choose_folder, tensorboard_command
    from transfer.batch import load_judges, paint_pairs
    from transfer.pairs import check_outputs, read_pairs
    from transfer.stylize import fitted, load_for

    specs = [parse_backbone(text) for text in config.backbone]
    device = hardware.choose_device(config.device)
    precision = hardware.choose_precision(config.precision, device)
    found = {"device": device.type, "precision": precision}
    if config.print_config:
        print(json.dumps(settings_of(dataclasses.replace(config, **found)), indent=2))
        return
    pairs = read_pairs(config)
    check_outputs(config, len(pairs) * len(specs))
    for spec in specs:
        backbone = load_for(spec, config).to(device)
        weighed = [word.partition("=")[0] for word in (*config.style_taps, *config.content_taps)]
        backbone.check_taps([*weighed, *config.smoothing_taps])
        if config.list_taps:
            print(taps_table(backbone, to_tensor(pairs[0].content or pairs[0].style, config.size).to(device)))
            continue
        panel = load_judges(config, spec, pairs, device)
        hardware.seed_everything(config.seed)
        name = config.run_name and config.run_name + (f"-{backbone.label}" if len(specs) > 1 else "")
        slug = f"{backbone.label}-{pairs[0].name if len(pairs) == 1 else f'{len(pairs)}-pairs'}"
        folder = choose_folder(config.runs_dir, "transfer", name, slug)
        own = fitted(dataclasses.replace(asked, backbone=(spec.text,), **found), backbone)
        with Run(folder, own, hardware.describe_environment(device), given=settings_of(asked)) as run:
            print(f"results: {folder}\nwatch:   {tensorboard_command(config.runs_dir)}")
            paint_pairs(run, backbone, pairs, own, device, precision, panel)
        print(f"results: {folder}\nwatch:   {tensorboard_command(config.runs_dir)}")


if __name__ == "__main__":
    run_command(main)
