"""What all judges of a picture share: which pictures they take, and how the three pictures are brought together.

A judge that uses no network is a function of (picture, content, style). Most compare two of the three, so their own
functions take two; `against_style`, `against_content` and `against_both` make a judge of such a function.
"""

import hashlib
from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from nstkit.pictures.tensors import shrink

BOUND_PX = 512
"""Longer side that larger pictures are shrunk to where a judge's cost has to be bounded."""
SAME_PX = 32
"""Side of the thumbnails by which a picture among others is recognised."""
SAME_DIFFERENCE = 0.02
"""Mean difference of the thumbnails' sRGB values below which two pictures show the same."""

Comparison = Callable[[Tensor, Tensor], float]
"""Compares a picture with one of the two that it was made of."""
Judge = Callable[[Tensor, Tensor, Tensor], float]
"""Judges (picture, content, style), each (1, 3, H, W), sRGB in [0, 1]; their sizes may differ."""


def check_picture(picture: Tensor, role: str, least_px: int) -> None:
    """Raise where a tensor is not one colour picture of a sufficient size.

    Args:
        picture: what should be (1, 3, H, W).
        role: what the message calls it, such as "style".
        least_px: smallest shorter side allowed, px.

    Raises:
        ValueError: the shape is another, or the shorter side is smaller.
    """
    if picture.ndim != 4 or tuple(picture.shape[:2]) != (1, 3):
        raise ValueError(f"{role}: shape {tuple(picture.shape)}, but a judge needs one RGB picture (1, 3, H, W).")
    height, width = picture.shape[-2:]
    if min(height, width) < least_px:
        raise ValueError(
            f"{role}: {width} x {height} px, but this judge needs at least {least_px} px on the shorter side; "
            "give a larger picture."
        )


def check_pictures(least_px: int, **pictures: Tensor) -> None:
    """Raise `ValueError` for the first picture that `check_picture` refuses; each is named by its role."""
    for role, picture in pictures.items():
        check_picture(picture, role, least_px)


def fit(picture: Float[Tensor, "1 3 h w"], like: Float[Tensor, "1 3 h2 w2"]) -> Float[Tensor, "1 3 h2 w2"]:
    """Return a picture stretched to the size of another; it stays as it is where it has that size already."""
    if picture.shape == like.shape:
        return picture
    return F.interpolate(picture, like.shape[-2:], mode="bilinear", antialias=True)


def is_same(a: Float[Tensor, "1 3 h w"], b: Float[Tensor, "1 3 h2 w2"]) -> bool:
    """Return whether two pictures show the same, whatever their sizes."""
    thumbnails = [
        F.interpolate(picture.float().cpu(), (SAME_PX, SAME_PX), mode="bilinear", antialias=True) for picture in (a, b)
    ]
    return (thumbnails[0] - thumbnails[1]).abs().mean().item() < SAME_DIFFERENCE


def digest(*pictures: Float[Tensor, "1 3 _ _"]) -> str:
    """Return a word that tells these pictures from others, by their size and every value."""
    found = hashlib.sha1()
    for picture in pictures:
        found.update(str(tuple(picture.shape)).encode() + picture.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def against_style(compare: Comparison, bound_px: int | None = None) -> Judge:
    """Return a judge that compares the picture with the style.

    Args:
        compare: called with the picture and the style.
        bound_px: longer side that both are shrunk to where they are larger. None leaves them as they are.
    """

    def judge(picture: Tensor, content: Tensor, style: Tensor) -> float:
        return compare(_bounded(picture, bound_px), _bounded(style, bound_px))

    return judge


def against_content(compare: Comparison, bound_px: int | None = None) -> Judge:
    """Return a judge that compares the picture with the content, which is stretched to the picture's size.

    Args:
        compare: called with the picture and the content.
        bound_px: longer side that the picture is shrunk to where it is larger. None leaves it as it is.
    """

    def judge(picture: Tensor, content: Tensor, style: Tensor) -> float:
        picture = _bounded(picture, bound_px)
        return compare(picture, fit(content, picture))

    return judge


def against_both(compare: Judge) -> Judge:
    """Return a judge that compares the picture with the content, which is stretched to its size, and the style."""

    def judge(picture: Tensor, content: Tensor, style: Tensor) -> float:
        return compare(picture, fit(content, picture), style)

    return judge


def _bounded(picture: Tensor, bound_px: int | None) -> Tensor:
    return picture if bound_px is None else shrink(picture, bound_px)
