"""The one call from Python: `stylize`."""

from typing import Any, TypeVar

import torch
from PIL import Image
from torch import Tensor, nn

from nstkit import hardware
from nstkit.backbones.features import Backbone
from nstkit.backbones.load import load_backbone
from nstkit.backbones.spec import BackboneSpec, parse_backbone
from nstkit.errors import UserError
from nstkit.pictures import to_picture, to_tensor
from transfer.config import Mode, TransferConfig
from transfer.painting import paint

Picture = TypeVar("Picture", Image.Image, Tensor)
NEEDED: dict[Mode, str] = {
    "transfer": "it needs a content and a style picture",
    "texture": "it needs a style picture, and None for the content",
    "content": "it needs a content picture, and None for the style",
}


def stylize(
    content: Picture | None,
    style: Picture | Image.Image | Tensor | None,
    *,
    backbone: str | Backbone = "carried",
    **settings: Any,
) -> Picture:
    """Return `content` painted in the style of `style`, as what `content` is.

    Args:
        content: a Pillow picture, scaled to `size` [px] on its longer side; or a tensor (1, 3, H, W), sRGB in [0, 1],
            taken at its own size. None with `mode="texture"`.
        style: likewise. None with `mode="content"`.
        backbone: as after `--backbone`, or a loaded one, which spares loading it again.
        settings: those of `python -m transfer`, such as `steps=200, style_weight=30, size=384`.

    Raises:
        nstkit.errors.UserError: for a backbone, tap or setting that cannot be used.
    """
    config = TransferConfig(**settings)
    if (content is None) != (config.mode == "texture") or (style is None) != (config.mode == "content"):
        raise UserError(f"mode {config.mode}: {NEEDED[config.mode]}.")
    device = hardware.choose_device(config.device)
    precision = hardware.choose_precision(config.precision, device)
    images = [
        None
        if image is None
        else (image if isinstance(image, Tensor) else to_tensor(image, config.size)).to(device, torch.float32)
        for image in (content, style)
    ]
    if not isinstance(backbone, Backbone):
        backbone = load_for(parse_backbone(backbone), config)
    backbone = backbone.to(device)
    result = paint(*images, backbone, fitted(config, backbone), precision).image
    return result if isinstance(style if content is None else content, Tensor) else to_picture(result)


def fitted(config: TransferConfig, backbone: Backbone) -> TransferConfig:
    """Return the settings resolved for a backbone."""
    return config.resolved(patch_side(backbone.network))


def patch_side(network: nn.Module) -> int:
    """Return the side of the patches that a network's first layer cuts a picture into [px], 1 where they overlap."""
    found = (module for module in network.modules() if isinstance(module, nn.Conv2d) and module.in_channels == 3)
    first = next(found, None)
    return max(first.stride) if first is not None and first.kernel_size == first.stride else 1


def load_for(spec: BackboneSpec, config: TransferConfig) -> Backbone:
    """Return the backbone as the settings want it, on the CPU."""
    return load_backbone(
        spec,
        pooling=config.pooling,
        padding=config.padding,
        preprocess=config.preprocess,
        swap=config.swap,
        factory=config.arch,
    )
