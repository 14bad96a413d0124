"""Pictures become tensors and come back."""

import numpy as np
import pytest
import torch
from PIL import Image

from nstkit.pictures.tensors import as_image, shrink, to_picture, to_tensor


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


def test_shrink_takes_batches_of_any_channels():
    maps = torch.rand(2, 5, 24, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(shrink(maps, 12)[1:, 2:3], shrink(maps[1:, 2:3], 12))
    assert shrink(maps, 12).shape == (2, 5, 12, 4)


def test_shrink_leaves_a_small_picture_alone():
    image = torch.rand(1, 3, 20, 30)
    assert shrink(image, 30) is image


LEVELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
LEVELS[0, 0] = 255  # so that 16 bit are no 12
UNIT = LEVELS / 255
RGBA = np.dstack([LEVELS, np.full((20, 30), 51, np.uint8)])
TAKEN = {  # each means `LEVELS`
    "rows, columns, colours": LEVELS,
    "colours first": LEVELS.transpose(2, 0, 1),
    "one of a batch": LEVELS[None],
    "reversed twice": LEVELS[::-1, ::-1, ::-1][::-1, ::-1, ::-1],
    "read-only": np.asarray(Image.fromarray(LEVELS)),
    "float64": UNIT,
    "float32": UNIT.astype(np.float32),
    "float16": UNIT.astype(np.float16),
    "big-endian": UNIT.astype(">f8"),
    "uint16": LEVELS.astype(np.uint16) * 257,
    "every second row": LEVELS.repeat(2, axis=0)[::2],
    "opaque": np.dstack([LEVELS, np.full((20, 30), 255, np.uint8)]),
    "tensor": torch.from_numpy(LEVELS).permute(2, 0, 1),
    "tensor, colours last": torch.from_numpy(LEVELS),
    "tensor with gradient": torch.from_numpy(UNIT).permute(2, 0, 1)[None].requires_grad_(),
    "channels_last": torch.from_numpy(UNIT).float().permute(2, 0, 1)[None].to(memory_format=torch.channels_last),
    "bfloat16": torch.from_numpy(UNIT).permute(2, 0, 1).bfloat16(),
    "picture": Image.fromarray(LEVELS),
}


@pytest.mark.parametrize("name", TAKEN)
def test_as_image_takes_what_is_meant_once(name):
    given = TAKEN[name]
    image = as_image(given)
    assert image.shape == (1, 3, 20, 30)
    assert image.dtype == torch.float32
    assert not image.requires_grad
    expected = torch.from_numpy(UNIT).permute(2, 0, 1)[None].float()
    torch.testing.assert_close(image, expected, rtol=0, atol={"bfloat16": 2e-3, "float16": 3e-4}.get(name, 1e-6))
    if not isinstance(given, Image.Image):
        before = image.clone()
        image.zero_()  # which is not the caller's memory
        torch.testing.assert_close(as_image(given), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("grey", "shape"),
    [
        (LEVELS[..., 0], (1, 3, 20, 30)),
        (LEVELS[..., :1], (1, 3, 20, 30)),
        (torch.rand(1, 1, 9, 8), (1, 3, 9, 8)),
        (torch.rand(9, 8), (1, 3, 9, 8)),
    ],
)
def test_as_image_repeats_grey(grey, shape):
    image = as_image(grey)
    assert image.shape == shape
    assert torch.equal(image[:, 0], image[:, 2])


def test_as_image_puts_transparent_arrays_and_tensors_on_white_as_pictures_are():
    expected = as_image(Image.fromarray(RGBA))
    for given in (RGBA, RGBA / 255, torch.from_numpy(RGBA).permute(2, 0, 1)):
        torch.testing.assert_close(as_image(given), expected, rtol=0, atol=0.6 / 255)


def test_as_image_scales_all_but_tensors(tmp_path):
    Image.fromarray(LEVELS).save(tmp_path / "a.png")
    for given in (LEVELS, UNIT, Image.fromarray(LEVELS), tmp_path / "a.png", str(tmp_path / "a.png")):
        assert torch.equal(as_image(given, size_px=15), to_tensor(Image.fromarray(LEVELS), 15))
    assert as_image(torch.from_numpy(LEVELS), size_px=15).shape == (1, 3, 20, 30)


REFUSED = {
    "float64 values from 0 to 255": UNIT * 255,
    "float64 values from -1 to 1": UNIT * 2 - 1,
    "uint16 values from 0 to 4080": LEVELS.astype(np.uint16) * 16,
    "some values are nan": UNIT * np.nan,
    "some values are nan or infinite": torch.full((3, 8, 8), torch.inf),
    "nothing in a picture of shape (0, 30, 3)": LEVELS[:0],
    "nothing in a picture of 0 x 4 px": Image.new("RGB", (0, 4)),
    "2 pictures at once, shape (2, 20, 30, 3)": np.stack([LEVELS, LEVELS]),
    "(3, 3, 3): both the first and the last axis could hold the colours": LEVELS[:3, :3],
    "(20, 30, 2): neither the first nor the last axis": LEVELS[..., :2],
    "a picture of shape (1, 1, 20, 30, 3)": LEVELS[None, None],
    "a picture of shape (30,)": LEVELS[0, :, 0],
    "numbers of int64": LEVELS.astype(np.int64),
    "numbers of bool": LEVELS > 3,
    "numbers of object": LEVELS.astype(object),
    "numbers of complex64": torch.zeros(3, 8, 8, dtype=torch.complex64),
    "numbers of int8": torch.zeros(3, 8, 8, dtype=torch.int8),
    "list is no picture": [[1]],
    "NoneType is no picture": None,
    "meta": torch.rand(3, 8, 8, device="meta"),
    "Sparse": torch.rand(3, 8, 8).to_sparse(),
}


@pytest.mark.parametrize("said", REFUSED)
def test_as_image_refuses_the_rest_in_one_line(said, user_error):
    with user_error("style: ", said, "Give a Pillow picture, a file, or one picture as array or tensor"):
        as_image(REFUSED[said], "style")


def test_as_image_names_a_file_that_is_none(tmp_path, user_error):
    with user_error(tmp_path / "a.png", "no such picture"):
        as_image(str(tmp_path / "a.png"))
