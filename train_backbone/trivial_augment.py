"""One random operation a picture, on whole batches: TrivialAugment as tensor operations, so that a GPU does it.

Source: Müller and Hutter 2021, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", its wide space
    without equalise, which has no batched form.
Differs: geometry is one bilinear sampling with reflected borders, in place of nearest with black ones; translation
    reaches a quarter of the side, as 32 px would be all of a small picture; sharpness blends with a Gaussian blur.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

GEOMETRY = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
COLOUR = ("brightness", "contrast", "colour", "sharpness", "posterize", "solarize", "autocontrast")
OPERATIONS = ("identity", *GEOMETRY, *COLOUR)

MAX_SHEAR, MAX_TRANSLATION, MAX_ANGLE = 0.99, 0.5, 135.0  # translation in halves of the side, angle in degrees
MAX_ENHANCEMENT, MIN_BITS = 0.99, 2


def draw_operations(random: np.random.Generator, count: int) -> Float[Tensor, "n 2"]:
    """Return for each picture the number of an operation in `OPERATIONS` and a strength in [-1, 1]."""
    index, strength = random.integers(len(OPERATIONS), size=count), random.uniform(-1, 1, count)
    return torch.from_numpy(np.stack([index, strength], 1)).float()


def apply_operations(images: Float[Tensor, "b 3 h w"], operation: Float[Tensor, "b 2"]) -> Float[Tensor, "b 3 h w"]:
    """Return the pictures in [0, 1], each after its operation."""
    index, strength = operation[:, 0].long(), operation[:, 1]
    images = warp(images, index, strength)
    result = images.clone()
    for name in COLOUR:
        chosen = (index == OPERATIONS.index(name)).nonzero()[:, 0]
        if len(chosen):
            result[chosen] = change_colour(name, images[chosen], strength[chosen, None, None, None])
    return result


def warp(images: Float[Tensor, "b 3 h w"], index: Tensor, strength: Float[Tensor, "b"]) -> Float[Tensor, "b 3 h w"]:
    """Return the pictures sheared, translated or turned; the others as they are."""

    def amount(name: str, highest: float) -> Float[Tensor, "b"]:
        return torch.where(index == OPERATIONS.index(name), strength * highest, 0.0)

    angle = amount("rotate", math.radians(MAX_ANGLE))
    cosine, sine = angle.cos(), angle.sin()
    rows = [
        torch.stack([cosine, amount("shear_x", MAX_SHEAR) - sine, amount("translate_x", MAX_TRANSLATION)], 1),
        torch.stack([amount("shear_y", MAX_SHEAR) + sine, cosine, amount("translate_y", MAX_TRANSLATION)], 1),
    ]
    is_warped = ((index >= 1) & (index <= len(GEOMETRY))).nonzero()[:, 0]
    if not len(is_warped):
        return images
    moved = images[is_warped]
    grid = functional.affine_grid(torch.stack(rows, 1)[is_warped], list(moved.shape), align_corners=False)
    moved = functional.grid_sample(moved, grid, padding_mode="reflection", align_corners=False)
    return images.index_copy(0, is_warped, moved)


def change_colour(
    name: str, images: Float[Tensor, "b 3 h w"], strength: Float[Tensor, "b 1 1 1"]
) -> Float[Tensor, "b 3 h w"]:
    """Return the pictures after one operation of `COLOUR`; blends go from the neutral picture beyond the given one."""
    if name == "posterize":
        levels = 2.0 ** (8 - (8 - MIN_BITS) * strength.abs()).round()
        return (images * 255 / 256 * levels).floor() / levels
    if name == "solarize":
        return torch.where(images >= 1 - strength.abs(), 1 - images, images)
    if name == "autocontrast":
        low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
        return torch.where(high > low, (images - low) / (high - low).clamp_min(1e-6), images)
    from torchvision.transforms import functional as transforms  # which takes a second, and few trainings need it

    grey = transforms.rgb_to_grayscale(images)
    neutral = {
        "brightness": lambda: torch.zeros_like(images),
        "contrast": lambda: grey.mean((2, 3), keepdim=True).expand_as(images),
        "colour": lambda: grey.expand_as(images),
        "sharpness": lambda: transforms.gaussian_blur(images, [3, 3]),
    }[name]()
    return torch.lerp(neutral, images, 1 + MAX_ENHANCEMENT * strength).clamp(0, 1)
