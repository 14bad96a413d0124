"""Pictures of Gram matrices: one beside another, and how they differ."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.colors import FuncNorm
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from nstkit.figures.compose import drawn

GRAM_CHANNELS = 96  # more of them cannot be told apart on a sheet
BRIGHTEST = 0.995  # share of the entries whose values the colours tell apart


def gram_sheet(gram: Float[Tensor, "c c"] | Mapping[str, Float[Tensor, "c c"]], name: str = "gram") -> Image.Image:
    """Return Gram matrices as heat maps on one colour scale; of two by name, their difference (second - first) as well.

    Of many channels the 96 with the largest diagonal in the first are shown, in its order: largest first. Colours go
    with the root of the values, and half a percent of them may be beyond the scale: so a few strong channels do not
    leave the rest without colour.

    Args:
        gram: one, or several by name, such as {"style": ..., "result": ...}.
        name: title of a single one.

    Raises:
        ValueError: for matrices that are not of one shape.
    """
    named = {name: gram} if isinstance(gram, Tensor) else dict(gram)
    matrices = {key: value.detach().float().cpu() for key, value in named.items()}
    shapes = {tuple(matrix.shape) for matrix in matrices.values()}
    if len(shapes) != 1:
        raise ValueError(f"the matrices are of different shapes: {sorted(shapes)}")
    order = next(iter(matrices.values())).diagonal().argsort(descending=True, stable=True)[:GRAM_CHANNELS]
    matrices = {key: matrix[order][:, order] for key, matrix in matrices.items()}
    if len(matrices) == 2:
        before, after = matrices
        matrices[f"{after} - {before}"] = matrices[after] - matrices[before]
    largest = float(torch.cat([matrix.abs().flatten() for matrix in matrices.values()]).quantile(BRIGHTEST)) or 1.0
    norm = FuncNorm((_signed_root, _signed_square), vmin=-largest, vmax=largest)
    figure = Figure(figsize=(4.2 * len(matrices) + 1.0, 4.6), dpi=max(60, min(110, 1400 // (5 * len(matrices)))))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(1, len(matrices), squeeze=False)[0]
    for panel, (key, matrix) in zip(panels, matrices.items(), strict=True):
        image = panel.imshow(matrix.numpy(), cmap="RdBu_r", norm=norm, interpolation="nearest")
        share = float(matrix.norm() / next(iter(matrices.values())).norm().clamp(min=1e-30))
        panel.set_title(key if panel is panels[0] else f"{key}   norm x {share:.2f}", loc="left")
        panel.set(xticks=[], yticks=[])
    channels = f"{len(order)} of {next(iter(shapes))[0]} channels, strongest first"
    panels[0].set_xlabel(channels)
    scale = figure.colorbar(image, ax=list(panels), shrink=0.85, pad=0.02, extend="both")
    shares = (-1, -0.5, -0.1, 0, 0.1, 0.5, 1)
    scale.set_ticks([share * largest for share in shares], labels=[f"{share * largest:.2g}" for share in shares])
    return drawn(figure)


def _signed_root(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.sqrt(np.abs(values))


def _signed_square(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.square(values)
