"""A network's look at one picture: questions about its features that are answered by a sum over positions.

A whole picture answers from its features. A larger one is looked at tile by tile (`transfer.painting.tiles`), and the
answers of the tiles are added up, which is exact for what is a sum over positions: Gram matrices, means, squared
distances. Where gradients are wanted, each tile is computed a second time in the backward pass, so that there are never
the activations of more than one; the first pass has told what all tiles together come to.

Source: Chen, Xu, Zhang, Guestrin 2016, "Training deep nets with sublinear memory cost", here over places of a picture
    in place of layers of a network.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from transfer.painting.lens import Lens
from transfer.painting.losses.functions import channel_moments
from transfer.painting.tiles import Tile, Tiling, cut_into_tiles

SMALL_PX = 128  # picture whose maps tell the sizes of those of a large one


@dataclass(frozen=True)
class View:
    """What a question sees of a picture: one tile of it, or the whole.

    Attributes:
        features: by tap, (1, C, H, W) of the tile's core.
        sizes: (H, W) of the whole picture's maps by tap.
        beside: features of a second picture at the same place, by tap; empty where there is none.
        places: by tap, the rows and columns of the whole picture's maps that the core is.
    """

    features: Mapping[str, Tensor]
    sizes: Mapping[str, tuple[int, int]]
    beside: Mapping[str, Tensor] = field(default_factory=dict)
    places: Mapping[str, tuple[slice, slice]] = field(default_factory=dict)

    def cut(self, maps: Float[Tensor, "b c h w"], tap: str) -> Float[Tensor, "b c h2 w2"]:
        """Return the part of a whole picture's maps that is seen here."""
        return maps[(..., *self.places[tap])] if tap in self.places else maps

    def share(self, tap: str) -> float:
        """Return which share of all positions of a tap are seen here."""
        height, width = self.sizes[tap]
        return self.features[tap].shape[2] * self.features[tap].shape[3] / (height * width)


Question = Callable[[View], Tensor]
"""What is asked of a view; the answers of all tiles are added up."""


class Look:
    """One picture as the network sees it.

    Attributes:
        sizes: (H, W) of the whole picture's maps by tap.
        is_whole: all of it is seen at once.
    """

    def __init__(
        self,
        lens: Lens,
        picture: Float[Tensor, "1 3 h w"],
        taps: Iterable[str],
        tiling: Tiling | None = None,
        beside: tuple[Float[Tensor, "1 3 h w"], list[str]] | None = None,
        seen: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Look at a picture, or at its tiles when something is asked.

        Args:
            lens: the network.
            picture: sRGB in [0, 1].
            taps: that may be asked of.
            tiling: how a large picture is cut; None = not at all.
            beside: a second picture of the same size and its taps, which is seen at the same places without gradients.
            seen: the features of the whole picture by tap, where they were computed together with others'.
        """
        self._lens, self._picture, self._taps, self._beside = lens, picture, list(taps), beside
        self._size = (picture.shape[2], picture.shape[3])
        self._tiles = cut_into_tiles(self._size, tiling)
        self.is_whole = self._tiles[0].is_whole
        if self.is_whole:
            features = lens.features(picture, self._taps) if seen is None else seen
            self.sizes = {tap: (maps.shape[2], maps.shape[3]) for tap, maps in features.items()}
            self._whole = View(features, self.sizes, {} if beside is None else self._unmoved(*beside))
        else:
            assert tiling is not None
            self.sizes = map_sizes(lens, picture, self._taps, tiling.step_px)

    def total(self, questions: Mapping[str, Question]) -> dict[str, Tensor]:
        """Return the answer to each question.

        Raises:
            NoSum: where those of two tiles cannot be added.
        """
        if not questions:
            return {}
        if self.is_whole:
            return {name: question(self._whole) for name, question in questions.items()}

        def ask(picture: Tensor, tile: Tile) -> tuple[Tensor, ...]:
            view = self._view(picture, tile)
            return tuple(question(view) for question in questions.values())

        sums: tuple[Tensor, ...] | None = None
        for tile in self._tiles:
            if torch.is_grad_enabled() and self._picture.requires_grad:
                answers = checkpoint(ask, self._picture, tile, use_reentrant=False, preserve_rng_state=False)
            else:
                answers = ask(self._picture, tile)
            sums = answers if sums is None else tuple(_added(a, b) for a, b in zip(sums, answers, strict=True))
        assert sums is not None
        return dict(zip(questions, sums, strict=True))

    @cached_property
    def moments(self) -> dict[str, Float[Tensor, "2 _"]]:
        """Mean and mean square of each channel, by tap."""

        def ask(tap: str) -> Question:
            return lambda view: view.share(tap) * channel_moments(view.features[tap])

        with torch.no_grad():
            return self.total({tap: ask(tap) for tap in self._taps})

    def maps(self, taps: Iterable[str]) -> dict[str, Float[Tensor, "1 _ _ _"]]:
        """Return the whole picture's maps of some taps, which have to fit into memory, without gradients."""
        found: dict[str, Tensor] = {}

        def keep(tap: str) -> Question:
            def question(view: View) -> Tensor:
                seen = view.features[tap].detach()
                if tap not in view.places:
                    found[tap] = seen
                else:
                    if tap not in found:
                        found[tap] = seen.new_zeros(*seen.shape[:2], *view.sizes[tap])
                    view.cut(found[tap], tap).copy_(seen)
                return seen.new_zeros(())

            return question

        with torch.no_grad():
            self.total({tap: keep(tap) for tap in taps})
        return found

    def _view(self, picture: Tensor, tile: Tile) -> View:
        """Return what is seen of a tile."""
        spans = (tile.rows, tile.columns)
        outer = (..., tile.rows.outer, tile.columns.outer)
        inner, places = {}, {}
        for tap in dict.fromkeys([*self._taps, *(self._beside[1] if self._beside else ())]):
            rows, columns = (span.positions(self._lens.backbone.taps[tap].stride) for span in spans)
            inner[tap], places[tap] = (..., rows[0], columns[0]), (rows[1], columns[1])
        features = self._lens.features(picture[outer], self._taps)
        beside = {} if self._beside is None else self._unmoved(self._beside[0][outer], self._beside[1])
        cores, cores_beside = ({tap: maps[inner[tap]] for tap, maps in seen.items()} for seen in (features, beside))
        return View(cores, self.sizes, cores_beside, places)

    def _unmoved(self, picture: Tensor, taps: list[str]) -> dict[str, Tensor]:
        with torch.no_grad():
            return self._lens.features(picture, taps)


class NoSum(ValueError):
    """Answers that do not add up over tiles."""


def _added(a: Tensor, b: Tensor) -> Tensor:
    if a.shape != b.shape:
        raise NoSum(f"answers of shape {tuple(a.shape)} and {tuple(b.shape)}")
    return a + b


@torch.no_grad()
def map_sizes(lens: Lens, picture: Tensor, taps: Iterable[str], step_px: int) -> dict[str, tuple[int, int]]:
    """Return (H, W) of a picture's maps by tap, from one that is smaller by a multiple of the grid.

    Args:
        lens: the network.
        picture: whose size counts alone.
        taps: their names.
        step_px: the grid, a multiple of every stride.
    """
    least = -(-SMALL_PX // step_px) * step_px
    full = (picture.shape[2], picture.shape[3])
    small = [side if side < least + step_px else least + side % step_px for side in full]
    features = lens.features(picture.new_full((1, 3, *small), 0.5), taps)
    sizes = {}
    for tap, maps in features.items():
        stride = lens.backbone.taps[tap].stride
        rows, columns = (
            count + (side - less) // stride for count, side, less in zip(maps.shape[2:], full, small, strict=True)
        )
        sizes[tap] = (rows, columns)
    return sizes
