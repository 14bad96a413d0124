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

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.batchnorm import settled
from nstkit.figures.compose import Tile, contact_sheet
from nstkit.figures.features import feature_sheet, filter_figure
from nstkit.figures.gram import gram_sheet
from nstkit.hardware import autocast
from nstkit.pictures.tensors import shrink
from transfer.painting.losses.statistics.gram import gram_matrix
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings, split_weights

CHANNELS = 16  # of a tap on a sheet
LOOK_PX = 256  # longer side of the pictures that are looked at: the maps are shown far smaller
GAP_PX = 8


@torch.no_grad()
def draw_inside(
    backbone: Backbone, scene: Scene, result: Float[Tensor, "1 3 h w"], settings: PaintSettings
) -> Iterator[tuple[str, Image.Image]]:
    """Yield tags and sheets.

    Args:
        backbone: that painted.
        scene: what it painted from.
        result: what it painted, sRGB in [0, 1].
        settings: resolved.
    """
    backbone = settled(backbone, scene.pictures)
    style_taps = split_weights(settings.losses.style_taps or backbone.style_taps, "--style-taps")
    content_taps = split_weights(settings.losses.content_taps or backbone.content_taps, "--content-taps")
    taps = list(dict.fromkeys([*style_taps, *content_taps]))
    features = {}
    for name, picture in {"content": scene.content, "style": scene.style, "result": result}.items():
        if picture is not None:
            with autocast(picture.device, settings.precision):
                features[name] = backbone.features(shrink(picture, LOOK_PX).clamp(0, 1), taps)
    for tap in taps:
        sheets = [Tile(feature_sheet(maps[tap], CHANNELS)) for maps in features.values()]
        row = contact_sheet(sheets, len(sheets), gap_px=GAP_PX, captions="above", align="left")
        yield f"image/inside/features/{tap}", row
        if tap in style_taps and "style" in features:
            grams = {name: gram_matrix(features[name][tap])[0] for name in ("style", "result")}
            yield f"image/inside/gram/{tap}", gram_sheet(grams, tap)
    filters = filter_figure(backbone.network)
    if filters is not None:
        yield "image/inside/filters", filters
