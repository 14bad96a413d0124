"""Files that are written are whole and say what they are."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from nstkit.pictures.kinds import SAVED
from nstkit.pictures.read import read_picture
from nstkit.pictures.save import save_picture
from nstkit.pictures.srgb import SRGB_ICC


@pytest.mark.parametrize("suffix", SAVED)
def test_every_suffix_is_written_and_read(tmp_path, suffix):
    ramp = np.linspace(0, 255, 32).round().astype(np.uint8)
    values = np.stack(np.broadcast_arrays(ramp, ramp[:, None], 128), axis=-1).astype(np.uint8)
    path = tmp_path / f"a{suffix}"
    save_picture(Image.fromarray(values), path)
    error = np.abs(np.asarray(read_picture(path)).astype(int) - values)
    assert error.mean() <= {".jpg": 2, ".jpeg": 2, ".webp": 3, ".gif": 6}.get(suffix, 0)


def test_jpeg_keeps_colours_at_full_resolution(tmp_path):
    values = np.zeros((16, 16, 3), np.uint8)
    values[:, ::2, 0], values[:, 1::2, 2] = 255, 255
    save_picture(Image.fromarray(values), tmp_path / "a.jpg")
    assert np.abs(np.asarray(read_picture(tmp_path / "a.jpg")).astype(int) - values).mean() < 20


def test_texts_come_back_out_of_a_png(tmp_path):
    texts = {
        "Software": "nstkit",
        "long": "x" * 5000,
        "nstkit": json.dumps({"tap": "relu4_1", "name": "Bäume 木"}, ensure_ascii=False),
    }
    save_picture(Image.new("RGB", (2, 2)), tmp_path / "a.png", texts)
    with Image.open(tmp_path / "a.png") as picture:
        assert {name: picture.text[name] for name in texts} == texts


def test_saved_picture_is_marked_as_srgb(tmp_path):
    for name in ("a.png", "a.jpg", "a.tif", "a.webp"):
        save_picture(Image.new("RGB", (2, 2)), tmp_path / name, {"only": "in PNG"})
        with Image.open(tmp_path / name) as picture:
            assert picture.info["icc_profile"] == SRGB_ICC


def test_unknown_suffix_is_refused_with_the_allowed_ones(tmp_path, user_error):
    with user_error("a.xyz", "'.xyz'", ".png, .jpg"):
        save_picture(Image.new("RGB", (2, 2)), tmp_path / "a.xyz")
    assert os.listdir(tmp_path) == []


def test_picture_that_cannot_be_encoded_keeps_the_old_one(tmp_path, user_error):
    save_picture(Image.new("RGB", (2, 2)), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    with user_error(tmp_path / "a.png", "cannot be written"):
        save_picture(Image.new("F", (2, 2)), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    assert os.listdir(tmp_path) == ["a.png"]


def test_place_that_cannot_be_written_is_named(tmp_path, user_error):
    (tmp_path / "file").write_bytes(b"")
    with user_error(tmp_path / "file" / "a.png", "cannot be written"):
        save_picture(Image.new("RGB", (2, 2)), tmp_path / "file" / "a.png")
