"""What the variance of values comes from: contents, styles, networks, and what is left."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float


def variance_components(values: Float[np.ndarray, " n"], factors: Mapping[str, Sequence[object]]) -> dict[str, float]:
    """Return the variance that each factor adds, and that of the `rest`; below 0 where it cannot be told from none.

    Factors are random, may be crossed or nested, and need not be balanced. Each is fitted after those before it, so
    that what a later one could explain too goes to the earlier one; a factor that adds nothing to them is NaN.

    Args:
        values: one for each cell.
        factors: the level of each cell, by the name of the factor.

    Source: Henderson 1953, Estimation of variance and covariance components, method 3; Searle, Casella, McCulloch
        1992, Variance Components, chapter 5.
    """
    count = len(values)
    indicators = {name: _indicators(levels) for name, levels in factors.items()}
    names = [*indicators, "rest"]
    space = np.ones((count, 1)) / np.sqrt(count)  # an orthonormal basis of what is fitted so far
    found, expected = [], []
    for name in names:
        new = _added(space, indicators[name]) if name in indicators else None
        # The quadratic form of a factor is the sum of squares that it adds; of the rest, what all of them leave.
        if new is not None:
            found.append(float(((new.T @ values) ** 2).sum()))
            expected.append([*(float(((new.T @ z) ** 2).sum()) for z in indicators.values()), float(new.shape[1])])
            space = np.hstack([space, new])
        else:
            left = values - space @ (space.T @ values)
            found.append(float(left @ left))
            zs = (z - space @ (space.T @ z) for z in indicators.values())
            expected.append([*(float((z**2).sum()) for z in zs), float(count - space.shape[1])])
    matrix, right = np.array(expected), np.array(found)
    known = [k for k in range(len(names)) if matrix[k, k] > 1e-9 * count]
    components = np.full(len(names), np.nan)
    components[known] = np.linalg.solve(matrix[np.ix_(known, known)], right[known])
    return {name: float(value) for name, value in zip(names, components, strict=True)}


def _indicators(levels: Sequence[object]) -> np.ndarray:
    places = {level: place for place, level in enumerate(dict.fromkeys(levels))}
    return np.eye(len(places))[[places[level] for level in levels]]


def _added(space: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of what columns add to a space."""
    left = columns - space @ (space.T @ columns)
    basis, sizes, _ = np.linalg.svd(left, full_matrices=False)
    return basis[:, sizes > 1e-8 * max(1.0, float(np.abs(columns).sum()))]
