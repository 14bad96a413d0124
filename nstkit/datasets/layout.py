"""Which folders are the parts of a data set, and which are its classes.

The rule, in this order:

1. A folder is called after a part where one of the words of `PART_WORDS` is its name, in any case, alone or with a
   filler: `Train`, `val_images`, `Test-Set`, `train2017`.
2. The folders are parts where all of them are called so, or where one called after the training holds folders itself.
   A class may be called `train`: it holds pictures. Hidden folders and clutter do not count.
3. Else they are the classes.

What could be read in two ways is refused, and what is left aside is said in a warning.
"""

import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from nstkit.errors import UserError
from nstkit.pictures.kinds import is_clutter, is_picture_name

PartName = Literal["train", "val", "test"]
PART_WORDS: dict[PartName, tuple[str, ...]] = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "tst", "eval", "evaluation"),
}
_FILLER = "(?:(?:data)?sets?|data|split|images?|imgs?|pictures?|photos?)*"
NAMED = 3  # so many folders are named in a message
MAX_DEPTH = 4  # folders in folders that are looked into for the one that was meant


def find_parts(root: Path) -> dict[PartName, Path]:
    """Return the folder of each part that is there, in the order of `PART_WORDS`; empty where the folders are classes.

    Raises:
        UserError: for two folders of one part, no training pictures beside the others, a part without class folders,
            or names that leave open whether they are parts or classes.
    """
    folders = list_folders(root)
    called = {part: [name for name in folders if part_of(name) == part] for part in PART_WORDS}
    count = sum(map(len, called.values()))
    if not count or (count < len(folders) and not any(list_folders(root / name) for name in called["train"])):
        _check_classes(root, folders, [name for names in called.values() for name in names])
        return {}
    for part, names in called.items():
        if len(names) > 1:
            raise UserError(
                f"{root}: {_listed(names)} are all called after the part '{part}'. Keep one, rename the rest."
            )
    if not called["train"]:
        raise UserError(
            f"{root}: no training pictures, only {_listed(folders)}. Call the folder that holds them 'train', or give "
            f"a folder whose folders are the classes."
        )
    parts = {part: root / names[0] for part, names in called.items() if names}
    for part, path in parts.items():
        if part != "train" and len(list_folders(path)) < 2 <= len(list_folders(parts["train"])):
            raise UserError(
                f"{path}: fewer than two class folders, so nothing says which class its pictures are of. Sort them "
                f"into {path}/<class>/, or take {path.name} away: training pictures are then held out in its place."
            )
    unused = [
        name
        for name in folders
        if part_of(name) is None and any(is_picture_name(os.path.basename(path)) for path, _ in walk(root / name))
    ]
    if unused:
        used = ", ".join(path.name for path in parts.values())
        warnings.warn(f"{root}: {_listed(unused)} left aside, used are {used}.", stacklevel=2)
    return parts


def part_of(name: str) -> PartName | None:
    """Return the part that a folder is called after.

    Example:
        >>> [part_of(name) for name in ("TRAIN", "val_images", "testset", "train2017", "train_station")]
        ['train', 'val', 'test', 'train', None]
    """
    letters = re.sub(r"[\W\d_]+", "", name.lower())
    for part, words in PART_WORDS.items():
        if re.fullmatch(f"{_FILLER}(?:{'|'.join(words)}){_FILLER}", letters):
            return part
    return None


def list_folders(root: Path) -> list[str]:
    """Return the names of the folders in a folder, in alphabetical order, without what systems leave behind."""
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if not is_clutter(entry.name) and entry.is_dir())


def walk(folder: Path, inside: str = "", above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[tuple[str, bool]]:
    """Yield the path below a folder of everything in it that is no folder, and whether it is a file; no clutter.

    Links are followed, but not back to a folder that the walk is in. A million files are many: the disk is asked once a
    folder.
    """
    about = os.stat(folder)
    identity = (about.st_dev, about.st_ino)
    if identity in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_clutter(entry.name):
                continue
            if entry.is_dir():
                yield from walk(Path(entry.path), f"{inside}{entry.name}/", above | {identity})
            else:
                yield inside + entry.name, entry.is_file()


def meant_instead(root: Path) -> Path | None:
    """Return the folder below one that holds a single folder, in which there are several."""
    folder = root
    for _ in range(MAX_DEPTH):
        names = list_folders(folder)
        if len(names) != 1:
            return folder if names and folder != root else None
        folder = folder / names[0]
    return None


def check_not_nested(root: Path, members: dict[str, list[str]]) -> None:
    """Raise `UserError` where all folders hold the same folders: then these are the classes, or parts of the data.

    Args:
        root: the folder of what are taken for classes.
        members: by class, the pictures as paths below it. One folder in each, such as `images`, is no other class.
    """
    inside = {
        name: {path.partition("/")[0] if "/" in path else "" for path in paths} for name, paths in members.items()
    }
    first = next(iter(inside.values()))
    if "" in first or any(folders != first for folders in inside.values()):
        return
    if len(first) > 1 or any(part_of(name) for name in first):
        raise UserError(
            f"{root}: its folders ({_listed(inside)}) all hold the same folders ({_listed(sorted(first))}), so they "
            f"are no classes. Give one of them, or call the parts of one data set train, val and test."
        )


def _check_classes(root: Path, folders: list[str], parts: list[str]) -> None:
    """Refuse or warn where some folders have the name or the form of a part, though they are taken for classes."""
    words = {word: part for part, words in PART_WORDS.items() for word in words}
    alike = {name: words[word] for name in folders for word in re.split(r"[\W\d_]+", name.lower()) if word in words}
    if len(alike) > len(folders) / 2 and len(set(alike.values())) > 1:
        raise UserError(f"{root}: {_listed(alike)} look like parts of the data. Call them train, val and test.")
    for name in parts:
        if set(list_folders(root / name)) & set(folders):
            raise UserError(
                f"{root}: '{name}' holds the folders of the classes beside it. Put the classes into a folder 'train'."
            )
    if parts:
        warnings.warn(
            f"{root}: taken for a class: {_listed(parts)}. Where it is a part of the data, put the classes into a "
            f"folder 'train' beside it.",
            stacklevel=2,
        )


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
