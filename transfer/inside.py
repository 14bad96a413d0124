"""What the network saw, as pictures for TensorBoard: channels, Gram matrices and first filters.

image/inside/features/TAP    the content's, the style's and the result's channels
image/inside/gram/TAP        the style's and the result's Gram matrix, and their difference
image/inside/filters         the first convolution's filters
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from nstkit.backbones.features import Backbone
from nstkit.config import Precision
from nstkit.hardware import autocast
from nstkit.pictures import shrink
from nstkit.quality.figures import filter_figure
from nstkit.quality.sheets import feature_sheet, gram_sheet
from transfer.config import TransferConfig, split_weights
from transfer.losses import gram_matrix

CHANNELS = 16  # of a tap on a sheet
LOOK_PX = 256  # longer side of the pictures that are looked at: the maps are shown far smaller
GAP_PX = 8


@torch.no_grad()
def draw_inside(
    backbone: Backbone, pictures: dict[str, Float[Tensor, "1 3 _ _"]], config: TransferConfig, precision: Precision
) -> Iterator[tuple[str, Image.Image]]:
    """Yield tags and sheets.

    Args:
        backbone: that painted.
        pictures: sRGB in [0, 1], by name: `content`, `style`, `result`, those that there are.
        config: resolved settings.
        precision: of the network's computation.
    """
    style_taps = split_weights(config.style_taps or backbone.style_taps, "--style-taps")
    content_taps = split_weights(config.content_taps or backbone.content_taps, "--content-taps")
    taps = list(dict.fromkeys([*style_taps, *content_taps]))
    found = {}
    for name, picture in pictures.items():
        with autocast(picture.device, precision):
            found[name] = backbone.features(shrink(picture, LOOK_PX), taps)
    for tap in taps:
        sheets = [feature_sheet(features[tap], CHANNELS) for features in found.values()]
        yield f"image/inside/features/{tap}", _side_by_side(sheets)
        if tap in style_taps and "style" in found:
            grams = {name: gram_matrix(found[name][tap])[0] for name in ("style", "result")}
            yield f"image/inside/gram/{tap}", gram_sheet(grams, tap)
    filters = filter_figure(backbone.network)
    if filters is not None:
        yield "image/inside/filters", filters


def _side_by_side(sheets: list[Image.Image]) -> Image.Image:
    width = sum(sheet.width for sheet in sheets) + GAP_PX * (len(sheets) - 1)
    row = Image.new("RGB", (width, max(sheet.height for sheet in sheets)), "white")
    left = 0
    for sheet in sheets:
        row.paste(sheet, (left, 0))
        left += sheet.width + GAP_PX
    return row
