"""Nearest neighbours: every place of the canvas should look like some place of the style."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from nstkit.errors import UserError
from transfer.painting.losses.statistics.positions import at_least_float32

LONGEST = 64  # positions on the longer side of the grid on which hypercolumns stand
SELECTED = 0.5  # share of the largest weight from which on a position belongs to a region
BLOCK = 1024  # positions whose neighbours are looked for at once


def hypercolumns(
    features: Sequence[Float[Tensor, "1 _ _ _"]],
    strengths: Sequence[float],
    weights: Float[Tensor, "1 1 _ _"] | None = None,
) -> Float[Tensor, "1 d n"]:
    """Return the features of several layers at each position of one grid.

    Args:
        features: (1, C, H, W) of each layer.
        strengths: what each layer counts, above 0.
        weights: of the positions of the first layer, whose shape the grid has too. Those of less than half the largest
            are left out.

    Raises:
        UserError: for one channel in all, whose cosine is 1 or -1 everywhere.

    Source: Kolkin, Kucera, Paris, Sykora, Shechtman, Shakhnarovich 2022, "Neural neighbor style transfer".
    Differs: each layer counts the same, whatever the scale of its features and the count of its channels are; the grid
        has at most 64 positions on a side, and fine layers are averaged on it.
    """
    if sum(maps.shape[1] for maps in features) < 2:
        raise UserError(
            "--statistic nearest-neighbours compares directions, of which one channel has none. Name more --style-taps."
        )
    height, width = features[0].shape[2:]
    shrink = min(1.0, LONGEST / max(height, width))
    grid = max(1, round(height * shrink)), max(1, round(width * shrink))
    layers = []
    for maps, strength in zip(features, strengths, strict=True):
        mode = "area" if maps.shape[2] > grid[0] else "bilinear"
        vectors = functional.interpolate(at_least_float32(maps), grid, mode=mode).flatten(2)
        energy = vectors.square().sum(dim=1).mean()  # of a vector
        layers.append(vectors * (strength / energy.clamp(min=torch.finfo(energy.dtype).tiny)).sqrt())
    columns = torch.cat(layers, dim=1)
    if weights is None:
        return columns
    shares = functional.interpolate(weights, grid, mode="area").flatten()
    return columns[:, :, shares >= SELECTED * shares.max()]


def neighbour_distance(canvas: Float[Tensor, "1 d n"], style: Float[Tensor, "1 d m"]) -> Float[Tensor, ""]:
    """Return the mean cosine distance of each vector of the canvas from its neighbour in the style, 0 to 2.

    Neighbours are found by the cosine of centred vectors, so that light places of the canvas may match the lightest
    ones of a dark style.

    Source: Kolkin et al. 2022, matching of features and the loss of matched ones.
    Differs: the neighbours are those of the canvas as it is at each evaluation, as in the paper's last phase.
    """
    with torch.no_grad():
        place, goal = (functional.normalize(x - x.mean(dim=2, keepdim=True), dim=1)[0] for x in (canvas, style))
        nearest = torch.cat([(part.T @ goal).argmax(dim=1) for part in place.split(BLOCK, dim=1)])
    cosines = (functional.normalize(canvas, dim=1) * functional.normalize(style, dim=1)[:, :, nearest]).sum(dim=1)
    return 1 - cosines.mean()
