"""Sheets to the pixel, beside sheets put together by hand; a figure is the picture that matplotlib draws."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from nstkit.figures.compose import Tile, arrange, contact_sheet, drawn, shortened


def _picture(width, height, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def _same(one, other):
    assert one.size == other.size
    assert np.array_equal(np.asarray(one), np.asarray(other))


def test_a_figure_is_what_matplotlib_saves():
    figure = Figure(figsize=(2, 1), dpi=50)
    figure.subplots().plot([0, 1], [1, 3])
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    _same(drawn(figure), Image.open(file).convert("RGB"))


def test_pictures_of_other_sizes_stand_side_by_side():
    pictures = [_picture(30, 20, 0), _picture(12, 40, 1), _picture(50, 10, 2)]
    row = Image.new("RGB", (30 + 12 + 50 + 2 * 8, 40), "white")
    for picture, left in zip(pictures, (0, 38, 58), strict=True):
        row.paste(picture, (left, 0))
    _same(contact_sheet([Tile(picture) for picture in pictures], 3, gap_px=8, captions="above"), row)


def test_columns_are_as_wide_and_rows_as_high_as_they_have_to_be():
    pictures = [_picture(30, 20, 0), _picture(12, 44, 1), _picture(50, 10, 2)]
    sheet = Image.new("RGB", (4 + 50 + 4 + 12 + 4, 4 + 44 + 4 + 10 + 4), "white")
    for picture, place in zip(pictures, ((4 + 10, 4 + 24), (58, 4), (4, 52)), strict=True):  # low, in the middle
        sheet.paste(picture, place)
    _same(contact_sheet([Tile(picture) for picture in pictures], 2, gap_px=4, margin_px=4), sheet)


@pytest.mark.parametrize("count", [3, 4, 7])
def test_lines_above_pictures_on_the_left(count):
    tiles = [Tile(_picture(60, 40, k), ("first", "second")[: 1 + k % 2]) for k in range(count)]
    sheet = Image.new("RGB", (4 * 60, -(-count // 4) * (40 + 26)), "white")
    pen = ImageDraw.Draw(sheet)
    for number, tile in enumerate(tiles):
        x, y = 60 * (number % 4), 66 * (number // 4)
        sheet.paste(tile.picture, (x, y + 26))
        for line, text in enumerate(tile.caption):
            pen.text((x + 2, y + 1 + 12 * line), text, fill="black")
    _same(contact_sheet(tiles, 4, captions="above", align="left"), sheet)


def test_framed_thumbnails_over_their_captions():
    kinds = {"#2a9d4a": (300, 200), "#d1383d": (90, 400), "#8a8a8a": (20, 30)}
    tiles = [Tile(_picture(*size), ("painting 0.5",), colour) for colour, size in kinds.items()]
    sheet = Image.new("RGB", (2 * 144, 2 * 162), "white")
    for number, tile in enumerate(tiles):
        place = Image.new("RGB", (144, 162), "white")
        small = tile.picture.copy()
        small.thumbnail((136, 136), Image.Resampling.LANCZOS)
        left, top = (144 - small.width) // 2, 140 - small.height
        pen = ImageDraw.Draw(place)
        pen.rectangle((left - 3, top - 3, left + small.width + 2, top + small.height + 2), fill=tile.colour)
        place.paste(small, (left, top))
        pen.text((72, 144), tile.caption[0], fill=tile.colour, font=ImageFont.load_default(10), anchor="ma")
        sheet.paste(place, (144 * (number % 2), 162 * (number // 2)))
    before = [tile.picture.size for tile in tiles]
    _same(contact_sheet(tiles, 2, tile_px=136, frame_px=3, gap_px=2, margin_px=1, line_px=16), sheet)
    assert [tile.picture.size for tile in tiles] == before


def test_an_empty_column_is_as_wide_as_the_widest():
    assert contact_sheet([Tile(_picture(30, 20)), Tile(_picture(12, 20))], 4, gap_px=2).size == (
        30 + 12 + 30 + 30 + 6,
        20,
    )


def test_tiles_are_arranged_as_large_as_they_fit():
    assert arrange(36, 10, 10) == (6, 6)
    assert arrange(36, 3, 4) == (6, 6)
    assert arrange(4, 1, 4) == (1, 4)
    assert arrange(4, 4, 1) == (4, 1)
    assert arrange(1, 5, 5) == (1, 1)


@pytest.mark.parametrize("width_px", [4, 20, 60, 130, 1000])
def test_caption_is_cut_in_its_middle_to_its_column(width_px):
    font, text = ImageFont.load_default(10), "squeezenet1_1-squeezenet1_1_imagenet_fp16"
    short = shortened(text, width_px, font)
    assert short == text or short.count("…") == 1
    assert font.getlength(short) <= max(width_px, font.getlength("…"))
    start, _, end = short.partition("…")
    assert text.startswith(start)
    assert text.endswith(end)
