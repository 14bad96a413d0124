"""What a training needs before its first step: data, network, folder and position, made from the settings."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nstkit import hardware
from nstkit.config import Precision
from nstkit.datasets.alter import altered
from nstkit.datasets.arrays import Dataset, merge_validation
from nstkit.datasets.load import load_dataset
from nstkit.datasets.names import TRAINING_COUNTS
from nstkit.errors import UserError
from nstkit.folders import held, new_folder, slugify
from nstkit.formats import Choice, choose_format, list_formats
from nstkit.quality.sample import batch_size
from nstkit.ranks import Ranks
from nstkit.settings import NotAllowed, as_word
from train_backbone import resume
from train_backbone.augment import normalise
from train_backbone.config import TrainConfig
from train_backbone.estimate import LEAST_SIDE_PX, check_training
from train_backbone.feed import Feed
from train_backbone.final_fit import check_fitted_data, rates_to_replay, read_fitted
from train_backbone.format import training_work
from train_backbone.model import build_model, network_arch
from train_backbone.training import Training, prepare_training


@dataclass(frozen=True)
class Session:
    """A training that is ready to begin or to go on.

    Attributes:
        config: resolved settings.
        given: the settings before they were resolved, by which a later command recognises its own run.
        device: where it computes.
        choice: its number format and memory format.
        data: the data set on the device, altered as the settings say.
        feed: gives its training pictures.
        training: the network in training, at step 0 or where the resumed run stopped.
        folder: the folder of the run, None where nothing will be written.
        is_resumed: whether the folder holds an earlier part of this run.
        environment: hardware and versions.
        ranks: the processes that train together.
    """

    config: TrainConfig
    given: TrainConfig
    device: torch.device
    choice: Choice
    data: Dataset
    feed: Feed
    training: Training
    folder: Path | None
    is_resumed: bool
    environment: dict[str, Any]
    ranks: Ranks

    @property
    def precision(self) -> Precision:
        """The number format: fp32, bf16 or fp16."""
        return self.choice.format.precision


@contextlib.contextmanager
def held_folder(config: TrainConfig, ranks: Ranks) -> Iterator[tuple[Path | None, bool]]:
    """Find the run's folder and whether it is that of a resumed run, before any work; keep other processes out of it.

    Yields:
        None for a new run of which nothing will be written; then the name that is asked for may be taken.

    Raises:
        UserError: where another process trains this run, the name is taken, or `--resume` names no run that can go on.
    """
    trial = config.trial
    folder, is_resumed = None, False
    with contextlib.ExitStack() as stack:
        if ranks.is_writer:
            folder = resume.find_resumable(config)
            is_resumed = folder is not None
            if not (config.run.print_config or trial.dry_run or trial.overfit_batch):
                parent = config.run.runs_dir / "train_backbone"
                place = new_folder(parent, config.run.run_name, slug_of(config)) if folder is None else held(folder)
                folder = stack.enter_context(place)
        yield ranks.from_writer((folder, is_resumed))


def slug_of(config: TrainConfig) -> str:
    """Return what the name of a run's folder says of its settings where it has no other."""
    network = config.network
    return slugify(f"{network.arch}-{network.norm}-w{network.width:g}-{config.data.dataset}")


def open_session(
    given: TrainConfig, device: torch.device, ranks: Ranks, folder: Path | None = None, is_resumed: bool = False
) -> Session:
    """Return everything that is made from the settings, the same in every process. Nothing is written.

    Args:
        given: settings, not resolved.
        device: where to compute.
        ranks: the processes that train together.
        folder: of the run, see `held_folder`.
        is_resumed: whether it holds an earlier part of the run.

    Raises:
        UserError: for settings that do not go together, or data that are not there or not those of the resumed run.
    """
    config = given
    hardware.seed_everything(config.run.seed)
    if is_resumed and folder is not None:
        config = config.changed(**resume.kept_format(folder, config))
    formats = list_formats(config.run.precision, config.run.memory_format, device)
    leanest = formats[-1].precision  # which of them is the faster one is measured later
    check_before_reading(config, leanest, device, ranks)
    saved = resume.read_saved(folder) if is_resumed and folder is not None else None
    fitted = read_fitted(config)
    with ranks.writer_first():
        data = read_data(config, fitted).to(device)
    if saved is not None:
        resume.check_same_data(f"--resume {folder}", saved, data)
    feed = Feed(data, config, ranks)
    check_batch(config, feed.batch_size, ranks.count)
    if smaller := [side for side in config.augmentation.progressive if side > data.size_px]:
        raise NotAllowed([f"--progressive {as_word(smaller)} (at most the {data.size_px} px of the pictures)"])
    replayed = None
    if config.progress.final_fit is not None and fitted is not None:
        rates = rates_to_replay(config.progress.final_fit, fitted)
        config = config.changed(epochs=len(rates))
        replayed = rates if config.recipe.schedule == "plateau" else None  # the others depend on the step alone
    config = config.resolved(feed.batches_an_epoch, feed.batch_size)
    config = config.changed(device=hardware.device_name(config.run.device, device), image_size=data.size_px)
    arch = network_arch(config.network, len(data.classes), data.size_px)
    sizes = data.size_px, feed.batch_size // ranks.count
    check_training(config, arch, *sizes, leanest, device, warn=False)
    model = build_model(config.network, len(data.classes), data.size_px, first_pictures(data)[0]).to(device)
    part_size = feed.batch_size // (ranks.count * config.recipe.accumulate)
    # Measured by each process, so they may not agree.
    choice = ranks.from_writer(choose_format(formats, training_work(model, data.size_px, part_size)))
    check_training(config, arch, *sizes, choice.format.precision, device)
    model.to(memory_format=choice.format.layout)
    config = config.changed(**choice.settings)
    feed = dataclasses.replace(feed, config=config)
    if ranks.count > 1 and device.type == "cuda":
        model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)  # raises on a CPU
    training = prepare_training(
        model, config, feed.batches_an_epoch, len(data.classes), choice.format.precision, ranks, replayed
    )
    if saved is not None:
        resume.load_training(training, saved, f"--resume {folder}")
    return Session(
        config=config,
        given=given,
        device=device,
        choice=choice,
        data=data,
        feed=feed,
        training=training,
        folder=folder,
        is_resumed=is_resumed,
        environment=hardware.describe_environment(device),
        ranks=ranks,
    )


def check_before_reading(config: TrainConfig, precision: Precision, device: torch.device, ranks: Ranks) -> None:
    """Raise `UserError` where a training does not fit into the memory by what is known before any picture is there.

    Reading or drawing them may take long. The arguments are those of `open_session` and of `check_training`.
    """
    side_px = config.data.image_size or LEAST_SIDE_PX
    pictures = int(TRAINING_COUNTS.get(config.data.dataset, 2) * config.data.train_fraction)
    batch_size = max(2, min(config.recipe.batch_size, pictures) // ranks.count)
    arch = network_arch(config.network, 2, side_px)
    check_training(config.resolved(1, batch_size), arch, side_px, batch_size, precision, device, warn=False)


def check_batch(config: TrainConfig, batch_size: int, processes: int) -> None:
    """Raise `UserError` where a batch cannot be divided into the parts that the settings and the processes ask for."""
    accumulate, augmentation = config.recipe.accumulate, config.augmentation
    if batch_size % (accumulate * processes):
        raise UserError(
            f"a batch of {batch_size} pictures cannot be divided over {processes} processes times --accumulate "
            f"{accumulate}: choose a --batch-size that can."
        )
    if (augmentation.mixup or augmentation.cutmix) and processes > 1 and batch_size // processes % 2:
        raise UserError(
            f"--mixup and --cutmix mix neighbouring pictures, but {batch_size} pictures over {processes} processes "
            f"put some neighbours into different processes: choose a --batch-size that gives each process an even "
            f"number."
        )


def read_data(config: TrainConfig, fitted: Mapping[str, Any] | None = None) -> Dataset:
    """Return the data set of the settings.

    A final fit trains on its validation pictures too. Then pictures are left out and labels are drawn anew, where the
    settings say so.

    Args:
        config: the settings.
        fitted: last checkpoint of the run that a final fit repeats, whose pictures these have to be.
    """
    chosen = config.data
    data: Dataset = load_dataset(
        chosen.dataset,
        chosen.data_dir,
        chosen.image_size,
        protocol=chosen.protocol,
        split_seed=chosen.split_seed,
        background=chosen.background,
        stream=chosen.stream,
    )
    if fitted is not None:
        check_fitted_data(config, data, fitted)
    if config.progress.final_fit:
        data = merge_validation(data)
    return altered(data, train_fraction=chosen.train_fraction, label_noise=chosen.label_noise, seed=config.run.seed)


def first_pictures(data: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a few training pictures, normalised, (N, 3, H, W), and their classes (N,), both on the CPU.

    `--init lsuv` and the check of the initial weights look at them.
    """
    count = min(batch_size(data.size_px), len(data.train))
    order = torch.linspace(0, len(data.train) - 1, count).long()  # parts are in the order of their classes
    images, labels = next(data.train.read(order, count))
    mean, std = torch.tensor(data.mean), torch.tensor(data.std)
    return normalise(images.cpu().permute(0, 3, 1, 2).float() / 255, mean, std), labels.cpu()
