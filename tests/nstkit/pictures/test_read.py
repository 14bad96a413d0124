"""What a picture file means is what comes out: upright, sRGB, on white, not saturated; and files are whole."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from nstkit.pictures.kinds import SAVED, list_pictures
from nstkit.pictures.read import read_picture
from nstkit.pictures.save import save_picture
from nstkit.pictures.sizes import scaled_size
from nstkit.pictures.srgb import SRGB_ICC, as_srgb
from nstkit.pictures.tensors import shrink, to_picture, to_tensor

ORIENTATION = 0x0112


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
        ("I;16", 257, (1, 1, 1)),
        ("I;16", 200, (1, 1, 1)),
        ("I", 40000, (156, 156, 156)),
        ("I", 200, (200, 200, 200)),
    ],
)
def test_every_mode_becomes_rgb(mode, color, expected):
    picture = as_srgb(Image.new(mode, (3, 2), color))
    assert picture.mode == "RGB"
    assert picture.size == (3, 2)
    assert picture.getpixel((1, 1)) == pytest.approx(expected, abs=1)


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


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.webp", "a.bmp"])
@pytest.mark.parametrize("share", [0, 0.3, 0.7])
def test_truncated_file_is_refused_by_name(tmp_path, user_error, name, share):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    with user_error(tmp_path / name, "not a readable picture", "PNG, JPEG"):
        read_picture(tmp_path / name)


def test_text_named_jpg_is_refused_by_name(tmp_path, user_error):
    (tmp_path / "a.jpg").write_text("this is no picture\n" * 20)
    with user_error(tmp_path / "a.jpg", "not a readable picture"):
        read_picture(tmp_path / "a.jpg")


def test_missing_file_and_folder_are_refused_by_name(tmp_path, user_error, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with user_error(tmp_path / "a.jpg", "no such picture"):
        read_picture(tmp_path / "a.jpg")
    with user_error(tmp_path, "not a readable picture"):
        read_picture(tmp_path)


def test_decompression_bomb_is_refused(tmp_path, user_error, monkeypatch):
    Image.new("L", (100, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with user_error(tmp_path / "a.png", "not a readable picture", "10000 pixels"):
        read_picture(tmp_path / "a.png")


def test_list_pictures_takes_files_as_given_and_folders_in_order(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt", "c.tiff"):
        (tmp_path / name).write_bytes(b"")
    odd = tmp_path / "notes.txt"
    assert list_pictures([odd, tmp_path]) == [odd, *(tmp_path / name for name in ("a.jpg", "b.PNG", "c.tiff"))]


def test_list_pictures_refuses_a_folder_without_any(tmp_path, user_error):
    (tmp_path / "notes.txt").write_bytes(b"")
    with user_error(tmp_path, "no picture in this folder", ".webp"):
        list_pictures([tmp_path])


@pytest.mark.parametrize(
    ("size", "size_px", "expected"),
    [
        ((300, 200), 96, (96, 64)),
        ((200, 300), 96, (64, 96)),
        ((97, 97), 64, (64, 64)),
        ((30, 20), 45, (45, 30)),
        ((427, 640), 511, (341, 511)),
        ((1000, 2), 100, (100, 1)),  # never nothing
        ((31, 17), None, (31, 17)),
    ],
)
def test_to_tensor_makes_the_longer_side_exact(size, size_px, expected):
    tensor = to_tensor(Image.new("RGB", size, (255, 128, 0)), size_px)
    assert tensor.shape == (1, 3, expected[1], expected[0])
    assert tensor.dtype == torch.float32
    assert tensor[0, :, 0, 0].tolist() == pytest.approx([1, 128 / 255, 0])


def test_to_tensor_has_rows_and_channels_in_order():
    values = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    tensor = to_tensor(Image.fromarray(values))
    assert torch.equal((tensor[0] * 255).round().byte(), torch.from_numpy(values.transpose(2, 0, 1)))


def test_to_tensor_takes_any_mode():
    assert to_tensor(Image.new("RGBA", (2, 2), (0, 0, 0, 0))).min() == 1
    assert to_tensor(Image.new("L", (2, 2), 51)).tolist() == torch.full((1, 3, 2, 2), 0.2).tolist()


def test_tensor_round_trip_is_exact_for_every_value():
    values = np.stack([np.random.default_rng(k).permutation(256) for k in range(3)], axis=-1).astype(np.uint8)
    values = values.reshape(16, 16, 3)
    assert np.array_equal(np.asarray(to_picture(to_tensor(Image.fromarray(values)))), values)


def test_to_picture_clamps_and_rounds():
    image = torch.tensor([-0.5, 1.7, 0.4999 / 255]).view(1, 3, 1, 1).requires_grad_()
    assert to_picture(image).getpixel((0, 0)) == (0, 255, 0)
    assert to_picture(torch.full((1, 3, 1, 1), 0.5001 / 255)).getpixel((0, 0)) == (1, 1, 1)


def test_shrink_makes_the_longer_side_exact_and_keeps_the_mean():
    image = torch.rand(1, 3, 60, 90, generator=torch.Generator().manual_seed(0))
    small = shrink(image, 30)
    assert small.shape == (1, 3, 20, 30)
    assert small.mean(dim=(2, 3)).tolist()[0] == pytest.approx(image.mean(dim=(2, 3)).tolist()[0], abs=0.01)
    # Antialiased: averages of nine pixels vary a third as much.
    assert small.std() < 0.5 * image.std()


@pytest.mark.parametrize(
    ("size", "longer_px", "expected"),
    [((60, 90), 30, (20, 30)), ((90, 60), 30, (30, 20)), ((1, 400), 100, (1, 100)), ((50, 50), 70, (70, 70))],
)
def test_scaled_size_keeps_the_ratio_and_makes_the_longer_side_exact(size, longer_px, expected):
    assert scaled_size(*size, longer_px) == expected


def test_shrink_takes_batches_of_any_channels():
    maps = torch.rand(2, 5, 24, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(shrink(maps, 12)[1:, 2:3], shrink(maps[1:, 2:3], 12))
    assert shrink(maps, 12).shape == (2, 5, 12, 4)


def test_shrink_leaves_a_small_picture_alone():
    image = torch.rand(1, 3, 20, 30)
    assert shrink(image, 30) is image


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
