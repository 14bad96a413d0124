"""The sheet of a command: what each picture was painted from stands above it."""

from PIL import Image

from transfer.pairs import Pair
from transfer.sheet import COLUMNS, GAP_PX, TILE_PX, Sheet


def flat(colour, size=(TILE_PX, TILE_PX)):
    return Image.new("RGB", size, colour)


def place(sheet, row, column):
    """Return the colour in the middle of a place of squares, each with a row of captions below it."""
    pitch = TILE_PX + GAP_PX
    height = (sheet.height - GAP_PX) // round((sheet.height - GAP_PX) / (pitch + 20))
    return sheet.getpixel((GAP_PX + column * pitch + TILE_PX // 2, GAP_PX + row * height + TILE_PX // 2))


def test_rows_are_networks_and_columns_pairs():
    pairs = [Pair("a", "s", flat("red"), flat("blue")), Pair("b", "s", flat("lime", (900, 900)), flat("blue"))]
    sheet = Sheet(pairs)
    for network, colours in (("vgg19", ("black", "gray")), ("resnet50", ("yellow", "cyan"))):
        for pair, colour in zip(pairs, colours, strict=True):
            sheet.add(flat(colour), network, pair.name)
    drawn = sheet.draw()
    assert drawn.width == 2 * TILE_PX + 3 * GAP_PX
    shown = [[place(drawn, row, column) for column in range(2)] for row in range(4)]
    expected = [["red", "lime"], ["blue", "blue"], ["black", "gray"], ["yellow", "cyan"]]
    assert shown == [[flat(colour).getpixel((0, 0)) for colour in row] for row in expected]


def test_sheet_may_be_drawn_before_all_is_there():
    sheet = Sheet([Pair(name, "s", flat("red"), flat("blue")) for name in "ab"])
    before = sheet.draw()
    sheet.add(flat("black"), "vgg19", "b-s")
    drawn = sheet.draw()
    assert drawn.height > before.height
    assert place(drawn, 2, 0) == (255, 255, 255)  # the other one is not there yet
    assert place(drawn, 2, 1) == (0, 0, 0)


def test_many_pairs_stand_in_blocks_and_are_smaller():
    pairs = [Pair(str(number), "s", flat("red"), flat("blue")) for number in range(COLUMNS + 1)]
    sheet = Sheet(pairs)
    for pair in pairs:
        sheet.add(flat("black"), "vgg19", pair.name)
    drawn = sheet.draw()
    rows = [place(drawn, row, 0) for row in range(6)]
    assert rows == [(255, 0, 0), (0, 0, 255), (0, 0, 0)] * 2
    many = Sheet([Pair(str(number), "", flat("red"), None) for number in range(1000)])
    assert many.draw().width < (COLUMNS + 1) * 80


def test_texture_has_no_row_of_contents():
    sheet = Sheet([Pair("", "s", None, flat("blue")), Pair("", "t", None, flat("lime"))])
    assert place(sheet.draw(), 0, 1) == (0, 255, 0)
