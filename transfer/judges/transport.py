"""The sliced Wasserstein distance: optimal transport along many single directions.

It is computed on the CPU, where numpy sorts values many times faster than torch, which sorts the indices too; so the
device does not change the numbers.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

SEED = 0
"""Of the directions."""


def quantile_grid(n: int, m: int) -> tuple[Int[Tensor, " k"], Int[Tensor, " k"], Float[Tensor, " k"]]:
    """Return the common grid of the quantile functions of n and of m values.

    Both are step functions, so on the union of their steps the transport cost is exact for any pair of counts, where a
    grid of evenly spaced quantiles would only be close.

    Args:
        n: values on the one side, at least 1.
        m: values on the other side, at least 1.

    Returns:
        For each of the k cells of the grid: the rank among the n values, the rank among the m values, and the width of
        the cell; the widths add up to 1.
    """
    # In units of 1 / (n m) every step is a whole number, so no cell is lost or doubled by rounding.
    edges = torch.cat([torch.arange(n) * m, torch.arange(m) * n]).unique()
    width = edges.diff(append=torch.tensor([n * m])) / (n * m)
    return edges // m, edges // n, width


@torch.no_grad()
def sliced_wasserstein(
    points_a: Float[Tensor, "n d"], points_b: Float[Tensor, "m d"], n_bases: int
) -> Float[Tensor, ""]:
    """Return the sliced 2-Wasserstein distance between two sets of points, which may differ in number.

    Args:
        points_a: one set, (n, d), float32, on the CPU.
        points_b: the other, (m, d), likewise.
        n_bases: random orthonormal bases to project on, each gives d directions. The seed is fixed.

    Returns:
        Root of the mean over directions of the squared 1-D distance, in the unit of the points, shape (). A shift of
        all points by c gives |c| / sqrt(d), the root mean square of its components.

    Source: Rabin et al. 2011, Wasserstein barycenter and its application to texture mixing.
    Differs: the directions come in orthonormal bases (Rowland et al. 2019, Orthogonal estimation of Wasserstein
        distances). The mean of their outer products is then identity / d, which makes the value of a shift exact.
    """
    d = points_a.shape[1]
    generator = torch.Generator().manual_seed(SEED)
    bases = torch.linalg.qr(torch.randn(n_bases, d, d, generator=generator)).Q
    rank_a, rank_b, width = quantile_grid(len(points_a), len(points_b))

    squared = torch.zeros(())
    for basis in bases:  # one at a time, which bounds the memory for large pictures
        sorted_a, sorted_b = _sorted_rows(basis @ points_a.T), _sorted_rows(basis @ points_b.T)  # (d, n), (d, m)
        squared += ((sorted_a.index_select(1, rank_a) - sorted_b.index_select(1, rank_b)).square() @ width).mean()
    return (squared / n_bases).sqrt()


def _sorted_rows(values: Float[Tensor, "d n"]) -> Float[Tensor, "d n"]:
    """Return each row in ascending order."""
    return torch.from_numpy(np.sort(values.numpy(), axis=1))
