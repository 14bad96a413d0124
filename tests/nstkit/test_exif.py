"""Date and camera of a photograph go on into what is painted from it, the place never."""

import pytest
import torch
from PIL import ExifTags, Image

from nstkit.exif import read_kept
from nstkit.pictures.save import save_picture

TAG = ExifTags.Base


@pytest.fixture
def photograph(tmp_path):
    exif = Image.Exif()
    exif[TAG.Make], exif[TAG.Model], exif[TAG.DateTime] = "Acme", "Box 1", "2024:05:06 07:08:09"
    exif[TAG.Artist], exif[TAG.Orientation] = "Somebody", 6
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {TAG.DateTimeOriginal: "2024:05:06 07:08:00", TAG.FNumber: 2.8, TAG.BodySerialNumber: "4711"}
    )
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (1, 2, 3)})
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (40, 30)).save(path, exif=exif)
    assert b"4711" in path.read_bytes()
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_date_and_camera_are_kept_and_nothing_else(photograph, suffix, tmp_path):
    path = tmp_path / f"result{suffix}"
    save_picture(Image.new("RGB", (20, 20)), path, {"nstkit": "{}"}, read_kept(photograph))
    with Image.open(path) as picture:
        exif = picture.getexif()
        of_camera, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert (exif[TAG.Make], exif[TAG.Model], exif[TAG.DateTime]) == ("Acme", "Box 1", "2024:05:06 07:08:09")
    assert of_camera[TAG.DateTimeOriginal] == "2024:05:06 07:08:00"
    assert float(of_camera[TAG.FNumber]) == pytest.approx(2.8)
    assert not place
    assert TAG.Artist not in exif
    assert TAG.Orientation not in exif
    content = path.read_bytes()
    assert b"Somebody" not in content
    assert b"4711" not in content


def test_tiff_of_16_bit_keeps_what_stands_at_the_head(photograph, tmp_path):
    save_picture(torch.rand(1, 3, 20, 20), tmp_path / "result.tif", {}, read_kept(photograph))
    with Image.open(tmp_path / "result.tif") as picture:
        exif = picture.getexif()
    assert (exif[TAG.Make], exif[TAG.DateTime]) == ("Acme", "2024:05:06 07:08:09")


def test_picture_without_any(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    assert read_kept(tmp_path / "a.png") == {}
