"""The one call from Python: `stylize`."""

from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor

from nstkit import hardware
from nstkit.backbones.features import Backbone
from nstkit.backbones.load import load_backbone
from nstkit.pictures import to_picture, to_tensor
from transfer.config import TransferConfig
from transfer.painting import paint

Picture = TypeVar("Picture", Image.Image, Tensor)


def stylize(
    content: Picture, style: Image.Image | Tensor, *, backbone: str | Backbone = "carried", **settings: Any
) -> Picture:
    """Return `content` painted in the style of `style`, as what `content` is.

    Args:
        content: a Pillow picture, scaled to `size` [px] on its longer side; or a tensor (1, 3, H, W), sRGB in [0, 1],
            taken at its own size.
        style: likewise.
        backbone: as after `--backbone`, or a loaded one, which spares loading it again.
        settings: those of `python -m transfer`, such as `steps=200, style_weight=30, size=384`.

    Raises:
        nstkit.errors.UserError: for a backbone, tap or setting that cannot be used.
    """
    config = TransferConfig(**settings).resolved()
    device = hardware.choose_device(config.device)
    precision = hardware.choose_precision(config.precision, device)
    images = [
        (image if isinstance(image, Tensor) else to_tensor(image, config.size)).to(device, torch.float32)
        for image in (content, style)
    ]
    if not isinstance(backbone, Backbone):
        backbone = load_backbone(backbone, pooling=config.pooling, factory=config.arch)
    result = paint(*images, backbone.to(device), config, precision).image
    return result if isinstance(content, Tensor) else to_picture(result)
