"""The table of conventions: what `--loss` computes at one layer, and how the layers are added up.

Their default weights are those of `transfer.painting.settings.WEIGHTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.functions import (
    count_of_values,
    gatys_content_loss,
    gatys_style_loss,
    keras_style_loss,
    neural_style_style_loss,
    relative_content_scale,
    relative_style_scale,
    squared_distance,
    steep_variation,
    tensorflow_style_loss,
    total_variation,
)
from transfer.painting.settings import Loss

Scalar = Float[Tensor, ""]


def one(*_: object) -> Scalar:
    """Return 1: the scale of an absolute loss."""
    return torch.ones(())


def mean_variation(image: Float[Tensor, "b c h w"]) -> Scalar:
    """Return total variation over the count of values."""
    return 1 / image.numel() * total_variation(image)


def variation_of_levels(image: Float[Tensor, "b c h w"]) -> Scalar:
    """Return total variation of values that run to 256, as neural-style has it."""
    return 256 * total_variation(image)


def steep_variation_of_levels(image: Float[Tensor, "b c h w"]) -> Scalar:
    """Return the variation of values that run to 255, as Keras has it."""
    return steep_variation(255 * image)


@dataclass(frozen=True)
class Convention:
    """How one system measures.

    Attributes:
        style: loss of a Gram matrix and its target; None = the distance of whichever statistic it is.
        style_scale: what that is divided by; from the summary of the content and the distance from the style.
        content: loss of features and their target, before it is divided by the scale: a sum over positions.
        content_scale: from the moments of the content's features and the count of their positions.
        variation: of the picture.
        averages_taps: the layers of a term are averaged; otherwise they are added up.
        counts_pixels: Gram matrices are divided by the pixels of the picture at every layer, and not by the positions
            of the layer, of which there are fewer with depth.
    """

    style: Callable[[Tensor, Tensor], Tensor] | None
    style_scale: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor]
    content: Callable[[Tensor, Tensor], Tensor]
    content_scale: Callable[[Tensor, int], Tensor]
    variation: Callable[[Tensor], Tensor]
    averages_taps: bool
    counts_pixels: bool = False


CONVENTIONS: dict[Loss, Convention] = {
    "relative": Convention(
        style=None,
        style_scale=relative_style_scale,
        content=squared_distance,
        content_scale=relative_content_scale,
        variation=mean_variation,
        averages_taps=True,
    ),
    "gatys": Convention(
        style=gatys_style_loss,
        style_scale=one,
        content=gatys_content_loss,
        content_scale=one,
        variation=mean_variation,
        averages_taps=True,
    ),
    "neural-style": Convention(
        style=neural_style_style_loss,
        style_scale=one,
        content=squared_distance,
        content_scale=count_of_values,
        variation=variation_of_levels,
        averages_taps=False,
    ),
    "keras": Convention(
        style=keras_style_loss,
        style_scale=one,
        content=squared_distance,
        content_scale=one,
        variation=steep_variation_of_levels,
        averages_taps=True,
        counts_pixels=True,
    ),
    "tensorflow": Convention(
        style=tensorflow_style_loss,
        style_scale=one,
        content=squared_distance,
        content_scale=count_of_values,
        variation=total_variation,
        averages_taps=True,
    ),
}
