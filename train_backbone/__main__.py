"""python -m train_backbone: train a VGG from scratch; see --help.

With nothing given: VGG19 with batch norm on CIFAR-100, downloaded once.
    python -m train_backbone --dataset patterns --width 0.25 --epochs 5      # no download, under a minute on two cores
"""

import dataclasses
import json

from nstkit.config import as_typed, parse, settings_of
from nstkit.errors import run_command
from train_backbone.config import TrainConfig


def main() -> None:
    """Parse, load the data, build, train, test, report."""
    config = parse(TrainConfig, "train_backbone")
    # Only now: importing torch takes seconds, and --help and mistakes in the flags should answer at once.
    from nstkit import hardware
    from nstkit.datasets import load_dataset
    from nstkit.runs import Run, choose_folder, tensorboard_command
    from train_backbone import report, resume
    from train_backbone.loop import prepare_training, train
    from train_backbone.model import build_model, prefer_memory_format

    given = settings_of(config)
    device = hardware.choose_device(config.device)
    precision = hardware.choose_precision(config.precision, device)
    hardware.seed_everything(config.seed)
    to_resume = resume.find_resumable(config)
    data = load_dataset(config.dataset, config.data_dir, config.image_size).to(device)
    steps_an_epoch = max(1, len(data.train) // config.batch_size)
    config = dataclasses.replace(
        config.resolved(steps_an_epoch), device=device.type, precision=precision, image_size=data.size_px
    )
    if config.print_config:
        print(json.dumps(settings_of(config), indent=2))
        return
    model = prefer_memory_format(build_model(config, len(data.classes)).to(device), data, precision)
    training = prepare_training(model, config, steps_an_epoch, precision)
    if to_resume is not None:
        resume.load_training(training, to_resume)
    slug = f"{config.arch}-{config.norm}-w{config.width:g}-{config.dataset}"
    folder = to_resume or choose_folder(config.runs_dir, "train_backbone", config.run_name, slug)
    environment = hardware.describe_environment(device)
    with Run(folder, config, environment, given=given, resume_step=training.step if to_resume else None) as run:
        print(f"results: {folder}\nwatch:   {tensorboard_command(config.runs_dir)}")
        if config.resume:
            print(f"resumed after epoch {training.epoch}" if to_resume else "nothing to resume: this is a new run")
        report.show_batch(run, data, config.seed)
        reporter = report.Reporter(run, training, data, config, environment)
        try:
            train(training, data, config, precision, reporter)
        finally:
            reporter.close()
        quality = report.test_best(run, reporter, training, data, precision)
    print(f"test top1 {quality['extractor/top1']:.2%}, top5 {quality['extractor/top5']:.2%}")
    checkpoint = folder / "ckpt.pt"
    print(f"results: {checkpoint}\nwatch:   {tensorboard_command(config.runs_dir)}")
    print(f"paint:   {as_typed(f'python -m transfer --backbone {checkpoint}')}")


if __name__ == "__main__":
    run_command(main)
