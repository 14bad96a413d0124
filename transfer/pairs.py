"""Which pictures are painted in which style. No torch here: a wrong file name is answered at once."""

import itertools
import math
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from nstkit.annotations import path_of
from nstkit.errors import UserError
from nstkit.exif import read_kept
from nstkit.files import check_writable
from nstkit.names import distinct, fit_name
from nstkit.pictures.kinds import SAVED, list_pictures
from nstkit.pictures.read import read_picture
from nstkit.pictures.rim import find_rim
from nstkit.pictures.sizes import scale_picture, scaled_size
from nstkit.sample import sample_content, sample_style
from transfer.config import PictureSettings, scaled_side, split_blend
from transfer.painting.least_memory import Size
from transfer.painting.settings import START_PICTURES, Mode, mode_of, split_weights

if TYPE_CHECKING:
    import torch

    from transfer.painting.masks import Masks
    from transfer.painting.scene import Scene


SAMPLE_STYLE_PX = 512


@dataclass(frozen=True)
class Pair:
    """One content picture, one style picture, and the name of what is painted from them.

    A texture has no content, a picture painted from content alone has no style: None and an empty name. No picture is
    larger than it is needed: a batch may have hundreds, of 24 million pixels each.

    Attributes:
        content_name: file name without suffix.
        style_name: likewise; those of a blend joined by `+`.
        content: what is painted.
        style: in whose style; of a blend the one with the largest share.
        start: the first canvas, where it is a file.
        own_name: in place of the two names.
        rows: height of every picture [px], whatever longer side is asked for.
        further: the other styles of a blend.
        shares: of all styles in the blend.
        style_scale: size of the styles beside that of the result.
        masks: the regions of content and styles, None where there are none.
        exif: of the content, what goes on into the result.
    """

    content_name: str
    style_name: str
    content: Image.Image | None
    style: Image.Image | None
    start: Image.Image | None = None
    own_name: str | None = None
    rows: int | None = None
    further: tuple[Image.Image, ...] = ()
    shares: tuple[float, ...] = (1.0,)
    style_scale: float = 1.0
    masks: "Masks | None" = None
    exif: Mapping[int, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`content-style`, for files and tags, unless it has a name of its own."""
        return self.own_name or "-".join(name for name in (self.content_name, self.style_name) if name)

    @property
    def mode(self) -> Mode:
        """Which of the pictures there are."""
        return mode_of(self.content, self.style)

    @property
    def styles(self) -> list[Image.Image]:
        """All styles, none where the content alone is painted."""
        return [] if self.style is None else [self.style, *self.further]

    def sizes(self, size_px: int) -> tuple[Size | None, list[Size]]:
        """Return (height, width) of the content, None where there is none, and of each style, at a longer side [px]."""
        content = None
        if self.content is not None:
            content = scaled_size(self.content.height, self.content.width, self.longer_px(self.content, size_px))
        return content, [scaled_size(style.height, style.width, self.style_px(style, size_px)) for style in self.styles]

    def longer_px(self, picture: Image.Image, size_px: int) -> int:
        """Return the longer side at which a picture is painted where `size_px` is asked for [px]."""
        return size_px if self.rows is None else longer_side(picture, self.rows)

    def style_px(self, style: Image.Image, size_px: int) -> int:
        """Return the longer side at which a style is looked at where `size_px` is asked for [px]."""
        return scaled_side(self.longer_px(style, size_px), self.style_scale)

    def scene(self, size_px: int, device: "torch.device") -> "Scene":
        """Return the pictures at a longer side [px], on a device; the first canvas at its own size."""
        from nstkit.pictures.tensors import to_tensor
        from transfer.painting.regions import build_regions
        from transfer.painting.scene import Scene

        content = None if self.content is None else to_tensor(self.content, self.longer_px(self.content, size_px))
        styles = [to_tensor(style, self.style_px(style, size_px)) for style in self.styles]
        start = None if self.start is None else to_tensor(self.start)
        return Scene(
            content,
            styles[0] if styles else None,
            start,
            further=tuple(styles[1:]),
            shares=self.shares,
            regions=build_regions(self.masks, *self.sizes(size_px)),
        ).to(device)


def largest_sizes(pairs: Sequence[Pair], size_px: int) -> tuple[Size | None, list[Size]]:
    """Return (height, width) of content and styles of the largest of some pairs, see `Pair.sizes`."""
    sizes = [pair.sizes(size_px) for pair in pairs]
    return max(sizes, key=lambda pair: sum(math.prod(size) for size in (pair[0], *pair[1]) if size is not None))


def read_pairs(pictures: PictureSettings, init: str, lost: dict[str, str] | None = None) -> list[Pair]:
    """Return every content with every style; all pictures are read first, so that a bad one costs no painting.

    They are kept at the size at which they are painted, or their own where that is smaller.

    Args:
        pictures: which.
        init: the first canvas, resolved: one of `START_PICTURES` or a picture file.
        lost: takes the names of the pairs of which a picture does not open, and why. None = the first such picture is
            an error, as it is where no pair is left.

    Raises:
        UserError: for a picture, `--init` among them, that is missing or not readable.
    """
    size_px, rows = pictures.size, pictures.rows
    start = read_start(init, rows or size_px)
    contents: dict[str, Image.Image | UserError | None] = {"": None}
    styles: dict[str, list[Image.Image | UserError]] = {"": []}
    shares: tuple[float, ...] = (1.0,)
    if pictures.mode != "texture":
        contents = {**_try_by_name(pictures.content, size_px, rows)} or {"sample-photo": sample_content()}
    if pictures.mode != "content":
        styles, shares = read_styles(pictures)
    names = iter(  # a with b-c and a-b with c would be one file
        distinct("-".join(filter(None, both)) for both in itertools.product(contents, styles))
    )
    faults = [each for each in (*contents.values(), *itertools.chain(*styles.values())) if isinstance(each, UserError)]
    if faults and lost is None:
        raise faults[0]
    masks = read_masks(pictures)
    photographs = list_pictures(pictures.content) if pictures.keep_exif else []
    pairs = []
    for number, (content_name, content) in enumerate(contents.items()):
        for other, (style_name, blended) in enumerate(styles.items()):
            name = next(names)
            broken = [str(picture) for picture in (content, *blended) if isinstance(picture, UserError)]
            if broken and lost is not None:
                lost[name] = broken[0]
                continue
            opened = [picture for picture in blended if isinstance(picture, Image.Image)]
            pairs.append(
                Pair(
                    content_name,
                    style_name,
                    content if isinstance(content, Image.Image) else None,
                    opened[0] if opened else None,
                    start,
                    own_name=name,
                    rows=rows,
                    further=tuple(opened[1:]),
                    shares=shares,
                    style_scale=scale_of_style(pictures),
                    masks=masks(number, other),
                    exif=read_kept(photographs[number]) if photographs else {},
                )
            )
    if not pairs:
        raise faults[0]
    return pairs


def scale_of_style(pictures: PictureSettings) -> float:
    """Return the size of the styles beside that of the result; a texture has the size of its style."""
    return pictures.style_scale if pictures.mode == "transfer" else 1.0


def read_styles(
    pictures: PictureSettings,
) -> tuple[dict[str, list[Image.Image | UserError]], tuple[float, ...]]:
    """Return the styles by name, of a blend several that have one name together, and their shares in it.

    In the place of a picture that does not open stands what is wrong with it.
    """
    scale = scale_of_style(pictures)
    size_px, rows = scaled_side(pictures.size, scale), pictures.rows and scaled_side(pictures.rows, scale)
    shares = split_blend(pictures.blend)
    files = [path_of(name) for name in shares] or list_pictures(pictures.style)
    names = distinct(path.stem for path in files)
    read = [
        style if isinstance(style, UserError) else without_rim(style, name, pictures.crop_rim)
        for name, style in zip(names, (_try_to_read(path, size_px, rows) for path in files), strict=True)
    ]
    if shares:
        return {"+".join(names): read}, tuple(shares.values())
    styles = {name: [style] for name, style in zip(names, read, strict=True)}
    return styles or {"sample-style": [sample_style(SAMPLE_STYLE_PX)]}, (1.0,)


def read_masks(pictures: PictureSettings) -> Callable[[int, int], "Masks | None"]:
    """Return what gives the regions of a pair by the numbers of its content and of its style.

    Raises:
        UserError: for a mask that is no picture, has too many colours or none that its partner has, or where there are
            more or fewer masks than pictures.
    """
    for_content = pictures.content_mask if pictures.mode == "transfer" else ()
    for_style = pictures.style_mask if pictures.mode != "content" else ()
    if not for_content and not for_style:
        return lambda content, style: None
    from transfer.mask_files import masks_of_files
    from transfer.painting.masks import pair_masks

    blended = [path_of(name) for name in split_blend(pictures.blend)]
    contents = masks_of_files(for_content, list_pictures(pictures.content), "--content-mask")
    styles = masks_of_files(for_style, blended or list_pictures(pictures.style), "--style-mask")
    weights = split_weights(pictures.region_weights, "--region-weights") if for_content else {}
    return lambda content, style: pair_masks(
        contents[content] if contents else None, styles if blended or not styles else [styles[style]], weights
    )


def read_start(init: str, size_px: int) -> Image.Image | None:
    """Return the picture in the file that `--init` names, None where it is one of the words.

    Args:
        init: one of `START_PICTURES` or a picture file.
        size_px: longer side of the canvas [px]. The picture is kept at twice that at most, since it is stretched to
            the canvas, whatever its ratio is.

    Raises:
        UserError: for a text that is neither, or a file that is no picture.
    """
    if init in START_PICTURES:
        return None
    path = path_of(init)
    if not os.path.exists(path):  # unlike Path.exists no error below a folder that may not be entered
        raise UserError(f"--init {init}: no such picture. Allowed: {', '.join(START_PICTURES)}, or a picture file.")
    return read_picture(path, 2 * size_px)


def read_by_name(paths: Iterable[Path], size_px: int, rows: int | None = None) -> dict[str, Image.Image]:
    """Return the pictures by file name without suffix; of two that share it, the second gets a number.

    Args:
        paths: files, or folders of them.
        size_px: longer side that larger ones are scaled down to [px].
        rows: height that they are scaled down to in its place [px].
    """
    found = _try_by_name(paths, size_px, rows)
    for picture in found.values():
        if isinstance(picture, UserError):
            raise picture
    return {name: picture for name, picture in found.items() if isinstance(picture, Image.Image)}


def _try_by_name(paths: Iterable[Path], size_px: int, rows: int | None) -> dict[str, Image.Image | UserError]:
    files = list_pictures(paths)
    names = distinct(path.stem for path in files)
    return {name: _try_to_read(path, size_px, rows) for name, path in zip(names, files, strict=True)}


def _try_to_read(path: Path, size_px: int, rows: int | None) -> Image.Image | UserError:
    """Return a picture, or what is wrong with one that is there; a name of none is a mistake at once."""
    try:
        return _read(path, size_px, rows)
    except UserError as error:
        if not os.path.lexists(path):
            raise
        return error


def _read(path: Path, size_px: int, rows: int | None) -> Image.Image:
    if rows is None:
        return read_picture(path, size_px)
    picture = read_picture(path)
    return picture if picture.height <= rows else scale_picture(picture, longer_side(picture, rows))


def longer_side(picture: Image.Image, rows: int) -> int:
    """Return the longer side of a picture that is scaled to a height of `rows` [px]."""
    return max(rows, round(picture.width * rows / picture.height))


def without_rim(picture: Image.Image, name: str, is_cropped: bool) -> Image.Image:
    """Return a style picture with the rim of a scan cut off, or as it is; say in one line what rim there is."""
    rim = find_rim(picture)
    if not rim:
        return picture
    if is_cropped:
        print(f"style:   {name}: a rim of {rim} is cut off")
        return rim.crop(picture)
    warnings.warn(
        f"style {name} has a rim, {rim} of {picture.width} x {picture.height} px, which colours the edges of what is "
        f"painted. --crop-rim cuts it off.",
        stacklevel=2,
    )
    return picture


def check_outputs(out: Path | None, labels: Sequence[str], pairs: Sequence[Pair], inputs: Iterable[Path]) -> None:
    """Raise `UserError` before any work where `--out` cannot take the results.

    Args:
        out: a picture file or a folder; None = the run's own folder, which takes all.
        labels: of the networks.
        pairs: what each of them paints.
        inputs: files that must not be written over, and folders of such.
    """
    if out is None:
        return
    count = len(labels) * len(pairs)
    if not _is_picture(out) and out.suffix and not out.is_dir():
        raise UserError(f"--out {out}: unknown picture format. Allowed: {', '.join(SAVED)}, or a folder.")
    if _is_picture(out) and count > 1:
        raise UserError(f"--out {out}: {count} results do not fit one file. Give a folder.")
    outputs = [output_path(out, label, pair) for label in labels for pair in pairs]
    if twice := [path for path, times in Counter(outputs).items() if times > 1]:
        raise UserError(f"--out {out}: two results would be {twice[0].name}. Rename a picture or a network's file.")
    read = {os.path.realpath(path) for path in inputs}
    places = ((path, os.path.realpath(path)) for path in outputs if os.path.exists(path))
    if over := [path for path, place in places if place in read or os.path.dirname(place) in read]:
        raise UserError(f"--out {out}: {over[0]} is a file that is read. Give another place.")
    check_writable(out.parent if _is_picture(out) else out)


def output_path(out: Path, label: str, pair: Pair) -> Path:
    """Return where `--out` wants this result: the file itself, or a name in the folder."""
    return out if _is_picture(out) else out / f"{fit_name(f'{pair.name}-{label}')}.png"


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SAVED
