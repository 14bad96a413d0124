"""Whether something rises first and falls then: two lines that meet where a smooth curve is flat."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from statsmodels.regression.linear_model import OLS


@dataclass(frozen=True)
class TwoLines:
    """Two slopes with a break between them.

    Attributes:
        at: where the lines break.
        first: slope below the break.
        first_p: two-sided, that it is 0.
        second: slope above the break.
        second_p: two-sided, that it is 0.
    """

    at: float
    first: float
    first_p: float
    second: float
    second_p: float

    @property
    def p(self) -> float:
        """That there is no inverted U, which takes a rise and then a fall; 1 where the signs are others."""
        return max(self.first_p, self.second_p) if self.first > 0 > self.second else 1.0


EACH_SIDE = 3  # places that a line takes at the least
LEAST_PLACES = 2 * EACH_SIDE + 2


def two_lines(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> TwoLines:
    """Return the two-lines test of y over x. A quadratic term would find a U in every curve that levels off.

    The break is looked for where a fitted curve is within one standard error of its top, nearer to the steeper line's
    end ("Robin Hood"). Standard errors are robust (HC3).

    Args:
        x: at least 8 different values.
        y: likewise.

    Raises:
        ValueError: for fewer.

    Source: Simonsohn 2018, Two Lines: A Valid Alternative to the Invalid Testing of U-Shaped Relationships With
        Quadratic Regressions.
    Differs: the curve is a cubic polynomial in place of a spline, as there are few values.
    """
    if (places := len(np.unique(x))) < LEAST_PLACES:
        raise ValueError(f"a test of values at {places} places: it takes {LEAST_PLACES} or more")
    scaled = (x - x.mean()) / x.std()
    curve = OLS(y, np.vander(scaled, 4)).fit()
    grid = np.linspace(scaled.min(), scaled.max(), 201)
    predicted = curve.get_prediction(np.vander(grid, 4))
    top = int(predicted.predicted_mean.argmax())
    least = predicted.predicted_mean[top] - predicted.se_mean[top]
    # The flat part has to leave points on both sides of every break in it.
    low, high = np.sort(np.unique(scaled))[[EACH_SIDE, -EACH_SIDE - 1]]
    flat = grid[(predicted.predicted_mean >= least) & (grid >= low) & (grid <= high)]
    if not len(flat):
        flat = np.array([np.clip(grid[top], low, high)])
    middle = _fit(scaled, y, float(np.median(flat)))
    weights = abs(middle.tvalues[1]), abs(middle.tvalues[2])
    at = float(np.quantile(flat, weights[1] / max(sum(weights), 1e-12)))
    first = _fit(scaled, y, at)
    second = _fit(scaled, y, at, is_break_above=True)
    return TwoLines(
        at=float(at * x.std() + x.mean()),
        first=float(first.params[1] / x.std()),
        first_p=float(first.pvalues[1]),
        second=float(second.params[2] / x.std()),
        second_p=float(second.pvalues[2]),
    )


def _fit(x: np.ndarray, y: np.ndarray, at: float, *, is_break_above: bool = False):
    """Return the regression with one slope on each side of a break, and a jump there."""
    is_above = x >= at if is_break_above else x > at
    columns = [np.ones_like(x), (x - at) * ~is_above, (x - at) * is_above, is_above.astype(float)]
    return OLS(y, np.column_stack(columns)).fit(cov_type="HC3", use_t=True)
