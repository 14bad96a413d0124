"""python -m train_backbone: train a network from scratch; see --help."""

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from nstkit.config import as_typed, parse, settings_of
from nstkit.errors import run_command
from nstkit.interruption import Interruption
from nstkit.presets import list_presets
from nstkit.settings import known
from train_backbone.config import EXAMPLES, TrainConfig
from train_backbone.presets import PRESETS

if TYPE_CHECKING:
    import torch

    from nstkit.ranks import Ranks
    from train_backbone.session import Session


def main() -> None:
    """Parse, then one training, or one with each seed and their mean."""
    config = parse(TrainConfig, "train_backbone", presets=PRESETS, examples=EXAMPLES)
    if config.run.list_presets:
        print(list_presets(PRESETS, shutil.get_terminal_size().columns))
        return
    # Only now: importing torch takes seconds, and --help and mistakes in the flags should answer at once.
    from nstkit.hardware import use_device
    from nstkit.ranks import adopt_slurm, join_ranks
    from train_backbone import resume
    from train_backbone.seeds import one_each, report_seeds

    trainings = [config] if config.run.print_config else one_each(config)
    if len(trainings) == 1 and (finished := resume.find_finished(trainings[0])):
        print(f"finished already: {finished}")
        return
    adopt_slurm()
    device = use_device(config.run.device)
    with join_ranks(device) as ranks:
        folders = [train_one(training, device, ranks) for training in trainings]
        if config.run.seeds and not config.run.print_config and ranks.is_writer:
            report_seeds(config, [known(folder) for folder in folders])


def train_one(config: TrainConfig, device: "torch.device", ranks: "Ranks") -> Path | None:
    """Make everything ready, train, test, report; return the folder of the run, None where nothing was written."""
    from nstkit.memory import DoesNotFit
    from train_backbone import resume, trial
    from train_backbone.loop import train
    from train_backbone.session import held_folder, open_session

    if finished := resume.find_finished(config):  # another seed is not
        print(f"finished already: {finished}")
        return finished
    with held_folder(config, ranks) as (folder, is_resumed):
        try:
            session = open_session(config, device, ranks, folder, is_resumed)
        except DoesNotFit as error:
            if not config.trial.dry_run:
                raise
            print(f"memory              {error}")  # which is what was asked for
            return None
        if config.run.print_config:
            print(json.dumps(settings_of(session.config), indent=2))
        elif config.trial.dry_run:
            trial.dry_run(session)
        elif config.trial.overfit_batch:
            trial.overfit_batch(session)
        elif config.trial.profile:
            trial.profile_steps(session)
        elif ranks.is_writer:
            train_and_report(session)
        else:
            train(session.training, session.feed, session.config, session.precision, lambda record: None)
    return folder


def train_and_report(session: "Session") -> None:
    """Train in the process that writes: the run folder, the screen, the measures at the end."""
    from nstkit.runs import Run, tensorboard_command
    from train_backbone import report
    from train_backbone.finish import measure_and_report
    from train_backbone.loop import train

    config, folder, training = session.config, known(session.folder), session.training
    resume_step = training.step if session.is_resumed else None
    given = settings_of(session.given)
    with Run(folder, config, session.environment, given=given, resume_step=resume_step) as run:
        print(f"results: {folder}\nwatch:   {tensorboard_command(config.run.runs_dir)}")
        report.announce(run, session)
        with Interruption() as asked, contextlib.closing(report.Reporter(run, session, asked)) as reporter:
            train(training, session.feed, config, session.precision, reporter)
        quality = measure_and_report(run, session)
    if quality:  # a network that is not finite has none
        print(f"test top1 {quality['extractor/top1']:.2%}, top5 {quality['extractor/top5']:.2%}")
    arch = config.network.arch
    factory = f" --arch {arch}" if ":" in arch else ""  # code that a file names is never run
    print(f"paint:   {as_typed(f'python -m transfer --backbone {folder}/ckpt.pt{factory}')}")


def run() -> None:
    """Run the command, also as a program of its own, which a train_backbone.py in the working folder does not hide."""
    run_command(main)


if __name__ == "__main__":
    run()
