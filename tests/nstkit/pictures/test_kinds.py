"""Which files are pictures, and what a folder of them gives."""

import os

import pytest
from PIL import Image, features

from nstkit.pictures import kinds
from nstkit.pictures.kinds import FORMATS, SAVED, SUFFIXES, is_clutter, is_picture_name, left_out, list_pictures


@pytest.mark.parametrize(
    "name", ["a.jpg", "A.JPG", "b.c.JPeG", "a.jfif", "a.ppm", "a.pgm", "a.pbm", "a.pnm", "a.tga", "ä 木.webp", "a.tif"]
)
def test_every_usual_name_is_a_picture(name):
    assert is_picture_name(name)


@pytest.mark.parametrize("name", ["._a.jpg", ".a.png", "Thumbs.db", "a.txt", "jpg", "a.jpg.part", "a.svg", "", ".png"])
def test_clutter_and_other_files_are_none(name):
    assert not is_picture_name(name)


def test_clutter_is_known_in_any_case():
    assert all(map(is_clutter, ("__MACOSX", "@eaDir", "@EADIR", "Thumbs.db", "Desktop.ini", ".git", ".DS_Store")))
    assert not any(map(is_clutter, ("cats", "thumbs", "a@eaDir", "_a.jpg")))


def test_no_format_that_starts_a_program_or_draws_is_opened():
    assert not {"EPS", "WMF", "PSD", "FPX", "GRIB", "HDF5", "PDF"} & set(FORMATS)
    Image.init()
    assert set(FORMATS) <= {*Image.OPEN, "HEIF"}
    assert set(SAVED) <= set(SUFFIXES)


def test_formats_of_libraries_that_are_not_there_are_not_offered():
    assert [name for name in ("AVIF", "WEBP") if name in FORMATS] == [
        name for name in ("AVIF", "WEBP") if features.check(name.lower())
    ]


def test_list_pictures_takes_files_as_given_and_folders_in_order(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt", "c.tiff"):
        (tmp_path / name).write_bytes(b"")
    odd = tmp_path / "notes.txt"
    assert list_pictures([odd, tmp_path]) == [odd, *(tmp_path / name for name in ("a.jpg", "b.PNG", "c.tiff"))]


def test_list_pictures_skips_clutter_and_folders_and_follows_links(tmp_path):
    folder, elsewhere = tmp_path / "pictures", tmp_path / "elsewhere"
    for path in (folder, elsewhere):
        path.mkdir()
        (path / "a.png").write_bytes(b"")
    for name in ("._a.png", "Thumbs.db", ".hidden.jpg"):
        (folder / name).write_bytes(b"")
    (folder / "folder.jpg").mkdir()
    (folder / "link.png").symlink_to(elsewhere / "a.png")
    (folder / "gone.png").symlink_to(elsewhere / "nothing.png")  # said when it is read
    (tmp_path / "linked").symlink_to(folder)
    expected = [folder / name for name in ("a.png", "gone.png", "link.png")]
    assert list_pictures([folder]) == expected
    assert list_pictures([tmp_path / "linked"]) == [tmp_path / "linked" / path.name for path in expected]


def test_pictures_that_are_left_out_are_counted_and_named(tmp_path, monkeypatch):
    monkeypatch.setitem(kinds._FOREIGN, ".heic", kinds.HEIF_HINT)  # also where it is installed
    for name in ("a.png", "d.HEIC", "c.nef", "b.svg", "e.psd", "notes.txt", "._d.heic"):
        (tmp_path / name).write_bytes(b"")
    said = r"4 pictures left out: b.svg \(a drawing: export as PNG\), c.nef \(camera raw: .*\), d.HEIC \(HEIC: pip "
    said += r"install pillow-heif\), \.\.\.$"
    with pytest.warns(UserWarning, match=said):
        assert list_pictures([tmp_path]) == [tmp_path / "a.png"]
    assert left_out(["a.png", "notes.txt"]) == ""


@pytest.mark.parametrize(("name", "said"), [("notes.txt", "in this folder."), ("a.svg", "folder (1 picture left out")])
def test_list_pictures_refuses_a_folder_without_any(tmp_path, user_error, name, said):
    (tmp_path / name).write_bytes(b"")
    with user_error(tmp_path, "no picture in this folder", said, ".webp"):
        list_pictures([tmp_path])


def test_folder_that_may_not_be_read_is_one_line(tmp_path, user_error, monkeypatch):
    def refuse(path):  # root may enter every folder
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with user_error(tmp_path, "cannot be read", "Permission denied"):
        list_pictures([tmp_path])
