"""Judges of a stylized picture. `transfer.judges.panel` has them all; here are three that use no network.

These describe a picture; they do not say whether it is a good one. All three are easily fooled: a plain recolouring has
the style's colours, an even blend of photograph and painting can come nearer to the style's colours than a good
painting and keeps more of the content, and colour histograms and sliced Wasserstein distances have rated published
paintings worse than noise. The panel's verdicts, `judge/style` and `judge/artefacts`, are made against such cases.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nstkit.measure import Measure
from transfer.judges.sliced_wasserstein import check_picture, colour_distance, texture_distance
from transfer.judges.structure import content_similarity

__all__ = ["JUDGES", "MAX_SIDE_PX", "judge_picture"]

MAX_SIDE_PX = 512
"""Longer side at which `judge_picture` judges larger pictures."""

COLOUR = Measure(
    name="judge/colour",
    function=colour_distance,
    unit="sRGB value",
    range=(0.0, 1.0),
    higher_is_better=False,
    source="Rabin et al. 2011, Wasserstein barycenter and its application to texture mixing, on RGB pixels",
)
TEXTURE = Measure(
    name="judge/texture",
    function=texture_distance,
    unit="sRGB value",
    range=(0.0, 2.0),
    higher_is_better=False,
    source="Karras et al. 2018, Progressive growing of GANs, section 5 (SWD), changed as its docstring says",
)
CONTENT = Measure(
    name="judge/content",
    function=content_similarity,
    unit="",
    range=(-1.0, 1.0),
    higher_is_better=True,
    source="Wang et al. 2004, Image quality assessment, equation 13 (SSIM), on blurred luminances",
)

JUDGES: tuple[Measure, ...] = (COLOUR, TEXTURE, CONTENT)
"""Colour and texture take (picture, style), content takes (picture, content)."""


@torch.no_grad()
def judge_picture(
    picture: Float[Tensor, "1 3 h w"], content: Float[Tensor, "1 3 hc wc"], style: Float[Tensor, "1 3 hs ws"]
) -> dict[str, float]:
    """Return every judge's value of a stylized picture, by the judge's name.

    Pictures of a longer side above 512 px are scaled down to it first: the cost is bounded and the size matters less.

    Args:
        picture: (1, 3, H, W), sRGB in [0, 1], the stylized picture.
        content: (1, 3, Hc, Wc), sRGB in [0, 1]; resized to the picture where its size differs.
        style: (1, 3, Hs, Ws), sRGB in [0, 1], at the size at which the painter saw it, since texture is compared at
            equal pixels.

    Returns:
        `judge/colour` and `judge/texture` against the style, `judge/content` against the content; see `JUDGES`.

    Raises:
        ValueError: a tensor is not (1, 3, H, W), or a shorter side is below 32 px after the scaling.
    """
    for role, given in {"picture": picture, "content": content, "style": style}.items():
        check_picture(given, role, 1)
    picture, style = _at_most(picture, MAX_SIDE_PX), _at_most(style, MAX_SIDE_PX)
    if content.shape[-2:] != picture.shape[-2:]:
        content = F.interpolate(content, picture.shape[-2:], mode="bilinear", antialias=True)
    return {
        COLOUR.name: COLOUR.function(picture, style),
        TEXTURE.name: TEXTURE.function(picture, style),
        CONTENT.name: CONTENT.function(picture, content),
    }


def _at_most(picture: Float[Tensor, "1 3 h w"], longer_px: int) -> Float[Tensor, "1 3 _ _"]:
    """Return the picture with a longer side of at most `longer_px`, never enlarged."""
    scale = longer_px / max(picture.shape[-2:])
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[-2:]]
    return F.interpolate(picture, size, mode="bilinear", antialias=True)
