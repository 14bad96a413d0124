"""What the pipeline would find where there is nothing to find: networks whose quality belongs to others."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Placebo:
    """What came of permuted networks.

    Attributes:
        rate: share of the permutations in which the test was significant; alpha where the pipeline is sound.
        p: share of the permutations whose mean slope was as far from 0 as the true one.
        replicates: how many there were.
    """

    rate: float
    p: float
    replicates: int


def placebo(
    quality: Float[np.ndarray, "seeds stages"],
    outcome: Float[np.ndarray, "seeds stages"],
    test: Callable[[np.ndarray, np.ndarray], tuple[float, float]],
    *,
    alpha: float = 0.05,
    replicates: int = 1000,
    seed: int = 0,
) -> Placebo:
    """Return how often a test finds something where the networks of each seed have changed their qualities.

    Args:
        quality: of each network.
        outcome: of each network.
        test: of quality and outcome: the mean and its p value.
        alpha: level of the test.
        replicates: number of permutations.
        seed: of them.
    """
    random = np.random.default_rng(seed)
    true_mean, _ = test(quality, outcome)
    found = np.array([test(random.permuted(quality, axis=1), outcome) for _ in range(replicates)])
    return Placebo(
        rate=float((found[:, 1] < alpha).mean()),
        p=float((1 + (np.abs(found[:, 0]) >= abs(true_mean)).sum()) / (1 + replicates)),
        replicates=replicates,
    )
