"""Files that are written are whole and say what they are."""

import json
import os
import warnings

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from nstkit.embedded import read_texts
from nstkit.pictures.kinds import SAVED
from nstkit.pictures.read import read_picture
from nstkit.pictures.save import save_picture
from nstkit.pictures.srgb import SRGB_ICC
from nstkit.pictures.tensors import to_picture

TEXTS = {
    "Software": "nstkit",
    "long": "x" * 5000,
    "nstkit": json.dumps({"tap": "relu4_1", "name": "Bäume 木"}, ensure_ascii=False),
}


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


@pytest.mark.parametrize("kind", ["picture", "tensor"])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_texts_and_profile_come_back_out_of_every_format(tmp_path, suffix, kind):
    path, image = tmp_path / f"a{suffix}", torch.rand(1, 3, 20, 24)
    save_picture(image if kind == "tensor" else to_picture(image), path, TEXTS)
    assert read_texts(path) == TEXTS
    with Image.open(path) as picture:
        assert picture.info["icc_profile"] == SRGB_ICC


@pytest.mark.parametrize("suffix", SAVED)
def test_tensor_comes_back_as_the_picture_of_its_levels(tmp_path, suffix):
    levels = torch.linspace(0, 255, 32).round().byte()
    image = torch.stack([levels[None].expand(32, 32), levels[:, None].expand(32, 32), torch.full((32, 32), 128)])[None]
    save_picture(image / 255, tmp_path / f"a{suffix}")
    error = np.abs(np.asarray(read_picture(tmp_path / f"a{suffix}")).astype(int) - image[0].permute(1, 2, 0).numpy())
    assert error.mean() <= {".jpg": 2, ".jpeg": 2, ".webp": 3, ".gif": 6}.get(suffix, 0)


def test_tensor_keeps_16_bit_in_a_tiff(tmp_path):
    image = torch.rand(1, 3, 21, 34, generator=torch.Generator().manual_seed(0))
    save_picture(image, tmp_path / "a.tiff", TEXTS)
    with tifffile.TiffFile(tmp_path / "a.tiff") as file:
        (page,) = file.pages
        assert page.iccprofile == SRGB_ICC
        values = page.asarray()
    assert values.dtype == np.uint16
    assert np.abs(values / 65535 - image[0].permute(1, 2, 0).numpy()).max() <= 0.51 / 65535
    assert len(np.unique(values)) > 2000  # of 2142, which 8 bit have no room for
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = np.asarray(read_picture(tmp_path / "a.tiff"))
    assert np.abs(opened - 255 * image[0].permute(1, 2, 0).numpy()).max() <= 1


def test_values_outside_of_the_range_are_clamped(tmp_path):
    save_picture(torch.tensor([-0.5, 1.5, 1.0]).view(1, 3, 1, 1), tmp_path / "a.tif")
    assert tifffile.imread(tmp_path / "a.tif").tolist() == [[[0, 65535, 65535]]]


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
