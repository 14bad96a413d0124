"""Which files, or colours, are the masks of which pictures."""

import contextlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from nstkit.errors import UserError
from nstkit.pictures.kinds import list_pictures
from nstkit.pictures.read import read_picture
from nstkit.settings import as_word
from transfer.painting.masks import parse_colour


def masks_of_files(words: Sequence[Path], pictures: Sequence[Path], flag: str) -> list[Image.Image]:
    """Return a mask for each picture, none where no words are given.

    Args:
        words: files, folders of them, or colours such as `red`, which stand for a mask of this colour alone.
        pictures: files, in the order of their masks. Empty = samples, one.
        flag: that the masks were given with, for messages.

    Raises:
        UserError: for a file that is no picture, or where there are more or fewer masks than pictures.
    """
    masks: list[tuple[Path, Image.Image]] = []
    for word in words:
        colour = parse_colour(str(word))
        if os.path.exists(word):
            masks += [(path, read_picture(path)) for path in list_pictures([word])]
        elif colour is not None:
            masks.append((word, Image.new("RGB", (1, 1), colour)))
        else:
            raise UserError(f"{flag} {as_word(word)}: no such picture. Give a picture file, or a colour such as red.")
    count = max(1, len(pictures))
    if masks and len(masks) != count:
        raise UserError(f"{flag} {as_word(tuple(words))}: {len(masks)} masks for {count} pictures. Give one for each.")
    for (word, mask), picture in zip(masks, pictures, strict=False):
        with contextlib.suppress(UserError):  # a picture that does not open has no size, and costs no other its mask
            say_other_size(mask.size, read_picture(picture).size, f"{flag} {as_word(word)}")
    return [mask for _, mask in masks]


def say_other_size(mask: tuple[int, int], picture: tuple[int, int], name: str) -> None:
    """Warn where a mask has another shape than its picture; only its size may differ, and one of a pixel goes with any.

    Args:
        mask: its size [px].
        picture: likewise.
        name: of the mask.
    """
    is_alike = abs(mask[0] * picture[1] - mask[1] * picture[0]) <= max(*mask, *picture)  # in shape, but for rounding
    if mask != (1, 1) and not is_alike:
        sizes = f"{mask[0]} x {mask[1]} px, its picture {picture[0]} x {picture[1]}"
        warnings.warn(f"{name}: {sizes}. It is stretched to that shape", stacklevel=3)
