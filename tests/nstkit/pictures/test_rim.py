"""Rims of scans are found, and what lies in the picture is none."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from nstkit.pictures.read import read_picture
from nstkit.pictures.rim import Rim, find_rim

PICTURES = Path("../shared/data/images")


@pytest.mark.parametrize("size", [(200, 260), (400, 300), (700, 900)])
@pytest.mark.parametrize("colour", ["white", "black", (180, 150, 110)])
def test_frame_is_found_and_cut_off(draw_picture, size, colour):
    scan = ImageOps.expand(draw_picture(size), 3, colour)
    rim = find_rim(scan)
    assert all(3 <= side <= 4 for side in (rim.left, rim.top, rim.right, rim.bottom))
    assert not find_rim(rim.crop(scan))
    assert str(rim).startswith(f"{rim.left} px on the left, {rim.top} px at the top")


def test_ragged_rim_on_two_sides_is_found(draw_picture):
    scan = np.asarray(ImageOps.expand(draw_picture((300, 200)), (5, 0), "white")).copy()
    ragged = np.random.default_rng(0).random((200, 5)) < 0.3
    scan[:, :5][ragged] = scan[:, 10:15][ragged]
    rim = find_rim(Image.fromarray(scan))
    assert rim == Rim(left=6, right=6)
    assert rim.crop(Image.fromarray(scan)).size == (298, 200)


@pytest.mark.parametrize("size", [(63, 300), (40, 40), (300, 200), (64, 64)])
def test_pictures_without_a_rim_have_none(draw_picture, size):
    for seed in range(20):
        assert not find_rim(draw_picture(size, seed))


def test_what_is_wide_or_on_one_side_is_none(draw_picture):
    painting = draw_picture((300, 200))
    assert not find_rim(ImageOps.expand(painting, (0, 0, 0, 4), "white"))  # a line at the foot
    assert not find_rim(ImageOps.expand(painting, 30, "white"))  # a mount
    assert not find_rim(Image.new("RGB", (300, 200), "white"))
    assert not find_rim(ImageOps.expand(painting, (0, 0, 0, 60), "skyblue"))


@pytest.mark.shared
def test_rims_of_well_known_pictures():
    if not PICTURES.is_dir():
        pytest.skip("no ../shared/data/images")
    paths = [path for folder in ("content", "style") for path in sorted((PICTURES / folder).glob("*.jpg"))]
    found = {path.stem for path in paths if find_rim(read_picture(path, 512))}
    assert found == {"starry_night", "great_wave", "udnie", "the_scream"}
