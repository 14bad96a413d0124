"""The mathematics of the losses: pure functions of features, of what is kept of them, and of pictures."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

SMALLEST_VARIATION = 1e-6  # share of a map's energy; a map that varies less is one value everywhere
SMALLEST_DISTANCE = 0.01  # share of the target's own size below which a distance is not divided by itself


def squared_distance(a: Tensor, b: Tensor) -> Float[Tensor, ""]:
    """Return the sum of squared differences, in at least float32."""
    difference = a - b
    if difference.dtype in (torch.bfloat16, torch.float16):
        difference = difference.float()
    return difference.square().sum()


def relative_style_scale(untouched: Tensor, distance: Callable[[Tensor], Tensor]) -> Float[Tensor, ""]:
    """Return what a distance from the style is divided by: its value for the untouched content picture.

    The loss is then 1 for the content picture and 0 for the style reached, at every tap of every network, and does not
    change under F -> cF. Floored at a share of the style's distance from nothing at all, for a content picture that has
    the style already.

    Args:
        untouched: summary of the content picture's features, such as their Gram matrix.
        distance: of such a summary from that of the style.
    """
    return torch.maximum(distance(untouched), SMALLEST_DISTANCE * distance(torch.zeros_like(untouched)))


def channel_moments(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "2 c"]:
    """Return mean and mean square of each channel, which add up over places of a picture, in float64.

    The square comes from the variance within the maps, so that what hardly varies is not lost in rounding.
    """
    values = features.float() if features.dtype in (torch.bfloat16, torch.float16) else features
    mean = values.mean(dim=(0, 2, 3))
    variance = (values - mean[:, None, None]).square().mean(dim=(0, 2, 3))
    mean, variance = widest(mean), widest(variance)
    return torch.stack([mean, variance + mean.square()])


def widest(values: Tensor) -> Tensor:
    """Return values in float64, or as they are on a device that has none."""
    return values if values.device.type == "mps" else values.double()


def relative_content_scale(moments: Float[Tensor, "2 c"], positions: int) -> Float[Tensor, ""]:
    """Return what a squared feature distance is divided by: the variation of the content's features over positions.

    Args:
        moments: of the content's features, see `channel_moments`.
        positions: count of them.
    """
    mean, square = moments
    variation, energy = (square - mean.square()).sum(), square.sum()
    return (positions * torch.maximum(variation, SMALLEST_DISTANCE * energy)).float()


def count_of_values(moments: Float[Tensor, "2 c"], positions: int) -> Float[Tensor, ""]:
    """Return the count of values of maps, by which a sum becomes their mean; see `relative_content_scale`.

    Source: jcjohnson/neural-style and ProGamerGov/neural-style-pt, ContentLoss; the tutorial "Neural style transfer" of
        tensorflow.org, style_content_loss: both take the mean of the squared differences.
    """
    return torch.tensor(float(moments.shape[1] * positions), device=moments.device)


def gatys_style_loss(gram: Float[Tensor, "b c c"], target: Float[Tensor, "b c c"]) -> Float[Tensor, ""]:
    """Return sum (G - A)^2 / (4 N^2 M^2) for Grams that are divided by M already.

    Source: Gatys, Ecker, Bethge 2016, eq. 4. Differs: each Gram is divided by its own picture's M, which is the same
    where both pictures have one size, as in the paper.
    """
    return squared_distance(gram, target) / (4 * gram.shape[-1] ** 2)


def gatys_content_loss(features: Float[Tensor, "b c h w"], target: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Return half the sum of squared differences.

    Source: Gatys, Ecker, Bethge 2016, eq. 1.
    """
    return squared_distance(features, target) / 2


def neural_style_style_loss(gram: Float[Tensor, "b c c"], target: Float[Tensor, "b c c"]) -> Float[Tensor, ""]:
    """Return the mean squared difference of F F^T / (N M), for Grams that are divided by M already.

    Source: jcjohnson/neural-style and ProGamerGov/neural-style-pt, StyleLoss.
    """
    channels = gram.shape[-1]
    return squared_distance(gram, target) / channels**2 / gram.numel()


def keras_style_loss(gram: Float[Tensor, "b c c"], target: Float[Tensor, "b c c"]) -> Float[Tensor, ""]:
    """Return sum (G - A)^2 / (4 x 3^2) for Grams that are divided by the pixels of the picture.

    Source: the example "Neural style transfer" of keras.io, style_loss: F F^T / (3 H W) of the PICTURE at every layer.
    """
    return squared_distance(gram, target) / (4 * 3**2)


def tensorflow_style_loss(gram: Float[Tensor, "b c c"], target: Float[Tensor, "b c c"]) -> Float[Tensor, ""]:
    """Return the mean squared difference of Grams that are divided by M already.

    Source: the tutorial "Neural style transfer" of tensorflow.org, style_content_loss.
    """
    return squared_distance(gram, target) / gram.numel()


def varies(moments: Float[Tensor, "2 c"]) -> bool:
    """Return whether maps of these moments are finite and differ from place to place; maps that do not carry nothing.

    Example:
        >>> maps = torch.ones(1, 2, 3, 3), torch.arange(9.0).view(1, 1, 3, 3)
        >>> [varies(channel_moments(each)) for each in maps]
        [False, True]
    """
    mean, square = moments
    variation, energy = (square - mean.square()).sum(), square.sum()
    return bool(variation > SMALLEST_VARIATION * energy) and bool(torch.isfinite(energy))


def total_variation(image: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Return the sum of absolute differences of neighbouring pixels, over both directions.

    Source: Rudin, Osher, Fatemi 1992, in the anisotropic form of neural-style-pt.

    Example:
        >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.5, 1.0]]]]))
        tensor(2.)
    """
    down = (image[:, :, 1:] - image[:, :, :-1]).abs().sum()
    right = (image[:, :, :, 1:] - image[:, :, :, :-1]).abs().sum()
    return down + right


def steep_variation(image: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Return the sum of (down^2 + right^2)^1.25 over the differences of neighbouring pixels.

    Source: Mahendran and Vedaldi 2015, "Understanding deep image representations by inverting them", section 2.2, with
    their exponent 2.5; the example of keras.io has it for values that run to 255.

    Example:
        >>> steep_variation(torch.tensor([[[[0.0, 1.0], [0.5, 1.0]]]]))
        tensor(1.3217)
    """
    down = (image[:, :, 1:, :-1] - image[:, :, :-1, :-1]).square()
    right = (image[:, :, :-1, 1:] - image[:, :, :-1, :-1]).square()
    return (down + right).pow(1.25).sum()
