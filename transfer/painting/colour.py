"""Whose colours the painting has: what `--color` does to the pictures before the painting, and to the result.

style        nothing: the colours come with the style
luminance    only lightness is painted; the colours of the content are put back
covariance   the style gets the mean and the covariance of the content's colours first
histogram    the style gets the histogram of the content's colours first

Source: Gatys, Bethge, Hertzmann, Shechtman 2016, "Preserving color in neural artistic style transfer", sections 3, 4.
As there, the values are those of sRGB, not of light.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from transfer.painting.losses.statistics.covariance import covariance_matrix
from transfer.painting.scene import Scene, resize
from transfer.painting.settings import Color

# Source: FCC 1953, NTSC: lightness Y and the two colour channels I and Q, one row each.
YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
SMALLEST_VARIANCE = 1e-5  # added to colours, as in the paper's code: a grey style has none across the grey axis
ROTATIONS = 10


def recolour(scene: Scene, color: Color) -> tuple[Scene, Callable[[Tensor], Tensor]]:
    """Return the scene that is painted in place of another, and what makes the result of its canvas; see the module.

    Args:
        scene: with the pictures as they are.
        color: what is done about their colours. Nothing where there is no content or no style.
    """
    content = scene.content
    if color == "style" or content is None or scene.style is None:
        return scene, lambda canvas: canvas
    match = {"luminance": match_luminance, "histogram": match_histogram, "covariance": match_covariance}[color]
    style, *further = (match(style, content) for style in scene.styles)
    matched = replace(scene, style=style, further=tuple(further))
    if color != "luminance":
        return matched, lambda canvas: canvas
    start = None if scene.start is None else grey(scene.start)
    return replace(matched, content=grey(content), start=start), lambda canvas: with_colours_of(content, canvas)


def with_colours_of(content: Float[Tensor, "1 3 h2 w2"], canvas: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """Return the lightness of a canvas in the colours of the content, in [0, 1].

    Source: Gatys et al. 2016, section 4.
    """
    own = _to_yiq(resize(content, (canvas.shape[2], canvas.shape[3])))
    return _from_yiq(torch.cat([_to_yiq(canvas)[:, :1], own[:, 1:]], dim=1)).clamp(0, 1)


def grey(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    """Return the lightness of a picture, Y of YIQ, in all three channels."""
    return _to_yiq(image)[:, :1].expand(-1, 3, -1, -1).contiguous()


def match_luminance(style: Float[Tensor, "1 3 h w"], content: Float[Tensor, "1 3 h2 w2"]) -> Float[Tensor, "1 3 h w"]:
    """Return the lightness of the style with the mean and deviation of the content's, in [0, 1].

    Source: Gatys et al. 2016, section 4.
    """
    light, goal = grey(style), grey(content)
    spread = goal.std() / light.std().clamp(min=SMALLEST_VARIANCE)
    return ((light - light.mean()) * spread + goal.mean()).clamp(0, 1)


def match_covariance(style: Float[Tensor, "1 3 h w"], content: Float[Tensor, "1 3 h2 w2"]) -> Float[Tensor, "1 3 h w"]:
    """Return the style with the mean and the covariance of the content's colours, in [0, 1].

    Source: Gatys et al. 2016, section 3, with the symmetric roots of image analogies.
    """
    colours, goal = style[0].flatten(1), content[0].flatten(1)
    change = _root(covariance_matrix(content)[0]) @ torch.linalg.inv(_root(covariance_matrix(style)[0]))
    matched = change @ (colours - colours.mean(dim=1, keepdim=True)) + goal.mean(dim=1, keepdim=True)
    return matched.view(style.shape).clamp(0, 1)


def _root(covariance: Float[Tensor, "3 3"]) -> Float[Tensor, "3 3"]:
    """Return the symmetric root of a covariance."""
    values, vectors = torch.linalg.eigh(covariance + SMALLEST_VARIANCE * torch.eye(3).to(covariance))
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


def match_histogram(style: Float[Tensor, "1 3 h w"], content: Float[Tensor, "1 3 h2 w2"]) -> Float[Tensor, "1 3 h w"]:
    """Return the style with the histogram of the content's colours, in [0, 1].

    The histograms of each channel are matched, in one basis of the colours after another, until no direction differs.

    Source: Pitie, Kokaram, Dahyot 2005, "N-dimensional probability density function transfer and its application to
        colour transfer".
    """
    colours, goal = style[0].flatten(1), content[0].flatten(1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(ROTATIONS):
        basis = torch.linalg.qr(torch.randn(3, 3, generator=generator)).Q.to(colours)
        seen, wanted = basis @ colours, (basis @ goal).sort(dim=1).values
        ranks = seen.argsort(dim=1).argsort(dim=1)
        places = (ranks * (wanted.shape[1] - 1) / max(1, seen.shape[1] - 1)).round().long()
        colours = basis.T @ wanted.gather(1, places)
    return colours.view(style.shape).clamp(0, 1)


def _to_yiq(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    return torch.einsum("ij,bjhw->bihw", YIQ.to(image), image)


def _from_yiq(image: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 h w"]:
    return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(YIQ).to(image), image)
