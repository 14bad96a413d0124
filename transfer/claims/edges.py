"""Sobel edges of a picture."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

SOBEL = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 4  # a step from black to white gives 1


def sobel(image: Float[Tensor, "1 3 h w"]) -> tuple[Float[Tensor, "1 1 h w"], Float[Tensor, "1 1 h w"]]:
    """Return the change of a picture's mean colour to the right and downwards.

    The first is large at vertical edges, the second at horizontal ones; both lie in [-1, 1] for colours in [0, 1].

    Source: Sobel and Feldman 1968; tf.image.sobel_edges, which the tutorial of tensorflow.org shows.

    Example:
        >>> step = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 3, 5, 4)
        >>> across, down = sobel(step)
        >>> across[0, 0, 2], float(down.abs().max())
        (tensor([0., 1., 1., 0.]), 0.0)
    """
    grey = functional.pad(image.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    kernel = SOBEL.to(grey)
    across, down = (functional.conv2d(grey, weights[None, None]) for weights in (kernel, kernel.T))
    return across, down


def edge_strength(image: Float[Tensor, "1 3 h w"]) -> float:
    """Return the mean of |across| and |down|."""
    across, down = sobel(image)
    return float((across.abs().mean() + down.abs().mean()) / 2)
