"""A matplotlib figure becomes a picture, and several pictures become one sheet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

FONT_PX = 10
INDENT_PX = 2  # of a caption on the left


def drawn(figure: Figure) -> Image.Image:
    """Return a figure as a picture, without a window or pyplot's global list of figures."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


@dataclass(frozen=True)
class Tile:
    """A picture on a sheet.

    Attributes:
        picture: of any size.
        caption: its lines.
        colour: of its frame and its caption, as Pillow names it.
    """

    picture: Image.Image
    caption: tuple[str, ...] = ()
    colour: str = "black"


def contact_sheet(
    tiles: Sequence[Tile],
    columns: int,
    *,
    tile_px: int | None = None,
    frame_px: int = 0,
    gap_px: int = 0,
    margin_px: int = 0,
    line_px: int = 12,
    captions: Literal["above", "below"] = "below",
    align: Literal["left", "centre"] = "centre",
) -> Image.Image:
    """Return pictures row by row on white, each with its frame and its caption, which it stands against.

    A column is as wide as its widest picture, or where it is empty as the widest of all, and a row as high as its
    highest; all leave room for as many lines as the longest caption has.

    Args:
        tiles: at least one.
        columns: pictures a row.
        tile_px: side of a square that larger pictures are shrunk into and that every place is then as large as; None
            leaves the pictures as they are.
        frame_px: width of the frames, 0 = none.
        gap_px: between the places.
        margin_px: around the sheet.
        line_px: height of a line of the captions.
        captions: where they stand.
        align: pictures and captions in their column.

    Example:
        >>> from PIL import Image
        >>> tiles = [Tile(Image.new("RGB", size), ("a caption",)) for size in ((40, 30), (20, 50), (10, 10))]
        >>> contact_sheet(tiles, columns=2, gap_px=4).size
        (64, 92)
    """
    pictures = [tile.picture if tile_px is None else _shrunk(tile.picture, tile_px) for tile in tiles]
    rows = math.ceil(len(tiles) / columns)
    sizes = [picture.size if tile_px is None else (tile_px, tile_px) for picture in pictures]
    widest = max(width for width, _ in sizes)
    widths = [max((width for width, _ in sizes[k::columns]), default=widest) + 2 * frame_px for k in range(columns)]
    heights = [max(height for _, height in sizes[k * columns :][:columns]) + 2 * frame_px for k in range(rows)]
    n_lines = max(len(tile.caption) for tile in tiles)
    caption_px = line_px * n_lines + 2 if n_lines else 0
    total = (
        2 * margin_px + sum(widths) + gap_px * (columns - 1),
        2 * margin_px + sum(heights) + (caption_px + gap_px) * rows - gap_px,
    )
    sheet = Image.new("RGB", total, "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_PX)
    for number, (tile, picture) in enumerate(zip(tiles, pictures, strict=True)):
        row, column = divmod(number, columns)
        left = margin_px + sum(widths[:column]) + gap_px * column
        top = margin_px + sum(heights[:row]) + (caption_px + gap_px) * row
        is_left, is_above = align == "left", captions == "above"
        x = left + frame_px if is_left else left + (widths[column] - picture.width) // 2
        y = top + caption_px + frame_px if is_above else top + heights[row] - frame_px - picture.height
        if frame_px:
            corner = (x + picture.width + frame_px - 1, y + picture.height + frame_px - 1)
            pen.rectangle((x - frame_px, y - frame_px, *corner), fill=tile.colour)
        sheet.paste(picture, (x, y))
        text_x = left + INDENT_PX if is_left else left + widths[column] // 2
        for line, text in enumerate(tile.caption):
            text = shortened(text, widths[column] - INDENT_PX, font)
            text_y = (top if is_above else top + heights[row]) + 1 + line_px * line
            pen.text((text_x, text_y), text, fill=tile.colour, font=font, anchor="la" if is_left else "ma")
    return sheet


def shortened(text: str, width_px: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return a line that is no wider than this, its middle left out if need be: labels differ at their ends.

    Example:
        >>> shortened("squeezenet1_1-squeezenet1_1_imagenet_fp16", 120, ImageFont.load_default(10))
        'squeezenet…genet_fp16'
    """
    if font.getlength(text) <= width_px:
        return text
    kept = len(text)
    while kept and font.getlength(_without_middle(text, kept)) > width_px:
        kept -= 1
    return _without_middle(text, kept)


def _without_middle(text: str, kept: int) -> str:
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def _shrunk(picture: Image.Image, side_px: int) -> Image.Image:
    copy = picture.copy()
    copy.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return copy


def arrange(count: int, height: int, width: int) -> tuple[int, int]:
    """Return (columns, rows) by which tiles come out largest in a square, with as few places empty as can be.

    Args:
        count: of the tiles.
        height: of a tile, in any unit.
        width: in the same.
    """

    def cost(columns: int) -> tuple[int, int]:
        rows = math.ceil(count / columns)
        return max(columns * width, rows * height), columns * rows - count

    columns = min(range(1, count + 1), key=cost)
    return columns, math.ceil(count / columns)
