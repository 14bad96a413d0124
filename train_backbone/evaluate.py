"""Top-1, top-5 and loss of a classifier over one part of a data set."""

import math

import torch
from torch import nn
from torch.nn import functional

from nstkit.config import Precision
from nstkit.datasets.arrays import Dataset, Part
from nstkit.hardware import autocast, memory_format_of
from nstkit.quality import sample
from nstkit.ranks import Ranks
from train_backbone.augment import normalise

MAX_BATCH = 500


def batch_size(size_px: int) -> int:
    """Return how many pictures of this side are evaluated at once."""
    return sample.batch_size(size_px, MAX_BATCH)


@torch.no_grad()
def evaluate(
    model: nn.Module, part: Part, data: Dataset, precision: Precision, ranks: Ranks | None = None
) -> dict[str, float]:
    """Return `top1` and `top5` as fractions in [0, 1], over all pictures alike, and the mean cross-entropy `loss`.

    The model is left in eval mode. Each process takes its share of the pictures, none twice, and gets the whole result.

    Args:
        model: classifier on its device.
        part: pictures of `data`, such as `data.val`.
        data: gives the classes and the normalisation.
        precision: fp32, bf16 or fp16.
        ranks: the processes that call this together. None = this one alone.
    """
    from torchmetrics import MeanMetric, MetricCollection  # which takes seconds, and a mistake should not wait for it
    from torchmetrics.classification import MulticlassAccuracy

    ranks = ranks or Ranks()
    model.eval()
    memory_format, device = memory_format_of(model.parameters()), part.device
    mean, std = (torch.tensor(values, device=device) for values in (data.mean, data.std))
    classes, is_shared = len(data.classes), ranks.count > 1
    accuracy = MetricCollection(
        {
            "top1": MulticlassAccuracy(classes, average="micro", sync_on_compute=is_shared),
            "top5": MulticlassAccuracy(classes, average="micro", top_k=min(5, classes), sync_on_compute=is_shared),
        }
    ).to(device)
    # By default a NaN would be dropped, with a warning; "disable" ignores the weights.
    loss = MeanMetric(nan_strategy=math.nan, sync_on_compute=is_shared).to(device)
    for images, labels in part.read(torch.arange(len(part))[ranks.take(len(part))], batch_size(part.size_px)):
        normalised = normalise(images.permute(0, 3, 1, 2).float() / 255, mean, std)
        with autocast(device, precision):
            logits = model(normalised.contiguous(memory_format=memory_format))
        accuracy.update(logits.float(), labels)
        loss.update(functional.cross_entropy(logits.float(), labels), weight=len(labels))
    return {**{name: float(value) for name, value in accuracy.compute().items()}, "loss": float(loss.compute())}
