"""How many training seeds an answer needs, from the spread of a pilot."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import stats
from statsmodels.stats.power import TTestPower

DRAWS = 20_000


def t_test_power(effect: float, sd: float, count: int, alpha: float = 0.05) -> float:
    """Return the power of a two-sided t test of `count` values against 0, by the noncentral t distribution.

    Args:
        effect: true mean.
        sd: deviation of the values, above 0.
        count: of the values, two or more.
        alpha: level of the test.

    Example:
        >>> round(t_test_power(0.5, 1.0, 34), 3)
        0.808
    """
    return float(TTestPower().power(abs(effect) / sd, count, alpha))


def equivalence_power(margin: float, sd: float, count: int, alpha: float = 0.05, seed: int = 0) -> float:
    """Return the power of two one-sided tests within +-margin where the true mean is 0, by simulation.

    Means and deviations of normal samples are drawn directly, 20,000 of them: to about 0.004.
    """
    random = np.random.default_rng(seed)
    means = random.normal(0, sd / math.sqrt(count), DRAWS)
    sds = sd * np.sqrt(random.chisquare(count - 1, DRAWS) / (count - 1))
    reach = stats.t.ppf(1 - alpha, count - 1) * sds / math.sqrt(count)
    return float((np.abs(means) + reach < margin).mean())


def seeds_needed(effect: float, sd: float, power: float = 0.8, alpha: float = 0.05, most: int = 100) -> int | None:
    """Return the least number of seeds whose slopes show an effect with this power, None where `most` do not."""
    counts = range(2, most + 1)
    return next((count for count in counts if sd == 0 or t_test_power(effect, sd, count, alpha) >= power), None)


def sd_interval(values: Sequence[float] | Float[np.ndarray, " n"], alpha: float = 0.05) -> tuple[float, float]:
    """Return the interval of the deviation of normal values, of which there are few in a pilot, and it is wide.

    Example:
        >>> tuple(round(end, 2) for end in sd_interval([0.0, 1.0, 2.0]))
        (0.52, 6.28)
    """
    free = len(values) - 1
    squares = free * float(np.var(values, ddof=1))
    low, high = (math.sqrt(squares / stats.chi2.ppf(q, free)) for q in (1 - alpha / 2, alpha / 2))
    return low, high
