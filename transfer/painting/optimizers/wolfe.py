"""A line search for the strong Wolfe conditions, as a generator: it asks for a length and is sent loss and slope."""

import math
from collections.abc import Generator

DECREASE = 1e-4  # share of the first slope's promise that the loss has to keep
CURVATURE = 0.9  # share of the first slope that may be left
MOST_TRIALS = 10
Search = Generator[float, tuple[float, float], float]


def strong_wolfe(loss: float, slope: float, length: float) -> Search:
    """Yield lengths to try, take (loss, slope) at each, and return the accepted length, always one that was tried.

    Where no length meets the conditions within ten trials, the one of the lowest loss is returned, or 0 if none is
    lower than the start.

    Args:
        loss: at length 0.
        slope: there, along the direction; below 0.
        length: first to try, above 0.

    Source: Nocedal and Wright 2006, Numerical optimization, algorithms 3.5 and 3.6; cubic steps by equation 3.59.
    """
    tried = {0.0: loss}
    low, high = (0.0, loss, slope), None
    for trial in range(MOST_TRIALS):
        new_loss, new_slope = yield length
        new_loss = new_loss if math.isfinite(new_loss) else math.inf
        tried[length] = new_loss
        point = (length, new_loss, new_slope)
        if new_loss > loss + DECREASE * length * slope or (trial and new_loss >= low[1]):
            high = point
        elif abs(new_slope) <= -CURVATURE * slope:
            return length
        else:
            if new_slope * ((high[0] if high else math.inf) - low[0]) >= 0:
                high = low
            low = point
        length = 2 * length if high is None else _between(low, high)
    return min(tried, key=tried.__getitem__)


def _between(low: tuple[float, float, float], high: tuple[float, float, float]) -> float:
    """Return the minimum of the cubic through two points, kept a tenth away from both; their middle if it has none."""
    (a, loss_a, slope_a), (b, loss_b, slope_b) = low, high
    middle, margin = (a + b) / 2, 0.1 * abs(b - a)
    if not math.isfinite(loss_b) or not math.isfinite(slope_b):
        return middle
    first = slope_a + slope_b - 3 * (loss_a - loss_b) / (a - b)
    inside = first**2 - slope_a * slope_b
    if inside < 0:
        return middle
    root = math.copysign(math.sqrt(inside), b - a)
    denominator = slope_b - slope_a + 2 * root
    if denominator == 0:
        return middle
    found = b - (b - a) * (slope_b + root - first) / denominator
    return min(max(found, min(a, b) + margin), max(a, b) - margin)
