"""The canvas on its way, as files: a preview that is written anew every so often, and an animation at the end."""

import math
from collections.abc import Mapping

from PIL import Image
from torch import Tensor

from nstkit.pictures.save import save_animation
from nstkit.pictures.tensors import shrink, to_picture
from nstkit.runs import Run
from transfer.config import OutputSettings
from transfer.painting.loop import Painting, Step

FRAME_PX = 640  # longer side of the animation: it is kept in memory, some fifty times
GROWTH = 1.1  # from one frame's evaluation to the next one's: most changes early
FRAME_MS, LAST_MS = 80, 2000


class Progress:
    """Takes the steps of one pair; its files lie in `images/`, named after the pair."""

    def __init__(self, run: Run, name: str, settings: OutputSettings) -> None:
        self._run, self._name, self._settings = run, name, settings
        self._frames: list[Image.Image] = []
        self._last = 0

    def step(self, step: Step) -> None:
        """Take one evaluation of the loss."""
        every = self._settings.preview_every
        if every is not None and step.number % every == 0:
            self._run.save_picture(f"{self._name}-preview.png", step.canvas)
        if self._settings.animation is not None and is_frame_due(step.number, self._last):
            self._frames.append(to_picture(shrink(step.canvas, FRAME_PX)))
            self._last = step.number

    def at_scale(self, image: Tensor) -> None:
        """Write what a scale has come to into the file of the preview, which stays if a larger one is killed."""
        self._run.save_picture(f"{self._name}-preview.png", image)

    def end(self, painting: Painting, texts: Mapping[str, str]) -> None:
        """Write the animation, which ends with the painting, and remove the preview, whose place it takes.

        Args:
            painting: the result.
            texts: that go into the file.
        """
        (self._run.folder / "images" / f"{self._name}-preview.png").unlink(missing_ok=True)
        if self._settings.animation is None:
            return
        last = to_picture(shrink(painting.image, FRAME_PX))
        # The sizes of a pyramid become the last one: a film has one size.
        frames = [frame.resize(last.size, Image.Resampling.BICUBIC) for frame in self._frames]
        durations_ms = [FRAME_MS] * len(frames) + [LAST_MS]
        path = self._run.folder / "images" / f"{self._name}.{self._settings.animation}"
        save_animation([*frames, last], path, durations_ms, texts)
        self._frames.clear()


def is_frame_due(number: int, last: int) -> bool:
    """Return whether the canvas after an evaluation is the next frame of the animation; `last` is that of the last."""
    return number >= max(last + 1, math.ceil(last * GROWTH))
