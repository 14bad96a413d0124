"""What a picture means is what comes out: upright, sRGB, on white, not saturated."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from nstkit.datasets.files import read_square
from nstkit.pictures.read import read_picture
from nstkit.pictures.srgb import ORIENTATION, SRGB, SRGB_ICC, as_srgb, read_orientation
from nstkit.pictures.tensors import to_tensor


@pytest.fixture
def values():
    """Pixels without any symmetry, (9, 14, 3)."""
    return np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)


@pytest.fixture
def swapped_profile():
    """A profile of a space whose red primary is sRGB's green and the other way round."""
    swap = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}
    count = int.from_bytes(SRGB_ICC[128:132], "big")
    profile = bytearray(SRGB_ICC)
    for start in range(132, 132 + 12 * count, 12):  # the table of tags: signature, offset, length
        signature = bytes(profile[start : start + 4])
        profile[start : start + 4] = swap.get(signature, signature)
    return bytes(profile)


# How a file with each orientation stores the upright picture (EXIF 2.3, tag 274).
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_exif_rotation_is_undone_once(tmp_path, values, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](values)))
    stored.save(tmp_path / "a.png", exif=exif)
    picture = read_picture(tmp_path / "a.png")
    assert np.array_equal(np.asarray(picture), values)
    assert torch.equal(to_tensor(picture), to_tensor(Image.fromarray(values)))


def test_exif_rotation_of_a_jpeg(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    # Stored: black on top. Upright, a quarter turn clockwise: black on the right.
    values = np.full((16, 32, 3), 255, np.uint8)
    values[:8] = 0
    Image.fromarray(values).save(tmp_path / "a.jpg", exif=exif, quality=95)
    upright = np.asarray(read_picture(tmp_path / "a.jpg"))
    assert upright.shape == (32, 16, 3)
    assert upright[:, :8].min() > 240
    assert upright[:, 8:].max() < 15


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("RGBA", (0, 100, 200, 0), (255, 255, 255)),  # what is hidden stays hidden
        ("RGBA", (0, 100, 200, 255), (0, 100, 200)),
        ("RGBA", (0, 51, 255, 51), (204, 214, 255)),  # a fifth of it on four fifths of white
        ("LA", (0, 51), (204, 204, 204)),
        ("L", 100, (100, 100, 100)),
        ("1", 1, (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("CMYK", (0, 0, 0, 255), (0, 0, 0)),
        ("I;16", 65535, (255, 255, 255)),
        ("I;16", 40000, (156, 156, 156)),
        ("I;16", 4369, (17, 17, 17)),
        ("I;16B", 40000, (156, 156, 156)),
        ("I", 40000, (156, 156, 156)),
        ("F", 0.5, (128, 128, 128)),
        ("F", 1.005, (255, 255, 255)),
        ("P", 0, (0, 0, 0)),
        ("PA", (0, 0), (255, 255, 255)),
        ("RGBa", (0, 0, 0, 0), (255, 255, 255)),
        ("La", (0, 0), (255, 255, 255)),
        ("YCbCr", (255, 128, 128), (255, 255, 255)),
        ("HSV", (0, 255, 255), (255, 0, 0)),
    ],
)
def test_every_mode_becomes_rgb(mode, color, expected):
    picture = as_srgb(Image.new(mode, (3, 2), color))
    assert picture.mode == "RGB"
    assert picture.size == (3, 2)
    assert picture.getpixel((1, 1)) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(("mode", "white"), [("I;16", 4095), ("I;16", 255), ("I", 255), ("F", 255), ("F", 65535)])
def test_fewer_bits_in_wider_numbers_are_taken_for_what_they_are_with_a_warning(mode, white):
    with pytest.warns(UserWarning, match=f"has no value above {white}, which is taken for white in place of"):
        assert as_srgb(Image.new(mode, (3, 2), white)).getpixel((1, 1)) == (255, 255, 255)


def test_scaling_happens_before_the_picture_is_turned(values):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    picture = Image.fromarray(values)
    picture.info["exif"] = exif.tobytes()
    assert as_srgb(picture, (7, 4)).size == (4, 7)
    assert picture.info["exif"] == exif.tobytes()  # the caller's stays as it is


def malformed_exif(fault):
    """Return EXIF of a picture that lies on its side, with one malformed tag before the orientation."""
    entries = {
        "no rational": (0x010E, 5, 1, 0xFFFFFF00),
        "beyond the end": (0x010E, 2, 20, 0xFFFFFF00),
        "too many": (0x010E, 2, 2**31, 8),
        "no such type": (0x010E, 99, 1, 0),
        "text for a number": (0x0100, 2, 4, 0x41414141),
        "rational as text": (0x011A, 2, 8, 8),
    }
    tags = [entries[fault], (ORIENTATION, 3, 1, 6)]
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # as in a command
@pytest.mark.parametrize(
    "fault",
    ["no rational", "beyond the end", "too many", "no such type", "text for a number", "rational as text"],
)
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_orientation_is_read_beside_a_malformed_tag(tmp_path, values, name, fault):
    picture = Image.fromarray(values)
    picture.save(tmp_path / name, exif=malformed_exif(fault))
    assert picture.size == (14, 9)
    assert read_picture(tmp_path / name).size == (9, 14)
    assert read_square(tmp_path / name, 8).shape == (8, 8, 3)  # and in a class folder


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"II*\0\xff\xff\xff\xff", b"no EXIF", b"MM\0*\0\0\0\x08\xff\xff"])
def test_exif_that_is_none_leaves_the_picture_as_it_is(values, exif):
    picture = Image.fromarray(values)
    picture.info["exif"] = exif
    assert read_orientation(picture) == 1
    assert np.array_equal(as_srgb(picture), values)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif", "a.mpo"])
def test_first_of_several_frames_or_pages_is_read(tmp_path, name):
    first, second = Image.new("RGB", (8, 6), "red"), Image.new("RGB", (8, 6), "blue")
    first.save(tmp_path / name, save_all=True, append_images=[second])
    with Image.open(tmp_path / name) as stored:
        assert stored.n_frames == 2
    assert read_picture(tmp_path / name).getpixel((4, 3)) == pytest.approx((255, 0, 0), abs=4)


def test_lab_file_is_read_by_its_colours(tmp_path):
    lab = ImageCms.profileToProfile(
        Image.new("RGB", (8, 8), (200, 100, 50)), SRGB, ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    lab.save(tmp_path / "a.tif")
    assert read_picture(tmp_path / "a.tif").getpixel((4, 4)) == pytest.approx((200, 100, 50), abs=2)


def test_16_bit_file_is_scaled(tmp_path):
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(4, axis=0)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as stored:
        assert stored.mode == "I;16"
    grey = np.asarray(read_picture(tmp_path / "a.png"))[0, :, 0]
    assert np.abs(grey - np.linspace(0, 255, 64)).max() <= 0.5 + 1e-6 * 255


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
def test_cmyk_file(tmp_path, name):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / name)
    assert read_picture(tmp_path / name).getpixel((8, 8)) == pytest.approx((255, 0, 0), abs=4)


@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_transparent_palette_lies_on_white(tmp_path, name):
    picture = Image.new("P", (4, 2), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (2, 0, 4, 2))
    picture.save(tmp_path / name, transparency=0)
    with Image.open(tmp_path / name) as stored:
        assert stored.mode == "P"
    read = read_picture(tmp_path / name)
    assert read.getpixel((0, 0)) == (255, 255, 255)
    assert read.getpixel((3, 1)) == (0, 0, 255)


def test_transparent_colour_of_an_rgb_png_lies_on_white(tmp_path):
    picture = Image.new("RGB", (4, 2), (10, 20, 30))
    picture.putpixel((0, 0), (1, 2, 3))
    picture.save(tmp_path / "a.png", transparency=(10, 20, 30))
    read = read_picture(tmp_path / "a.png")
    assert read.getpixel((0, 0)) == (1, 2, 3)
    assert read.getpixel((3, 1)) == (255, 255, 255)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
def test_embedded_profile_is_converted(tmp_path, swapped_profile, name):
    Image.new("RGB", (16, 16), (255, 0, 0)).save(tmp_path / name, icc_profile=swapped_profile)
    picture = read_picture(tmp_path / name)
    assert picture.getpixel((8, 8)) == pytest.approx((0, 255, 0), abs=3)
    # Once, not twice: the picture is sRGB now.
    assert to_tensor(picture)[0, :, 8, 8].tolist() == pytest.approx([0, 1, 0], abs=0.02)


def test_profile_of_a_palette_is_converted(tmp_path, swapped_profile):
    Image.new("RGB", (4, 4), (255, 0, 0)).quantize(4).save(tmp_path / "a.png", icc_profile=swapped_profile)
    assert read_picture(tmp_path / "a.png").getpixel((0, 0)) == pytest.approx((0, 255, 0), abs=1)


def test_profile_leaves_the_white_behind_a_transparent_picture(tmp_path, swapped_profile):
    Image.new("RGBA", (4, 4), (255, 0, 0, 51)).save(tmp_path / "a.png", icc_profile=swapped_profile)
    assert read_picture(tmp_path / "a.png").getpixel((0, 0)) == pytest.approx((204, 255, 204), abs=1)


@pytest.mark.parametrize(
    ("mode", "color"), [("RGB", (255, 0, 0)), ("L", 76), ("CMYK", (0, 255, 255, 0))], ids=["RGB", "L", "CMYK"]
)
def test_profile_that_does_not_fit_or_is_broken_is_passed_over(tmp_path, swapped_profile, mode, color):
    picture = Image.new(mode, (4, 4), color)
    expected = picture.convert("RGB").getpixel((0, 0))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (b"no profile", lab, *([swapped_profile] if mode != "RGB" else [])):
        picture.save(tmp_path / "a.tif", icc_profile=profile)
        assert read_picture(tmp_path / "a.tif").getpixel((0, 0)) == expected
