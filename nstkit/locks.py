"""Locks between processes. The system lets go of one however its process ends, so that none is ever left behind.

On Windows, and on a file system without locks, which is said, nobody is kept out.
"""

import contextlib
import errno
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What a file system says that has none."""
OWNER_BYTES = 200


class Occupied(Exception):
    """Another process has the lock; the message says which."""


@contextlib.contextmanager
def locked(path: Path, *, waits: bool = False) -> Iterator[None]:
    """Hold a lock that no other process has; not to be held twice by one process.

    Args:
        path: of the lock's file, which says who holds it and is removed with the lock.
        waits: for another process to let go.

    Raises:
        Occupied: where another process holds it, unless `waits`.
        OSError: where the file cannot be written.
    """
    descriptor = None
    while descriptor is None:
        descriptor = _lock(path, waits)
    try:
        with contextlib.suppress(OSError):  # a full disk
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode()[:OWNER_BYTES], 0)
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _lock(path: Path, waits: bool) -> int | None:
    """Return the descriptor of a lock's file, locked; None where its holder has removed the file in the meantime."""
    with contextlib.ExitStack() as stack:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        stack.callback(os.close, descriptor)
        try:
            if sys.platform != "win32":
                # Not flock, whose locks pass on to worker processes, which may outlive a killed process.
                fcntl.lockf(descriptor, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                owner = os.read(descriptor, OWNER_BYTES).decode(errors="replace")
                raise Occupied(owner or "another process") from error
            if error.errno not in NO_LOCKS:
                raise
            warnings.warn(
                f"{path.parent}: this file system has no locks. Let no other command write there.", stacklevel=3
            )
        if os.fstat(descriptor).st_nlink == 0:
            return None
        stack.pop_all()
        return descriptor
