"""Which pictures are painted in which style."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from nstkit.errors import UserError
from nstkit.files import check_writable
from nstkit.pictures import SUFFIXES, list_pictures, read_picture
from transfer.canvas import check_start
from transfer.config import TransferConfig
from transfer.sample import sample_content, sample_style

SAMPLE_STYLE_PX = 512


@dataclass(frozen=True)
class Pair:
    """One content picture, one style picture, and the name of what is painted from them.

    A texture has no content, a picture painted from content alone has no style: None and an empty name.
    """

    content_name: str
    style_name: str
    content: Image.Image | None
    style: Image.Image | None

    @property
    def name(self) -> str:
        """`content-style`, for files and tags."""
        return "-".join(name for name in (self.content_name, self.style_name) if name)


def read_pairs(config: TransferConfig) -> list[Pair]:
    """Return every content with every style; all pictures are read first, so that a bad one costs no painting.

    Raises:
        UserError: for a picture, `--init` among them, that is missing or not readable.
    """
    check_start(config.init)
    contents: dict[str, Image.Image | None] = {"": None}
    styles: dict[str, Image.Image | None] = {"": None}
    if config.mode != "texture":
        contents = {**_read_by_name(config.content)} or {"sample-photo": sample_content()}
    if config.mode != "content":
        styles = {**_read_by_name(config.style)} or {"sample-style": sample_style(SAMPLE_STYLE_PX)}
    return [
        Pair(content_name, style_name, content, style)
        for content_name, content in contents.items()
        for style_name, style in styles.items()
    ]


def _read_by_name(paths: Iterable[Path]) -> dict[str, Image.Image]:
    """Return the pictures by file name without suffix; of two that share it, the second gets a number."""
    pictures: dict[str, Image.Image] = {}
    for path in list_pictures(paths):
        name, number = path.stem, 2
        while name in pictures:
            name, number = f"{path.stem}~{number}", number + 1
        pictures[name] = read_picture(path)
    return pictures


def check_outputs(config: TransferConfig, count: int) -> None:
    """Raise `UserError` before any work where `--out` cannot take `count` results."""
    if config.out is None:
        return
    if not _is_picture(config.out) and config.out.suffix and not config.out.is_dir():
        raise UserError(f"--out {config.out}: unknown picture format. Allowed: {', '.join(SUFFIXES)}, or a folder.")
    if _is_picture(config.out) and count > 1:
        raise UserError(f"--out {config.out}: {count} results do not fit one file. Give a folder.")
    folder = config.out.parent if _is_picture(config.out) else config.out
    check_writable(folder)


def output_path(out: Path, label: str, pair: Pair) -> Path:
    """Return where `--out` wants this result: the file itself, or a name in the folder."""
    return out if _is_picture(out) else out / f"{pair.name}-{label}.png"


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES
