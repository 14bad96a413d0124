"""The sliced Wasserstein distance: histograms along directions between the channels."""

import functools

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from transfer.painting.losses.statistics.histogram import quantile_means
from transfer.painting.losses.statistics.positions import flat_positions


def sliced_quantiles(
    features: Float[Tensor, "b c h w"], weights: Float[Tensor, "1 1 h w"] | None = None
) -> Float[Tensor, "b c 256"]:
    """Return the histogram of the features along each of C directions, as quantiles, in at least float32.

    Args:
        features: (B, C, H, W).
        weights: what each position counts; see `flat_positions`.

    Source: Heitz, Vanhoey, Chambon, Belcour 2021, "A sliced Wasserstein loss for neural texture synthesis".
    Differs: the directions are orthogonal and stay the same, so that an optimizer with a line search sees one loss; 256
        quantiles in place of all sorted values, so that pictures of different sizes can be compared.
    """
    flat, shares = flat_positions(features, weights)
    return quantile_means(torch.from_numpy(directions(flat.shape[1])).to(flat) @ flat, shares)


@functools.cache
def directions(channels: int) -> NDArray[np.float64]:
    """Return orthogonal unit vectors of random direction, (C, C), always the same."""
    basis: NDArray[np.float64] = np.linalg.qr(np.random.default_rng(0).normal(size=(channels, channels)))[0]
    return basis
