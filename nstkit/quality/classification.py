"""What the network's own head makes of test pictures. torchmetrics is imported when it is needed: it takes seconds."""

from jaxtyping import Float, Int64
from torch import Tensor

from nstkit.measure import Measure

BINS = 15  # of the calibration error


def top1_accuracy(logits: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> float:
    """Return the share of pictures whose highest logit is their class, in [0, 1].

    Args:
        logits: (N, K).
        labels: (N,).
    """
    from torchmetrics.functional.classification import multiclass_accuracy

    return float(multiclass_accuracy(logits, labels, logits.shape[1], average="micro"))


def top5_accuracy(logits: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> float:
    """Return the share of pictures whose class is among the five highest logits, in [0, 1].

    Args:
        logits: (N, K); with fewer than five classes all of them count.
        labels: (N,).
    """
    from torchmetrics.functional.classification import multiclass_accuracy

    classes = logits.shape[1]
    return float(multiclass_accuracy(logits, labels, classes, average="micro", top_k=min(5, classes)))


def mean_per_class_accuracy(logits: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> float:
    """Return the mean over the classes that occur of each one's top-1 accuracy, in [0, 1].

    Args:
        logits: (N, K).
        labels: (N,).
    """
    confusion = confusion_matrix(logits, labels).double()
    count = confusion.sum(dim=1)
    # torchmetrics' macro average counts a class that was only predicted, with no picture of it, as 0.
    return float((confusion.diagonal() / count)[count > 0].mean())


def calibration_error(logits: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> float:
    """Return the expected calibration error: the mean distance of confidence and accuracy over 15 bins, in [0, 1].

    Args:
        logits: (N, K); the confidence is the highest value of their softmax.
        labels: (N,).

    Source: Guo et al. 2017, On calibration of modern neural networks, equation 3.
    """
    from torchmetrics.functional.classification import multiclass_calibration_error

    probabilities = logits.float().softmax(dim=1)
    return float(multiclass_calibration_error(probabilities, labels, logits.shape[1], n_bins=BINS, norm="l1"))


def confusion_matrix(logits: Float[Tensor, "n k"], labels: Int64[Tensor, " n"]) -> Int64[Tensor, "k k"]:
    """Return counts of pictures by class (row) and prediction (column), (K, K).

    Args:
        logits: (N, K).
        labels: (N,).
    """
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    return multiclass_confusion_matrix(logits, labels, logits.shape[1])


TOP1 = Measure(
    name="extractor/top1",
    function=top1_accuracy,
    unit="fraction",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="torchmetrics, micro average",
    aspect="extractor",
)
TOP5 = Measure(
    name="extractor/top5",
    function=top5_accuracy,
    unit="fraction",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="torchmetrics, micro average of the five highest",
    aspect="extractor",
)
MEAN_PER_CLASS = Measure(
    name="extractor/mean_per_class",
    function=mean_per_class_accuracy,
    unit="fraction",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="Fei-Fei, Fergus, Perona 2004, the convention of Caltech101",
    aspect="extractor",
)
CALIBRATION = Measure(
    name="extractor/ece",
    function=calibration_error,
    unit="fraction",
    range=(0.0, 1.0),
    higher_is_better=False,
    source="Guo et al. 2017, On calibration of modern neural networks, equation 3",
    aspect="extractor",
)

CLASSIFICATION: tuple[Measure[float], ...] = (TOP1, TOP5, MEAN_PER_CLASS, CALIBRATION)
"""Each takes (logits, labels)."""
