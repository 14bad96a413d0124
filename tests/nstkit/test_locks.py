"""A lock keeps another process out, says who has it, and is never left behind."""

import errno
import os
import signal

import pytest

from nstkit import locks
from nstkit.locks import Occupied, locked


@pytest.fixture
def other(tmp_path, hold):
    """Another process, which holds the lock."""
    with hold(tmp_path / "lock") as process:
        yield process


def test_second_process_is_refused_and_told_who_has_it(other, tmp_path):
    for _ in range(2):  # being refused does not wipe out the name of who holds it
        with pytest.raises(Occupied, match=f"^process {other.pid} on "), locked(tmp_path / "lock"):
            pytest.fail("two processes held one lock")
    other.stdin.close()
    other.wait()
    with locked(tmp_path / "lock"):
        pass
    assert not (tmp_path / "lock").exists()


def test_killed_process_leaves_no_lock(other, tmp_path):
    other.send_signal(signal.SIGKILL)
    other.wait()
    with locked(tmp_path / "lock"):
        assert f"process {os.getpid()} on " in (tmp_path / "lock").read_text()


def test_lock_on_a_file_that_its_holder_removes_is_none(tmp_path, monkeypatch):
    lock = locks.fcntl.lockf

    def remove_first(descriptor, flags):
        lock(descriptor, flags)
        monkeypatch.undo()
        (tmp_path / "lock").unlink()

    monkeypatch.setattr(locks.fcntl, "lockf", remove_first)
    with locked(tmp_path / "lock"):
        assert f"process {os.getpid()} on " in (tmp_path / "lock").read_text()


def test_second_process_waits_where_it_shall(other, tmp_path):
    signal.signal(signal.SIGALRM, lambda *_: other.stdin.close())
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    with locked(tmp_path / "lock", waits=True):
        assert other.stdin.closed


def test_worker_process_does_not_go_on_holding_it(tmp_path):
    with locked(tmp_path / "lock"):
        ours, theirs = os.pipe()
        if (worker := os.fork()) == 0:
            os.close(theirs)
            os.read(ours, 1)
            os._exit(0)
    with locked(tmp_path / "lock"):
        os.close(theirs)
    assert os.waitpid(worker, 0)[1] == 0


@pytest.mark.parametrize("number", locks.NO_LOCKS)
def test_file_system_without_locks_is_said(number, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks.fcntl, "lockf", refuse)
    with pytest.warns(UserWarning, match="this file system has no locks"), locked(tmp_path / "lock"):
        pass


def test_other_errors_are_not_hidden(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(locks.fcntl, "lockf", refuse)
    with pytest.raises(OSError, match="broken"), locked(tmp_path / "lock"):
        pass
