"""The page of a command's pictures."""

import re

import pytest
from PIL import Image

from transfer.config import TransferConfig
from transfer.overview import Overview
from transfer.pairs import Pair


@pytest.fixture
def page(draw_picture, tmp_path):
    pairs = [
        Pair("a & b", "dots", draw_picture((60, 40)), draw_picture((50, 50), 1)),
        Pair("lake", "dots", draw_picture((40, 60)), draw_picture((50, 50), 1)),
    ]
    overview = Overview(pairs, TransferConfig.of(size=64, steps=3))
    for network in ("one", "two"):
        for pair in pairs:
            path = tmp_path / "images" / f"{pair.name}-{network}.png"
            numbers = {"loss/style": 0.25, "judge/style": -0.125}
            overview.add(draw_picture((64, 48)), network, pair.name, path, [1.0, 0.5, 0.25], numbers)
    overview.write_page(tmp_path / "index.html")
    assert overview.draw_sheet().width > 2 * 60
    return (tmp_path / "index.html").read_text()


def test_every_network_has_a_row_and_every_pair_a_column(page):
    assert "<h1>4 pictures: 2 networks x 2 pairs</h1>" in page
    assert re.findall(r"<tr><th>(\w+)</th>\s*<td>", page) == ["one", "two"]
    assert page.count("<polyline points=") == 4
    assert len(re.findall(r"<img [^>]*src=\"data:image/jpeg;base64,", page)) == 4 + 4  # pictures, and their originals
    assert page.count("style -0.125, loss/style 0.25") == 4


def test_it_needs_nothing_from_elsewhere_but_the_pictures_at_full_size(page):
    assert not re.search(r"(src|href)=\"https?:", page)
    links = re.findall(r"href=\"([^\"]+)\"", page)
    assert links[:2] == ["images/a%20%26%20b-dots-one.png", "images/lake-dots-one.png"]


def test_names_are_text(page):
    assert "a &amp; b" in page
    assert "a & b" not in page


def test_a_network_without_judges_has_empty_cells(draw_picture, tmp_path):
    overview = Overview([Pair("a", "b", draw_picture((40, 40)), draw_picture((40, 40)))], TransferConfig())
    overview.add(Image.new("RGB", (40, 40)), "one", "a-b", tmp_path / "a.png", [], {"loss/style": 0.5})
    overview.add(Image.new("RGB", (40, 40)), "two", "a-b", tmp_path / "b.png", [1.0], {"judge/style": 0.25})
    overview.write_page(tmp_path / "index.html")
    cells = re.findall(r"<td>([^<]*)</td>", (tmp_path / "index.html").read_text())
    assert cells == ["one", "a-b", "0.5", "", "two", "a-b", "", "0.25"]
