"""What stands in a picture file beside the picture is found again, and what is not ours says nothing."""

import json

import pytest
from PIL import Image

from nstkit.embedded import SETTINGS, read_made_by, read_texts, save_options
from nstkit.errors import UserError


def test_text_that_is_too_long_for_a_jpeg_is_left_out_and_that_is_said(tmp_path):
    texts = {SETTINGS: "x" * 70_000}
    with pytest.warns(UserWarning, match=r"the settings \(\d+ bytes\) do not fit into a JPEG; a PNG takes them"):
        assert save_options("JPEG", texts) == {}
    for name, picture_format in (("a.png", "PNG"), ("a.tif", "TIFF")):
        Image.new("RGB", (4, 4)).save(tmp_path / name, **save_options(picture_format, texts))
        assert read_texts(tmp_path / name) == texts


def test_formats_that_take_none_get_none():
    assert save_options("BMP", {"a": "b"}) == save_options("GIF", {"a": "b"}) == save_options("PNG", {}) == {}


@pytest.mark.parametrize("description", [b"", b"a holiday", b"[1, 2]", b'"text"', b"{", b"[" * 9000])
def test_what_others_describe_a_picture_by_is_no_text_of_ours(tmp_path, description):
    exif = Image.Exif()
    exif[0x010E] = description.decode()
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read_texts(tmp_path / "a.jpg") == {}
    with pytest.raises(UserError, match=r"a\.jpg: no picture with its settings inside"):
        read_made_by(tmp_path / "a.jpg")


@pytest.mark.parametrize("made_by", ["", "7", "[]", "{}", '{"settings": 7}', "{"])
def test_text_of_our_name_that_holds_no_settings_is_refused(tmp_path, made_by):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", **save_options("PNG", {SETTINGS: made_by}))
    with pytest.raises(UserError, match="no picture with its settings inside"):
        read_made_by(tmp_path / "a.png")


def test_what_is_no_picture_holds_no_texts(tmp_path):
    (tmp_path / "a.png").write_text(json.dumps({"settings": {}}))
    assert read_texts(tmp_path / "a.png") == read_texts(tmp_path / "gone.png") == {}
