"""A screen of any encoding, closed, full or gone: no traceback, and no work is lost for it."""

import errno
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios

import pytest

from nstkit.errors import FULL

PATIENCE_S = 60  # a subprocess that hangs

COMMAND = r"""
import sys
from nstkit.errors import UserError, run_command

def main():
    if "--help" in sys.argv:
        print("h\u00e9lp \u2191 " * 4000)
        sys.exit(0)
    print("\u2191 \u6f22", "caf\udce9", sys.stdout.isatty())
    print("\u2191", file=sys.stderr)
    if "--wrong" in sys.argv:
        raise UserError("--style \u6f22: no such picture.")
    open("file", "w").close()

run_command(main)
"""


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize(("word", "code"), [("--fine", 0), ("--wrong", 2), ("--help", 0)])
def test_terminal_of_any_encoding_gets_every_text(word, code, encoding, tmp_path):
    words, environment = [sys.executable, "-c", COMMAND, word], {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    if word == "--wrong":
        assert "error: --style 漢: no such picture.".encode(encoding, "backslashreplace") in done.stderr


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        ("--fine >&-", 0, "\u2191"),
        ("--help >&-", 0, ""),
        ("--fine 2>&-", 0, ""),
        ("--wrong >&- 2>&-", 2, ""),
        ("--fine <&- >&- 2>&-", 0, ""),
        ("--help | true", 0, ""),
        ("--help | head -c 9", 0, ""),
        ("--wrong | true", 2, "\u2191\nerror: --style \u6f22: no such picture."),
        ("--help >/dev/full", 2, f"error: {FULL[errno.ENOSPC]}. What was saved before is whole; make room and resume."),
    ],
)
def test_streams_that_are_closed_or_full_end_in_no_traceback(line, code, error, tmp_path):
    words = ["bash", "-c", f'"$0" -c "$1" {line}; exit ${{PIPESTATUS[0]}}', sys.executable, COMMAND]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": ""}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == code
    assert done.stderr.decode().strip() == error
    assert all(not path.read_bytes() for path in tmp_path.iterdir())  # no stream was taken for the file


def test_terminal_that_was_closed_does_not_fail_the_save(tmp_path):
    work = "import os, sys, time; from nstkit.errors import run_command; from nstkit.interruption import Interruption\n"
    work += "def main():\n with Interruption() as asked:\n  print('ready', flush=True)\n"
    work += "  while not asked.is_asked: time.sleep(0.01)\n"
    work += "  print('saving', flush=True); open('saved', 'w').close(); raise KeyboardInterrupt\n"
    work += "run_command(main)"
    ours, theirs = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    words = [sys.executable, "-c", work]
    with subprocess.Popen(
        words, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=take_terminal
    ) as process:
        os.close(theirs)
        assert os.read(ours, 5) == b"ready"
        os.close(ours)
        assert process.wait(timeout=PATIENCE_S) == 130
    assert (tmp_path / "saved").exists()
