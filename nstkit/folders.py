"""Which folder a run gets, and that no other process writes into it."""

import contextlib
import itertools
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from nstkit.config import RunSettings
from nstkit.errors import UserError
from nstkit.files import writing
from nstkit.locks import Occupied, locked
from nstkit.names import distinct

LOCK = ".lock"


class Taken(UserError):
    """Another run has begun in a folder."""


def run_names(
    settings: RunSettings, command: str, labels: Sequence[str] = ("",), *, may_continue: bool = False
) -> list[str | None]:
    """Return the name of each run of a command, before any work: None where its folder is named by date and settings.

    Args:
        settings: hold `--run-name`.
        command: the folders' parent.
        labels: of the backbones; where there are several, each run's name ends in its own.
        may_continue: an earlier run of this command may have the name.

    Raises:
        Taken: where there is a run of that name, or something else.
    """
    if settings.run_name is None:
        return [None] * len(labels)
    names = [settings.run_name]
    if len(labels) > 1:
        names = distinct(f"{settings.run_name}-{label}" for label in labels)
    for folder in [settings.runs_dir / command / name for name in names]:
        if not (may_continue and is_run(folder)):
            check_free(folder)
    return [*names]


def is_run(folder: Path) -> bool:
    """Return whether a folder is that of a run."""
    return (folder / "config.json").is_file() and (folder / "metrics.jsonl").is_file()


def is_taken(folder: Path) -> bool:
    """Return whether a run has begun there. One that was killed before it wrote a whole file has not."""
    return folder.exists() and (not folder.is_dir() or any(not path.name.startswith(".") for path in folder.iterdir()))


def check_free(folder: Path) -> None:
    """Raise `Taken` where a run has begun in a folder, or something else lies there."""
    if is_taken(folder):
        raise Taken(f"--run-name {folder.name}: {folder} is there already. Choose another name.")


@contextlib.contextmanager
def held(folder: Path, *, is_new: bool = False) -> Iterator[Path]:
    """Keep other processes from writing into a folder. It is made if need be, and removed again if it stays empty.

    Args:
        folder: of a run.
        is_new: whether the run begins here.

    Raises:
        Taken: where another process holds it, or a new run would not be the first.
        UserError: where it cannot be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    with contextlib.ExitStack() as stack:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            stack.callback(_remove_empty, made)
            try:
                stack.enter_context(locked(folder / LOCK))
            except Occupied as owner:
                raise Taken(
                    f"{folder}: {owner} is writing into it. Wait for its end, or choose another --run-name."
                ) from owner
        if is_new:
            check_free(folder)
        yield folder


def _remove_empty(folders: Sequence[Path]) -> None:
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


@contextlib.contextmanager
def new_folder(parent: Path, name: str | None, slug: str) -> Iterator[Path]:
    """Hold the folder of a new run: `<name>`, or `<slug>-<date>-<time>` with a number where that is taken.

    Raises:
        Taken: where a run of that name is there already.
        UserError: where it cannot be written.
    """
    with contextlib.ExitStack() as stack:
        for candidate in _dated(slug) if name is None else [name]:
            try:
                folder = stack.enter_context(held(parent / candidate, is_new=True))
                break
            except Taken:
                if name is not None:
                    raise  # otherwise another command of this second was faster
        yield folder


def _dated(slug: str) -> Iterator[str]:
    name = f"{slugify(slug)}-{time.strftime('%y%m%d-%H%M%S')}"  # TensorBoard cuts names: first what tells runs apart
    yield name
    yield from (f"{name}~{number}" for number in itertools.count(2))


def slugify(text: str) -> str:
    """Return `text` fit for a folder name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:80] or "run"
