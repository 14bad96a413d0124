"""Top-1, top-5 and loss of a classifier over one part of a data set."""

import torch
from torch import nn
from torch.nn import functional
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from nstkit.config import Precision
from nstkit.datasets.arrays import LabelledImages
from nstkit.hardware import autocast, memory_format_of
from train_backbone.augment import normalise

BATCH_SIZE = 500


@torch.no_grad()
def evaluate(
    model: nn.Module, part: LabelledImages, mean: torch.Tensor, std: torch.Tensor, precision: Precision
) -> dict[str, float]:
    """Return `top1` and `top5` as fractions in [0, 1], over all pictures alike, and the mean cross-entropy `loss`.

    The model is left in eval mode.
    """
    model.eval()
    memory_format = memory_format_of(model.parameters())
    device = part.images.device
    classes = model.classifier.out_features
    accuracy = MetricCollection(
        {
            "top1": MulticlassAccuracy(classes, average="micro"),
            "top5": MulticlassAccuracy(classes, average="micro", top_k=min(5, classes)),
        }
    ).to(device)
    loss = MeanMetric().to(device)
    for images, labels in zip(part.images.split(BATCH_SIZE), part.labels.split(BATCH_SIZE), strict=True):
        with autocast(device, precision):
            logits = model(normalise(images, mean, std).contiguous(memory_format=memory_format))
        accuracy.update(logits.float(), labels)
        loss.update(functional.cross_entropy(logits.float(), labels), weight=len(labels))
    return {**{name: float(value) for name, value in accuracy.compute().items()}, "loss": float(loss.compute())}
