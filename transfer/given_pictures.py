"""The scene of pictures that a caller from Python gives: content, styles and masks, each of any kind."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, cast

from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from nstkit.backbones.backbone import AnyPicture
from nstkit.errors import UserError
from nstkit.pictures.tensors import as_image, to_picture, to_tensor
from transfer.config import PictureSettings, scaled_side, split_blend
from transfer.mask_files import say_other_size
from transfer.painting.masks import Masks, pair_masks, parse_colour
from transfer.painting.regions import build_regions
from transfer.painting.scene import Scene, resize
from transfer.painting.settings import Mode, split_weights
from transfer.pairs import longer_side, scale_of_style

Array: TypeAlias = NDArray[Any]
Blend: TypeAlias = Sequence[str | tuple[AnyPicture, float]]
NEEDED: dict[Mode, str] = {
    "transfer": "it needs a content and a style picture",
    "texture": "it needs a style picture, and None for the content",
    "content": "it needs a content picture, and None for the style",
}


def scene_of(
    pictures: PictureSettings,
    content: AnyPicture | None,
    style: AnyPicture | None,
    blend: Blend = (),
    content_mask: AnyPicture | None = None,
    style_mask: AnyPicture | Sequence[AnyPicture] | None = None,
) -> Scene:
    """Return the scene of pictures of any kind; see `transfer.api.stylize` for what they are.

    Raises:
        UserError: for what is no picture, or pictures that do not go with the mode or with each other.
    """
    mode = pictures.mode
    if style is not None and blend:
        raise UserError("style beside blend: give all styles in one of them.")
    if (content is None) != (mode == "texture") or (style is None and not blend) != (mode == "content"):
        raise UserError(f"mode {mode}: {NEEDED[mode]}.")
    styles, shares = blended(blend) if blend else ([] if style is None else [style], (1.0,))
    images = [style_image(each, pictures) for each in styles]
    scene = Scene(
        None if content is None else sized(content, "content", pictures),
        images[0] if images else None,
        further=tuple(images[1:]),
        shares=shares,
    )
    masks = masks_of(pictures, content, styles, content_mask, style_mask)
    return replace(scene, regions=build_regions(masks, *scene.sizes))


def sized(picture: AnyPicture, role: str, pictures: PictureSettings, scale: float = 1.0) -> Tensor:
    """Return a picture, (1, 3, H, W), as large as it is asked for, times `scale`; a tensor keeps its own size."""
    if pictures.rows is None or isinstance(picture, Tensor):
        return as_image(picture, role, scaled_side(pictures.size, scale))
    whole = to_picture(as_image(picture, role))
    return to_tensor(whole, scaled_side(longer_side(whole, pictures.rows), scale))


def style_image(style: AnyPicture, pictures: PictureSettings) -> Tensor:
    """Return a style, (1, 3, H, W), at the size that it is looked at; a tensor's own size is scaled."""
    scale = scale_of_style(pictures)
    image = sized(style, "style", pictures, scale)
    if not isinstance(style, Tensor):
        return image
    return resize(image, (scaled_side(image.shape[2], scale), scaled_side(image.shape[3], scale)))


def blended(blend: Blend) -> tuple[list[AnyPicture], tuple[float, ...]]:
    """Return the pictures of a blend and the share of each, the largest first.

    Args:
        blend: each FILE, FILE=WEIGHT or a pair of a picture and its weight.

    Raises:
        UserError: for wrong weights; see `transfer.config.split_blend`.
    """
    styles: dict[str, AnyPicture] = {}
    words = []
    for number, item in enumerate(blend):
        if isinstance(item, str):
            words.append(item)
        else:
            name = f"picture {number + 1}"
            styles[name], weight = item
            words.append(f"{name}={weight}")
    shares = split_blend(tuple(words))
    return [styles.get(name, name) for name in shares], tuple(shares.values())


def masks_of(
    pictures: PictureSettings,
    content: AnyPicture | None,
    styles: Sequence[AnyPicture],
    content_mask: AnyPicture | None,
    style_mask: AnyPicture | Sequence[AnyPicture] | None,
) -> Masks | None:
    """Return the regions of masks of any kind, None where there is none that the mode uses."""
    of_content = [] if content_mask is None or content is None or not styles else [content_mask]
    of_styles: list[AnyPicture] = []
    if styles and isinstance(style_mask, (list, tuple)):
        of_styles = list(style_mask)
    elif styles and style_mask is not None:
        of_styles = [cast(AnyPicture, style_mask)]
    if of_styles and len(of_styles) != len(styles):
        raise UserError(f"style_mask: {len(of_styles)} masks for {len(styles)} styles. Give one for each.")
    read = [
        mask_picture(mask, picture, name)
        for masks, partners, name in ((of_content, [content], "content_mask"), (of_styles, styles, "style_mask"))
        for mask, picture in zip(masks, partners, strict=False)
    ]
    weights = split_weights(pictures.region_weights, "--region-weights") if of_content else {}
    return pair_masks(read[0] if of_content else None, read[len(of_content) :], weights)


def mask_picture(mask: AnyPicture, picture: AnyPicture | None, name: str) -> Image.Image:
    """Return a mask as a picture; what is no file but the name of a colour is one of that colour alone."""
    if isinstance(mask, (str, Path)) and not os.path.exists(mask) and (colour := parse_colour(str(mask))) is not None:
        return Image.new("RGB", (1, 1), colour)
    image = to_picture(as_image(mask, name))
    partner = as_image(picture, name)
    say_other_size(image.size, (partner.shape[3], partner.shape[2]), name)
    return image
