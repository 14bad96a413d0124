"""Regions of the pictures that are painted each in its own style, and what is kept from the photograph beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from transfer.painting.masks import Labels, Masks

FEATHER = 0.01  # of the longer side: standard deviation of the blur of a region's edge


@dataclass(frozen=True)
class Region:
    """A part of the content picture and the parts of the styles that it is painted in.

    Attributes:
        name: its colour in the masks, such as `#ff0000`; empty for the whole pictures.
        content: (1, 1, H, W), of the canvas's size; None = all of it.
        styles: (1, 1, ., .) of each style's size, 0 everywhere for a style without this region; empty = all of each.
        weight: of its loss: its share of the canvas, times what the user wants.
    """

    name: str = ""
    content: Float[Tensor, "1 1 h w"] | None = None
    styles: tuple[Float[Tensor, "1 1 _ _"], ...] = ()
    weight: float = 1.0

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "Region":
        """Return the region with each of its guides changed."""
        content = None if self.content is None else change(self.content)
        return replace(self, content=content, styles=tuple(change(guide) for guide in self.styles))

    def of_style(self, number: int) -> Float[Tensor, "1 1 _ _"] | None:
        """Return where the region lies in a style, None for all of it."""
        return self.styles[number] if self.styles else None


WHOLE = Region()


def build_regions(
    masks: Masks | None, content: tuple[int, int] | None, styles: Sequence[tuple[int, int]]
) -> tuple[Region, ...]:
    """Return the regions of masks for pictures of these sizes, their edges blurred.

    Args:
        masks: of any size, brought to those of the pictures by taking the nearest pixel; None = no regions.
        content: (height, width) of the canvas, where masks tell parts of it apart.
        styles: likewise for each style.
    """
    if masks is None:
        return ()
    return tuple(
        Region(
            name,
            None if masks.content is None or content is None else draw_guide(masks.content, number, content),
            tuple(
                draw_guide(labels, number, size)
                for labels, size in zip(masks.styles, styles, strict=bool(masks.styles))
            ),
            weight * share_of(masks.content, number),
        )
        for number, (name, weight) in enumerate(zip(masks.names, masks.weights, strict=True))
    )


def share_of(labels: Labels | None, number: int) -> float:
    """Return which share of a picture belongs to a region."""
    return 1.0 if labels is None else float((labels == number).mean())


def draw_guide(labels: Labels, number: int, size: tuple[int, int]) -> Float[Tensor, "1 1 h w"]:
    """Return how far each pixel of a picture of this (height, width) belongs to a region, in [0, 1]."""
    rows, columns = (
        ((np.arange(length) + 0.5) * count / length).astype(int)
        for length, count in zip(size, labels.shape, strict=True)
    )
    inside = (labels[rows][:, columns] == number).astype(np.float32)
    blurred = ndimage.gaussian_filter(inside, FEATHER * max(size), mode="nearest")
    return torch.from_numpy(blurred.clip(0, 1))[None, None]


def resize_guide(guide: Float[Tensor, "1 1 h w"], size: Sequence[int]) -> Float[Tensor, "1 1 h2 w2"]:
    """Return a guide at another (height, width): each pixel the mean of those that it covers."""
    return guide if tuple(guide.shape[2:]) == tuple(size) else functional.interpolate(guide, tuple(size), mode="area")


def weights_at(
    guide: Float[Tensor, "1 1 h w"] | None, size: Sequence[int], shift: tuple[int, int] = (0, 0)
) -> Float[Tensor, "1 1 h2 w2"] | None:
    """Return what each position of a map counts in a region: how much of it lies inside.

    Args:
        guide: of the picture that the map is of; None = all of it.
        size: (height, width) of the map.
        shift: [px] by which the picture was rolled down and to the right.

    Source: Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", section 4, simple guidance.
    """
    if guide is None:
        return None
    return resize_guide(torch.roll(guide, shift, dims=(2, 3)) if any(shift) else guide, size)


def painted_share(regions: Sequence[Region]) -> Float[Tensor, "1 1 h w"] | None:
    """Return how far each pixel of the canvas is painted, in [0, 1]; None where all of it is."""
    guides = [region.content for region in regions if region.content is not None]
    if len(guides) < len(regions) or not guides:
        return None
    share = torch.cat(guides).sum(dim=0, keepdim=True).clamp(max=1)
    return None if bool((share == 1).all()) else share
