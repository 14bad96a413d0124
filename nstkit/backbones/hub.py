"""Downloads that fail at once where there is no network: what lies on this machine is then used, and nothing else."""

import contextlib
import socket
from collections.abc import Iterator

LOOK_S, STALL_S = 3.0, 10.0


@contextlib.contextmanager
def answers_at_once() -> Iterator[None]:
    """Ask once, for `LOOK_S`, whether Hugging Face can be reached; where not, its library reads its cache alone.

    Of itself it would try again for 23 to 60 s. A connection of others that says nothing for `STALL_S` is an error.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_S)
    try:
        with _cache_alone() if is_hub_away() else contextlib.nullcontext():
            yield
    finally:
        socket.setdefaulttimeout(before)


def is_hub_away() -> bool:
    """Return whether Hugging Face, or the mirror in its place, cannot be reached; any answer of it will do."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    if constants.HF_HUB_OFFLINE:
        return True
    try:
        get_session().head(constants.ENDPOINT, timeout=LOOK_S)
    except Exception:  # of whichever client this version of the library uses
        return True
    return False


@contextlib.contextmanager
def _cache_alone() -> Iterator[None]:
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
