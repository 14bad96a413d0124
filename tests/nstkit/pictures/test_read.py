"""Files of every kind and in every state: read whole, or refused in one line."""

import contextlib
import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageFile, TiffImagePlugin

from nstkit.datasets.packed import check_files
from nstkit.pictures.read import read_picture
from nstkit.pictures.tensors import to_tensor


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.webp", "a.bmp"])
@pytest.mark.parametrize("share", [0, 0.3, 0.7])
def test_truncated_file_is_refused_by_name(tmp_path, user_error, name, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    with user_error(tmp_path / name, "not a readable picture"):
        read_picture(tmp_path / name)


def test_text_named_jpg_is_refused_by_name(tmp_path, user_error):
    (tmp_path / "a.jpg").write_text("this is no picture\n" * 20)
    with user_error(tmp_path / "a.jpg", "not a readable picture (of no known format)", "PNG, JPEG"):
        read_picture(tmp_path / "a.jpg")


def test_missing_file_and_folder_are_refused_by_name(tmp_path, user_error, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with user_error(tmp_path / "a.jpg", "no such picture"):
        read_picture(tmp_path / "a.jpg")
    with user_error(tmp_path, "not a readable picture", "directory"):
        read_picture(tmp_path)


def test_decompression_bomb_is_refused(tmp_path, user_error, monkeypatch):
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with user_error(tmp_path / "a.png", "not a readable picture", "10000 pixels"):
        read_picture(tmp_path / "a.png")


def test_format_counts_and_not_the_suffix(tmp_path, user_error, monkeypatch):
    Image.new("RGB", (8, 6), "red").save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert read_picture(tmp_path / "a.jpg").getpixel((0, 0)) == (255, 0, 0)
    (tmp_path / "b.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n%%EOF\n")
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("a program was started"))
    with user_error(tmp_path / "b.jpg", "of no known format"):
        read_picture(tmp_path / "b.jpg")


@pytest.mark.parametrize("name", ["a.heic", "a.jpg"])
def test_heic_says_what_to_install_whatever_its_name(tmp_path, user_error, monkeypatch, name):
    monkeypatch.setattr("nstkit.pictures.read.HAS_HEIF", False)
    (tmp_path / name).write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(100))
    with user_error(tmp_path / name, "pip install pillow-heif"):
        read_picture(tmp_path / name)


def test_what_is_no_file_is_refused_at_once(tmp_path, user_error):
    os.mkfifo(tmp_path / "pipe.jpg")  # nobody will ever write into it
    with user_error("pipe.jpg", "not a file, but a pipe or a device"):
        read_picture(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as other, contextlib.chdir(tmp_path):  # a socket's path is short
        other.bind("socket.jpg")
        with user_error("socket.jpg", "not a readable picture"):
            read_picture(Path("socket.jpg"))
    for name in ("/dev/zero", "/dev/null"):
        with user_error(name, "not a file"):
            read_picture(Path(name))
    (tmp_path / "loop.png").symlink_to("loop.png")
    for path in (tmp_path / "loop.png", tmp_path / ("x" * 300 + ".png"), Path("a\0.png")):
        with user_error("not a readable picture"):
            read_picture(path)


def test_declared_size_that_cannot_be_is_refused_before_decoding(tmp_path, user_error, monkeypatch):
    Image.new("1", (9000, 9000), 1).save(tmp_path / "a.tif", compression="group4")
    Image.new("1", (1, 70_000)).save(tmp_path / "b.tif")
    Image.new("1", (4000, 4000), 1).save(tmp_path / "c.tif", compression="group4")
    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "load", lambda self: pytest.fail("decoded"))
    for name, size in (("a.tif", "9000 x 9000 px"), ("b.tif", "1 x 70000 px")):
        with user_error(tmp_path / name, f"it claims to be {size}"):
            read_picture(tmp_path / name)
    monkeypatch.undo()
    assert read_picture(tmp_path / "c.tif", 64).size == (64, 64)  # a blank page is no bomb


@pytest.mark.parametrize(
    "error", [kind("no more data") for kind in (EOFError, struct.error, KeyError, SyntaxError, RuntimeError)]
)
def test_whatever_a_decoder_raises_is_one_line(tmp_path, monkeypatch, user_error, error):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")

    def load(self):
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with user_error(tmp_path / "a.png", "not a readable picture", "no more data"):
        read_picture(tmp_path / "a.png")


def test_length_that_a_header_claims_takes_no_memory(tmp_path, user_error):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.jp2")
    data = (tmp_path / "a.jp2").read_bytes()
    place = data.index(b"jp2h") - 4
    claim = struct.pack(">I4sQ", 1, b"jp2h", 2**60)  # 1 = the length follows, in 64 bit
    (tmp_path / "a.jp2").write_bytes(data[:place] + claim + data[place + 8 :])
    with user_error(tmp_path / "a.jp2", "not a readable picture"):
        read_picture(tmp_path / "a.jp2")


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError("out of memory error when reading image file"), OSError("decoder error -9")]
)
def test_too_little_memory_says_nothing_about_the_picture(tmp_path, monkeypatch, error):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")

    def load(self):
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(MemoryError):
        read_picture(tmp_path / "a.png")
    with pytest.raises(MemoryError):  # not remembered as a broken file
        check_files(tmp_path, np.array(["a.png"]))
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("values", [np.nan, np.inf, -1.0, 5.0])
def test_float_file_without_a_known_white_is_refused(tmp_path, user_error, values):
    Image.fromarray(np.full((4, 4), values, np.float32)).save(tmp_path / "a.tif")
    with user_error(tmp_path / "a.tif", "not a readable picture"):
        read_picture(tmp_path / "a.tif")


def test_float_file_is_between_0_and_1(tmp_path):
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(4, axis=0)
    for name in ("a.tif", "a.pfm"):
        Image.fromarray(ramp).save(tmp_path / name)
        assert np.array_equal(np.asarray(read_picture(tmp_path / name))[0, :, 0], np.rint(ramp[0] * 255))


def test_dark_colours_of_16_bit_are_said(tmp_path):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = (b"\0" + np.full((4, 3), 4000, ">u2").tobytes()) * 2
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 2, 16, 2, 0, 0, 0))  # which Pillow cannot write
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    with pytest.warns(UserWarning, match="a colour picture of 16 bit has no value above 4095"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "size", "levels"),
    [("a.jpg", (1500, 1000), 4), ("a.jpg", (1001, 1503), 4), ("a.jpg", (301, 175), 0), ("a.png", (401, 603), 0)],
)
def test_picture_shrunken_when_read_is_the_same_picture(tmp_path, draw_picture, name, size, levels):
    draw_picture(size).save(tmp_path / name)
    expected = to_tensor(read_picture(tmp_path / name), 48)
    shrunken = to_tensor(read_picture(tmp_path / name, 48), 48)
    assert shrunken.shape == expected.shape
    assert (shrunken - expected).abs().max() * 255 < levels + 0.01
    assert (shrunken - expected).abs().mean() * 255 < 1


def test_small_picture_is_not_enlarged(tmp_path, draw_picture):
    draw_picture((60, 40)).save(tmp_path / "a.jpg")
    assert np.array_equal(read_picture(tmp_path / "a.jpg", 96), read_picture(tmp_path / "a.jpg"))
