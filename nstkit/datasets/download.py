"""A whole archive or one clear line: downloads that go on where they were cut off, and are checked.

torchvision's own download writes under the final name, begins anew after a cut, and takes a half-extracted folder for
whole. Here the archive is fetched first; torchvision's code then finds it whole and only extracts.
"""

import contextlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from torchvision.datasets.utils import USER_AGENT, calculate_md5
from tqdm import tqdm

from nstkit.errors import UserError
from nstkit.files import writing
from nstkit.locks import locked

TIMEOUT_S = 30
CHUNK_BYTES = 2**18


def fetch_archive(url: str, path: Path, md5: str) -> None:
    """Download a file unless it lies there whole.

    Data are kept in `<path>.part` until the checksum is right, and a cut download goes on there: at once as long as
    each attempt brings something, else at the next call. A wrong file under the final name is taken for such a part. A
    wrong checksum of all of it throws the part away and downloads once more from the start.

    Args:
        url: where to get it.
        path: where to put it.
        md5: its checksum, in hexadecimal.

    Raises:
        UserError: when it cannot be downloaded, or its checksum is wrong twice.
    """
    if path.is_file() and calculate_md5(path) == md5:
        return
    part = path.with_name(f"{path.name}.part")
    if path.is_file():
        path.replace(part)
    for _ in range(2):
        if failure := _download(url, part):
            here = f"; {part.stat().st_size:,} bytes are kept in {part}" if part.is_file() else ""
            raise UserError(
                f"{path.name} could not be downloaded from {url} ({failure}){here}. Start again to go on, or put the "
                f"whole file (MD5 {md5}) into {path.parent}."
            )
        found = calculate_md5(part)
        if found == md5:
            part.replace(path)
            return
        part.unlink()
    raise UserError(
        f"{path.name} from {url} is corrupted: its MD5 is {found} instead of {md5}, twice. Put the right file into "
        f"{path.parent}, or see what changes it on its way here."
    )


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process downloads or extracts into the folder, which is made if need be."""
    with contextlib.ExitStack() as stack:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder / ".lock", waits=True))
        yield


def _download(url: str, part: Path) -> str | None:
    """Fill up `part`; return why it could not be, or None when the server has sent all."""
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            is_whole, reason = _append(url, part, before), "the connection was cut"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # nothing lies behind our end: the file is whole, or longer than the server's
                return None
            is_whole, reason = False, f"HTTP {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            is_whole, reason = False, str(getattr(error, "reason", error)) or type(error).__name__
        if is_whole:
            return None
        if not part.is_file() or part.stat().st_size <= before:
            return reason


def _append(url: str, part: Path, start: int) -> bool:
    headers = {"User-Agent": USER_AGENT} | ({"Range": f"bytes={start}-"} if start else {})
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S) as response:
        is_continued = response.status == 206
        length = response.headers.get("Content-Length")  # of what is still to come
        total = None if length is None else int(length) + start * is_continued
        with (
            open(part, "ab" if is_continued else "wb") as file,
            tqdm(
                total=total, initial=start * is_continued, desc=part.stem, unit="B", unit_scale=True, disable=None
            ) as progress,
        ):
            # A cut connection ends this loop like a whole one: http.client raises only when all is read at once.
            while chunk := response.read(CHUNK_BYTES):
                progress.update(file.write(chunk))
            return total is None or file.tell() == total
