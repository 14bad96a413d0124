"""How much memory a training takes, found out before its network is made."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from nstkit.backbones.build import build_network
from nstkit.backbones.kept import kept_bytes
from nstkit.config import Precision
from nstkit.hardware import autocast, memory_format_of
from nstkit.memory import Demand, free_memory_bytes, process_bytes
from nstkit.rehearsal import rehearse
from train_backbone import evaluate
from train_backbone.config import TrainConfig
from train_backbone.feed import Batch
from train_backbone.init_check import check_initial_weights, seen_pictures
from train_backbone.loop import train_step
from train_backbone.training import prepare_training

LEAST_SIDE_PX = 32  # of the pictures of any data set
CAUTIOUS_BYTES = 2**16  # for each pixel of a batch; a VGG19 takes 5000, a DenseNet121 on small pictures 45,000
LEAST_COPIES = 4  # of the weights: they, the gradient, AdamW's two
LOOK_PX, LOOK_PICTURES = 128, 2  # largest side, and number, of the pictures that a network is measured with
CAUTIOUS_COPIES = 16  # of the weights: gradient, AdamW's two, the average, and two snapshots of all that


def check_training(
    config: TrainConfig,
    arch: Mapping[str, Any],
    size_px: int,
    batch_size: int,
    precision: Precision,
    device: torch.device,
    *,
    warn: bool = True,
) -> None:
    """Raise `UserError` where a training does not fit into the free memory, and with `warn` warn where it may not.

    A user's own network (`arch` names a factory) is not looked at: making it may do anything, and is done once.

    Args:
        config: resolved settings.
        arch: of the network, see `nstkit.backbones.build`.
        size_px: side of the pictures [px].
        batch_size: pictures that this process takes in a step.
        precision: fp32, bf16 or fp16.
        device: where it trains.
        warn: whether this is the last look before the training.
    """
    free = free_memory_bytes(device)
    if arch.get("library") == "factory" or cautious_bytes(arch, size_px, batch_size) < free / 2:
        return
    what = f"Training {arch['arch']} on batches of {batch_size:,} pictures of {size_px} px"
    advice = "Lower --batch-size, --image-size or --width, raise --accumulate, or use --precision bf16."
    for least in least_bytes(arch, size_px, batch_size, precision):  # at once, while the whole truth takes seconds
        Demand(what, least, free, advice, is_least=True).check()
    needed = training_bytes(config, arch, size_px, batch_size, precision, device)
    if needed is not None:
        Demand(what, needed, free, advice).check(warn=warn)


def training_bytes(
    config: TrainConfig,
    arch: Mapping[str, Any],
    size_px: int,
    batch_size: int,
    precision: Precision,
    device: torch.device,
) -> int | None:
    """Return by how much memory grows while a network is made and trained [bytes], None where that cannot be told.

    The pictures of the data set are not counted. The arguments are those of `check_training`.
    """
    if arch.get("library") == "factory":
        return None

    def work() -> None:
        model = _build(arch, device)
        training = prepare_training(model, config, 1, arch["classes"], precision)
        first = seen_pictures(size_px, batch_size)
        seen = torch.rand(first, 3, size_px, size_px, device=device)
        check_initial_weights(model, seen, torch.zeros(first, dtype=torch.long, device=device))
        del seen
        images = torch.rand(batch_size, 3, size_px, size_px, device=device)
        batch = Batch(images, torch.zeros(batch_size, dtype=torch.long, device=device))
        for _ in range(2):  # in the second epoch there is a snapshot of the first
            model.train()
            train_step(training, batch, config, precision, memory_format_of(model.parameters()))
            look(training.measured)
            training.end_epoch({})

    def look(model: nn.Module) -> None:
        count = evaluate.batch_size(size_px)
        with torch.no_grad(), autocast(device, precision):
            model.eval()(torch.rand(count, 3, size_px, size_px, device=device))

    tensors = rehearse(work, device)
    return None if tensors is None else process_bytes(tensors)


def cautious_bytes(arch: Mapping[str, Any], size_px: int, batch_size: int) -> int:
    """Return more than a training of a network takes [bytes]; see `check_training`."""
    pictures = max(batch_size, seen_pictures(size_px, 1))
    return CAUTIOUS_COPIES * weight_bytes(arch) + pictures * size_px**2 * CAUTIOUS_BYTES


def least_bytes(arch: Mapping[str, Any], size_px: int, batch_size: int, precision: Precision) -> Iterator[int]:
    """Yield less than a training of a network takes [bytes], the closer the longer it takes to find out."""
    least = LEAST_COPIES * weight_bytes(arch) + batch_size * 3 * 4 * size_px**2
    yield least
    if size_px <= LOOK_PX:
        network = _build(arch, torch.device("cpu")).train()
        kept = kept_bytes(network, network, (LOOK_PICTURES, 3, size_px, size_px)) // LOOK_PICTURES
        yield least + round(kept * batch_size * (1.0 if precision == "fp32" else 0.5))


def weight_bytes(arch: Mapping[str, Any]) -> int:
    """Return the size of a network's weights [bytes]."""
    return sum(weight.nbytes for weight in _build(arch, torch.device("meta")).parameters())


def _build(arch: Mapping[str, Any], device: torch.device) -> nn.Module:
    with device, torch.random.fork_rng(devices=[]):
        return build_network(dict(arch))
