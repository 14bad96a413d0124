"""A painting with all that is known of it, which draws itself in a notebook."""

import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from nstkit.backbones.backbone import Backbone
from nstkit.backbones.batchnorm import settled
from nstkit.pages.render import CURVE_PX, as_data, curve_points
from nstkit.pictures.tensors import to_picture
from transfer.painting.loop import Painting
from transfer.painting.losses.statistics.gram import gram_matrix
from transfer.painting.scene import Scene
from transfer.painting.settings import PaintSettings, split_weights

Picture = TypeVar("Picture", Image.Image, Tensor)
SHOWN_PX = 512  # longer side of the picture in a notebook
FIRST = ("judge/style", "judge/content", "judge/artefacts")
"""Judges that a notebook shows."""


@dataclass(frozen=True, repr=False)
class Result(Generic[Picture]):
    """What `transfer.stylize(..., full=True)` returns.

    Attributes:
        picture: a Pillow picture, or a tensor (1, 3, H, W) in [0, 1] where the content was one.
        painting: the same as the loop gives it, with the losses measured on it, its step and the seconds it took.
        losses: of every evaluation, by tag: `loss/total`, `loss/style`, `loss/content`, `loss/style/relu1_1`, ...
        settings: that were used, resolved, by name.
    """

    picture: Picture
    painting: Painting
    losses: Mapping[str, Sequence[float]]
    settings: Mapping[str, Any]
    _scene: Scene = field(repr=False)
    _backbone: Backbone = field(repr=False)
    _painter: PaintSettings = field(repr=False)

    @cached_property
    def grams(self) -> dict[str, Float[Tensor, "c c"]]:
        """The picture's Gram matrix at each layer that style was taken from, each (C, C)."""
        return self._grams(self.painting.image)

    @cached_property
    def style_grams(self) -> dict[str, Float[Tensor, "c c"]]:
        """The same of the style, none where there is no style; of a blend of its first picture."""
        return {} if self._scene.style is None else self._grams(self._scene.style)

    @cached_property
    def judges(self) -> dict[str, float]:
        """What the fixed panel of judges says, by measure; asked for the first time it takes a second or two.

        Raises:
            UserError: for pictures that are too small to be judged.
        """
        from transfer.verdict import judge  # the panel takes a while

        if self._scene.content is None or self._scene.style is None:
            return {}
        return judge(self.painting.image, self._scene.content, self._scene.style)

    @torch.no_grad()
    def _grams(self, image: Tensor) -> dict[str, Tensor]:
        backbone = settled(self._backbone, self._scene.pictures)
        taps = split_weights(self._painter.losses.style_taps or backbone.style_taps, "--style-taps")
        return {name: gram_matrix(maps)[0].cpu() for name, maps in backbone.features(image, taps).items()}

    def __repr__(self) -> str:
        height, width = self.painting.image.shape[2:]
        count, time_s = len(self.losses["loss/total"]), self.painting.time_s
        return f"Result({width} x {height} px, {self.settings['backbone']}, {count} evaluations, {time_s:.1f} s)"

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        to_picture(self.painting.image).save(stream, "PNG")
        return stream.getvalue()

    def _repr_html_(self) -> str:
        """Return the picture, the curve of its loss and its numbers; the judges where they were asked already."""
        width, height = CURVE_PX
        numbers = {tag: self.painting.scalars[tag] for tag in ("loss/total", "loss/style", "loss/content")}
        judged = self.__dict__.get("judges", {})  # where cached_property keeps them
        numbers |= {name: judged[name] for name in FIRST if name in judged}
        rows = "".join(f"<tr><td>{html.escape(tag)}</td><td>{value:.3g}</td></tr>" for tag, value in numbers.items())
        return (
            '<div style="display: flex; gap: 16px; align-items: flex-start; flex-wrap: wrap">'
            f'<img src="{as_data(to_picture(self.painting.image), SHOWN_PX)}" alt="the painting">'
            f"<div>{html.escape(repr(self))}"
            f'<svg width="{width}" height="{height}" viewBox="-1 -1 {width + 2} {height + 2}" role="img" '
            'style="display: block; margin: 8px 0" aria-label="loss over evaluations"><polyline fill="none" '
            f'stroke="#2457a6" stroke-width="1.5" points="{curve_points(self.losses["loss/total"])}"/></svg>'
            f"loss (logarithmic) over {len(self.losses['loss/total'])} evaluations<table>{rows}</table></div></div>"
        )
