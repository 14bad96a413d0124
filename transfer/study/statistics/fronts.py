"""Pictures compared at the same content: the front of a network over its style weights, read at one level."""

import numpy as np
from jaxtyping import Float


def matched(content: Float[np.ndarray, " w"], style: Float[np.ndarray, " w"], level: float) -> float:
    """Return how much style a front has at a level of content, NaN where the front does not reach it.

    The front is the line through its points in the order of their content; beyond its ends nothing is known.

    Args:
        content: of the picture of each style weight.
        style: likewise.
        level: of content.

    Example:
        >>> content, style = np.array([0.75, 0.25]), np.array([0.0, 1.0])
        >>> matched(content, style, 0.5), matched(content, style, 0.8)
        (0.5, nan)
    """
    known = np.isfinite(content) & np.isfinite(style)
    content, style = content[known], style[known]
    if not len(content) or not content.min() <= level <= content.max():
        return float("nan")
    order = np.argsort(content, kind="stable")
    return float(np.interp(level, content[order], style[order]))


def matched_all(
    content: Float[np.ndarray, "*b w"], style: Float[np.ndarray, "*b w"], level: float
) -> Float[np.ndarray, "*b"]:
    """Return `matched` of many fronts."""
    fronts = zip(content.reshape(-1, content.shape[-1]), style.reshape(-1, style.shape[-1]), strict=True)
    return np.array([matched(*front, level) for front in fronts], float).reshape(content.shape[:-1])
