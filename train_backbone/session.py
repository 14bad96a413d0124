"""What a training needs before its first step, from the settings: data, network, folder, position."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nstkit import hardware
from nstkit.config import Precision, settings_of
from nstkit.datasets import load_dataset
from nstkit.datasets.alter import take_fraction, with_label_noise
from nstkit.datasets.arrays import Dataset, merge_validation
from nstkit.errors import UserError
from nstkit.ranks import Ranks
from nstkit.runs import choose_folder
from train_backbone import resume
from train_backbone.augment import normalise
from train_backbone.config import TrainConfig
from train_backbone.feed import Feed
from train_backbone.model import build_model, prefer_memory_format
from train_backbone.training import Training, prepare_training

SEEN_PICTURES = 256


@dataclass(frozen=True)
class Session:
    """A training that is ready to begin or to go on.

    Attributes:
        config: resolved settings.
        given: the settings before, by which a later command recognises its own run.
        precision: fp32, bf16 or fp16.
        data: on the device, altered as the settings say.
        feed: gives its training pictures.
        training: at step 0, or where the resumed run stopped.
        folder: of the run.
        is_resumed: the folder holds an earlier part of this run.
        environment: hardware and versions.
        ranks: the processes that train together.
    """

    config: TrainConfig
    given: dict[str, Any]
    precision: Precision
    data: Dataset
    feed: Feed
    training: Training
    folder: Path
    is_resumed: bool
    environment: dict[str, Any]
    ranks: Ranks


def open_session(config: TrainConfig, device: torch.device, ranks: Ranks) -> Session:
    """Return everything made from the settings, alike in every process. Nothing is written.

    Raises:
        UserError: for settings that do not go together, or data that are not there.
    """
    given = settings_of(config)
    hardware.seed_everything(config.seed)
    to_resume = ranks.from_writer(resume.find_resumable(config) if ranks.is_writer else None)
    replayed = resume.rates_to_replay(config)
    with ranks.writer_first():
        data = read_data(config).to(device)
    feed = Feed(data, config, ranks)
    if feed.batch_size % (config.accumulate * ranks.count):
        raise UserError(
            f"a batch of {feed.batch_size} pictures cannot be divided over {ranks.count} processes times --accumulate "
            f"{config.accumulate}: choose a --batch-size that can."
        )
    if (config.mixup or config.cutmix) and ranks.count > 1 and feed.batch_size // ranks.count % 2:
        raise UserError(
            f"--mixup and --cutmix pair neighbours, whom {feed.batch_size} pictures over {ranks.count} processes "
            f"would part: choose a --batch-size that gives each process an even number."
        )
    if replayed is not None:
        config = dataclasses.replace(config, epochs=len(replayed))
        replayed = replayed if config.schedule == "plateau" else None  # the others depend on the step alone
    precision = hardware.choose_precision(config.precision, device)
    config = dataclasses.replace(
        config.resolved(feed.batches_an_epoch), device=device.type, precision=precision, image_size=data.size_px
    )
    feed = dataclasses.replace(feed, config=config)
    model = build_model(config, len(data.classes), data.size_px, first_pictures(data)[0]).to(device)
    model = prefer_memory_format(model, data, precision)
    # Timed in each process, so they may not agree.
    model.to(memory_format=ranks.from_writer(hardware.memory_format_of(model.parameters())))
    if ranks.count > 1 and device.type == "cuda":
        model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)  # raises on a CPU
    training = prepare_training(model, config, feed.batches_an_epoch, len(data.classes), precision, ranks, replayed)
    if to_resume is not None:
        resume.load_training(training, to_resume)
    slug = f"{config.arch}-{config.norm}-w{config.width:g}-{config.dataset}"
    writes_nothing = config.print_config or config.dry_run or config.overfit_batch
    name = None if writes_nothing else config.run_name  # which may be taken
    folder = to_resume or ranks.from_writer(choose_folder(config.runs_dir, "train_backbone", name, slug))
    environment = hardware.describe_environment(device)
    return Session(config, given, precision, data, feed, training, folder, to_resume is not None, environment, ranks)


def read_data(config: TrainConfig) -> Dataset:
    """Return the data set that the settings name, with validation merged, thinned out and mislabelled as they say."""
    data = load_dataset(
        config.dataset,
        config.data_dir,
        config.image_size,
        protocol=config.protocol,
        split_seed=config.split_seed,
        background=config.background,
        stream=config.stream,
    )
    if config.final_fit:
        data = merge_validation(data)
    train = data.train
    if config.train_fraction < 1:
        train = take_fraction(train, config.train_fraction, config.seed)
    if config.label_noise:
        train = with_label_noise(train, config.label_noise, len(data.classes), config.seed)
    return dataclasses.replace(data, train=train)


def first_pictures(data: Dataset) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a few training pictures, normalised, (N, 3, H, W), and their classes (N,), both on the CPU.

    `--init lsuv` and the check of the initial weights look at them.
    """
    count = min(SEEN_PICTURES, len(data.train))
    order = torch.linspace(0, len(data.train) - 1, count).long()  # parts are in the order of their classes
    images, labels = next(data.train.read(order, count))
    mean, std = torch.tensor(data.mean), torch.tensor(data.std)
    return normalise(images.cpu().permute(0, 3, 1, 2).float() / 255, mean, std), labels.cpu()
