"""python -m train_backbone: train a network from scratch; see --help.

With nothing given: VGG19 with batch norm on CIFAR-100, downloaded once.
    python -m train_backbone --dataset patterns --width 0.25 --epochs 5      # no download, under a minute on two cores
    torchrun --nproc-per-node 2 -m train_backbone                            # one network on two GPUs
"""

import contextlib
import json

from nstkit.config import as_typed, parse, settings_of
from nstkit.errors import Interruption, run_command
from train_backbone.config import TrainConfig
from train_backbone.presets import PRESETS


def main() -> None:
    """Parse, make everything ready, train, test, report."""
    config = parse(TrainConfig, "train_backbone", presets=PRESETS)
    # Only now: importing torch takes seconds, and --help and mistakes in the flags should answer at once.
    from nstkit.hardware import choose_device
    from nstkit.ranks import join_ranks
    from train_backbone import resume, trial
    from train_backbone.loop import train
    from train_backbone.session import open_session

    if resume.is_already_done(config):
        print(f"finished already: {config.runs_dir / 'train_backbone' / config.run_name}")
        return
    device = choose_device(config.device)
    with join_ranks(device) as ranks:
        session = open_session(config, device, ranks)
        if config.print_config:
            print(json.dumps(settings_of(session.config), indent=2))
            return
        trials = {"dry_run": trial.dry_run, "overfit_batch": trial.overfit_batch, "profile": trial.profile_steps}
        if chosen := [run for name, run in trials.items() if getattr(config, name)]:
            chosen[0](session)
            return
        if ranks.is_writer:
            train_and_report(session)
        else:
            train(session.training, session.feed, session.config, session.precision, lambda record: None)


def train_and_report(session) -> None:
    """Train in the process that writes: the run folder, the screen, the measures at the end."""
    from nstkit.runs import Run, tensorboard_command
    from train_backbone import report
    from train_backbone.finish import measure_and_report
    from train_backbone.loop import train

    config, folder, training = session.config, session.folder, session.training
    resume_step = training.step if session.is_resumed else None
    places = f"results: {folder}\nwatch:   {tensorboard_command(config.runs_dir)}"
    with Run(folder, config, session.environment, given=session.given, resume_step=resume_step) as run:
        print(places)
        report.announce(run, session)
        with Interruption() as asked, contextlib.closing(report.Reporter(run, session, asked)) as reporter:
            train(training, session.feed, config, session.precision, reporter)
        quality = measure_and_report(run, session)
    print(f"test top1 {quality['extractor/top1']:.2%}, top5 {quality['extractor/top5']:.2%}")
    factory = f" --arch {config.arch}" if ":" in config.arch else ""  # code that a file names is never run
    print(f"{places}\npaint:   {as_typed(f'python -m transfer --backbone {folder}/ckpt.pt{factory}')}")


if __name__ == "__main__":
    run_command(main)
