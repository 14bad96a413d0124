"""Nearest neighbours: whether pictures of one class lie together, with nothing fitted at all."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from nstkit.measure import Measure
from nstkit.quality.probe import standardise

NEIGHBOURS = 20
TEMPERATURE = 0.07
CHUNK = 1000  # test pictures compared at once: bounds the table of similarities at 40 MB for 10,000 training pictures


@torch.no_grad()
def knn_accuracy(
    train: Float[Tensor, "n c"],
    train_labels: Int64[Tensor, " n"],
    test: Float[Tensor, "m c"],
    test_labels: Int64[Tensor, " m"],
    *,
    neighbours: int = NEIGHBOURS,
) -> float:
    """Return the test accuracy of a vote among the nearest training pictures, a fraction in [0, 1].

    Each of the nearest by cosine votes for its class with weight exp(cosine / 0.07).

    Args:
        train: pooled features, (N, C).
        train_labels: their classes, (N,).
        test: pooled features of other pictures, (M, C).
        test_labels: their classes, (M,).
        neighbours: how many vote; all where there are fewer.

    Source: Wu et al. 2018, Unsupervised feature learning via non-parametric instance discrimination, section 3.4.
    Differs: features are standardised channel by channel first. Rectified features are all positive, and nearly all
        of their cosine comes from what every picture shares; and a channel's scale, which the next layer can undo,
        should not decide who is near.
    """
    classes = int(max(train_labels.max(), test_labels.max())) + 1
    known = functional.normalize(standardise(train, train))
    asked = functional.normalize(standardise(test, train))
    hits = 0
    for chunk, truth in zip(asked.split(CHUNK), test_labels.split(CHUNK), strict=True):
        cosine, index = (chunk @ known.T).topk(min(neighbours, len(known)), dim=1)
        weights = ((cosine - 1) / TEMPERATURE).exp()
        votes = torch.zeros(len(chunk), classes, dtype=weights.dtype, device=weights.device)
        votes.scatter_add_(1, train_labels[index], weights)
        hits += int((votes.argmax(dim=1) == truth).sum())
    return hits / len(test)


KNN = Measure(
    name="extractor/knn",
    function=knn_accuracy,
    unit="fraction",
    range=(0.0, 1.0),
    higher_is_better=True,
    source="Wu et al. 2018, Unsupervised feature learning via non-parametric instance discrimination, section 3.4",
    aspect="extractor",
)
