"""Pictures compared at the same content: the front of a network over its style weights, read at one level."""

import numpy as np
from jaxtyping import Float


def matched(
    content: Float[np.ndarray, "*b w"], style: Float[np.ndarray, "*b w"], level: float
) -> Float[np.ndarray, "*b"]:
    """Return how much style each front has at a level of content, NaN where it does not reach it.

    A front is the line through its points in the order of their content; beyond its ends nothing is known.

    Args:
        content: of the picture of each style weight; NaN for one that is missing.
        style: likewise.
        level: of content.

    Example:
        >>> matched(np.array([[0.75, 0.25], [0.4, 0.25]]), np.array([[0.0, 1.0], [0.5, 1.0]]), 0.5)
        array([0.5, nan])
    """
    is_known = np.isfinite(content) & np.isfinite(style)
    order = np.argsort(np.where(is_known, content, np.inf), axis=-1, kind="stable")
    content, style, is_known = (np.take_along_axis(values, order, -1) for values in (content, style, is_known))
    below = (is_known & (content <= level)).sum(axis=-1, keepdims=True)  # how many points lie at the level or below
    at = np.clip(below - 1, 0, None)
    after = np.minimum(at + 1, content.shape[-1] - 1)
    start, end, first, second = (
        np.take_along_axis(values, place, -1)[..., 0] for values in (content, style) for place in (at, after)
    )
    is_between = (below[..., 0] > 0) & (below < is_known.sum(axis=-1, keepdims=True))[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        between = first + (level - start) / (end - start) * (second - first)
    is_at_the_end = (below[..., 0] > 0) & (start == level)
    return np.where(is_at_the_end, first, np.where(is_between, between, np.nan))
