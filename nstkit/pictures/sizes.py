"""Sizes of pictures in the same ratio."""

from PIL import Image


def scaled_size(height: int, width: int, longer_px: int) -> tuple[int, int]:
    """Return (height, width) in the same ratio with this longer side, each at least 1 px.

    Example:
        >>> scaled_size(600, 800, longer_px=400)
        (300, 400)
    """
    scale = longer_px / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def scale_picture(picture: Image.Image, longer_px: int) -> Image.Image:
    """Return a picture with this longer side [px], resampled by Lanczos; itself where it has it already."""
    if max(picture.size) == longer_px:
        return picture
    return picture.resize(scaled_size(*picture.size, longer_px), Image.Resampling.LANCZOS)
