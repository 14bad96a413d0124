"""Each operation, against torchvision or numpy, and what all of them have in common."""

import math

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from train_backbone.trivial_augment import COLOUR, GEOMETRY, OPERATIONS, apply_operations, draw_operations


@pytest.fixture
def images():
    """Four pictures of 8-bit values in [0, 1]: noise, a ramp over all values, one of few values, one colour."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 16, 16))
    ramp = np.broadcast_to(np.arange(256).reshape(16, 16), (3, 16, 16))
    dull = 60 + noise // 3
    flat = np.full((3, 16, 16), 90)
    return torch.from_numpy(np.stack([noise, ramp, dull, flat])).float() / 255


def apply(name, images, strength):
    """Return the pictures after one operation, each of its own strength if there are several."""
    operation = torch.empty(len(images), 2)
    operation[:, 0] = OPERATIONS.index(name)
    operation[:, 1] = torch.as_tensor(strength)
    return apply_operations(images, operation)


STRENGTHS = (-1.0, -0.6, -0.2, 0.0, 0.3, 0.8, 1.0)


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("brightness", reference.adjust_brightness),
        ("contrast", reference.adjust_contrast),
        ("colour", reference.adjust_saturation),
    ],
)
def test_blends_are_torchvisions(name, function, strength, images):
    torch.testing.assert_close(apply(name, images, strength), function(images, 1 + 0.99 * strength), atol=1e-5, rtol=0)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_solarize_is_torchvisions(strength, images):
    threshold = 1 - abs(strength)
    assert torch.equal(apply("solarize", images, strength), reference.solarize(images, threshold))


@pytest.mark.parametrize("bits", range(2, 9))
def test_posterize_is_torchvisions(bits, images):
    found = apply("posterize", images, (8 - bits) / 6 * (-1) ** bits)
    expected = reference.posterize((images * 255).round().to(torch.uint8), bits) / 255
    # Levels are k / 2^bits here and k 2^(8 - bits) / 255 there.
    torch.testing.assert_close(found, expected, atol=1.01 / 255, rtol=0)


def test_autocontrast_is_torchvisions(images):
    torch.testing.assert_close(apply("autocontrast", images, 0.7), reference.autocontrast(images), atol=1e-5, rtol=0)


def test_sharpness_blurs_and_sharpens(images):
    """Noise has more variance the sharper it is; a flat picture has no edges to sharpen."""
    deviations = [apply("sharpness", images, strength)[0].std().item() for strength in STRENGTHS]
    assert deviations == sorted(deviations)
    assert deviations[0] < 0.7 * deviations[3] < deviations[3]
    torch.testing.assert_close(apply("sharpness", images, 0.0), images, atol=1e-6, rtol=0)
    torch.testing.assert_close(apply("sharpness", images, -1.0)[3], images[3], atol=1e-6, rtol=0)


@pytest.mark.parametrize("strength", [-0.5, -0.1, 0.2, 0.4])
@pytest.mark.parametrize("name", ["shear_x", "shear_y"])
def test_shear_moves_each_row_by_its_distance_from_the_middle(name, strength, images):
    found = apply(name, images, strength)
    is_sideways = name == "shear_x"
    for number, picture in enumerate(images):
        plane, sheared = (p[0].numpy() if is_sideways else p[0].T.numpy() for p in (picture, found[number]))
        for row in range(16):
            source = np.arange(16) + 0.99 * strength * (row - 7.5)
            is_in = (source >= 0) & (source <= 15)
            assert is_in.sum() >= 8
            expected = np.interp(source, np.arange(16), plane[row])
            np.testing.assert_allclose(sheared[row][is_in], expected[is_in], atol=1e-4)


@pytest.mark.parametrize("name", ["translate_x", "translate_y"])
def test_translation_moves_by_pixels_with_mirrored_borders(name, images):
    # The full strength is half of half the side: 4 of 16 pixels.
    for strength, pixels in ((1.0, 4), (0.5, 2), (-0.75, -3)):
        moved = apply(name, images, strength)
        planes = [p if name == "translate_x" else p.transpose(2, 3) for p in (images, moved)]
        padded = np.pad(planes[0].numpy(), ((0, 0),) * 3 + ((4, 4),), mode="symmetric")
        np.testing.assert_allclose(planes[1].numpy(), padded[..., 4 + pixels : 20 + pixels], atol=1e-5)


@pytest.mark.parametrize("strength", [-1.0, -0.3, 0.2, 2 / 3])
def test_rotation_is_torchvisions_away_from_the_borders(strength, images):
    found = apply("rotate", images, strength)
    expected = reference.rotate(images, 135 * strength, InterpolationMode.BILINEAR)
    y, x = np.mgrid[:16, :16] - 7.5
    is_within = torch.from_numpy(np.hypot(x, y) < 7)
    torch.testing.assert_close(found[..., is_within], expected[..., is_within], atol=1e-4, rtol=0)
    assert not torch.allclose(found[..., is_within], images[..., is_within], atol=0.1)


def test_identity_and_geometry_of_no_strength_leave_the_picture(images):
    assert torch.equal(apply("identity", images, 0.9), images)
    for name in (*GEOMETRY, "brightness", "contrast", "colour", "solarize"):
        if name != "solarize":
            torch.testing.assert_close(apply(name, images, 0.0), images, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", OPERATIONS)
def test_values_stay_in_range_and_the_given_pictures_as_they_were(name, images):
    before = images.clone()
    for strength in STRENGTHS:
        found = apply(name, images, strength)
        assert found.shape == images.shape
        assert found.dtype == torch.float32
        assert found.min() >= 0
        assert found.max() <= 1
    assert torch.equal(images, before)


def test_pictures_are_independent_of_what_else_is_in_the_batch():
    random = np.random.default_rng(3)
    images = torch.from_numpy(random.random((3 * len(OPERATIONS), 3, 12, 12), dtype=np.float32))
    operation = torch.stack(
        [torch.arange(len(OPERATIONS)).repeat(3).float(), torch.from_numpy(random.uniform(-1, 1, len(images))).float()],
        1,
    )
    together = apply_operations(images, operation)
    alone = torch.cat([apply_operations(images[k : k + 1], operation[k : k + 1]) for k in range(len(images))])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    order = torch.from_numpy(random.permutation(len(images)))
    torch.testing.assert_close(apply_operations(images[order], operation[order]), together[order], atol=1e-6, rtol=0)


def test_operations_are_drawn_alike_and_over_the_whole_range():
    drawn = draw_operations(np.random.default_rng(0), 13_000)
    counts = torch.bincount(drawn[:, 0].long(), minlength=len(OPERATIONS))
    assert len(counts) == len(OPERATIONS) == len(GEOMETRY) + len(COLOUR) + 1 == 13
    assert counts.min() > 900
    assert counts.max() < 1100
    strength = drawn[:, 1].double()
    assert strength.abs().max() <= 1
    assert strength.mean() == pytest.approx(0, abs=0.02)
    assert strength.std() == pytest.approx(1 / math.sqrt(3), abs=0.01)
