"""The rim of a scan: paper, bare canvas or a line around a painting, which is no part of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nstkit.pictures.srgb import as_srgb

LIKE = 0.12  # of the range of a channel: a pixel that is no further from the outermost line's median belongs to the rim
MOST = 0.55  # share of the outermost line that belongs to it; bare canvas around a painting is ragged
WIDEST = 0.02  # of the side; what is wider is a mount, or the sky
SMALLEST_PX = 64


@dataclass(frozen=True)
class Rim:
    """How wide the rim is on each side [px]; 0 on all of them where there is none.

    Example:
        >>> str(Rim(left=6, bottom=2)), bool(Rim())
        ('6 px on the left, 2 px at the bottom', False)
    """

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __bool__(self) -> bool:
        """Return whether there is one."""
        return any((self.left, self.top, self.right, self.bottom))

    def __str__(self) -> str:
        names = {"on the left": self.left, "at the top": self.top, "on the right": self.right}
        sides = {**names, "at the bottom": self.bottom}
        return ", ".join(f"{width} px {name}" for name, width in sides.items() if width)

    def crop(self, picture: Image.Image) -> Image.Image:
        """Return the picture without it."""
        return picture.crop((self.left, self.top, picture.width - self.right, picture.height - self.bottom))


def find_rim(picture: Image.Image) -> Rim:
    """Return the rim: lines along at least two edges that are mostly of one colour which the picture behind has not.

    Of twelve well-known paintings (384 to 768 px) four have one: The Starry Night and The Scream (bare canvas and
    cardboard), The Great Wave (paper) and Udnie (a dark line); of eight photographs none.

    Args:
        picture: any; one with a side below 64 px has none.
    """
    if min(picture.size) < SMALLEST_PX:
        return Rim()
    rows = np.asarray(as_srgb(picture), np.float32) / np.float32(255)
    columns = rows.swapaxes(0, 1)
    widths = [_width(lines) for lines in (columns, rows, columns[::-1], rows[::-1])]
    return Rim(*widths) if sum(width > 0 for width in widths) >= 2 else Rim()


def _width(lines: NDArray[np.float32]) -> int:
    """Return how many of the lines (N, M, 3), outermost first, belong to a rim."""
    colour = np.median(lines[0], axis=0)
    widest = max(3, round(WIDEST * len(lines)))
    shares = (np.abs(lines[: 3 * widest] - colour).max(axis=2) < LIKE).mean(axis=1)
    behind = shares[widest:].mean()
    if shares[0] < MOST or behind > shares[0] / 2:
        return 0
    is_rim = shares[: widest + 1] > (shares[0] + behind) / 2
    return 0 if is_rim.all() else int(np.argmin(is_rim)) + 1  # and one more, in which both are mixed
