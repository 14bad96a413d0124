"""The user's mistake is one line and exit code 2; an interruption is 130; a defect of ours keeps its traceback."""

import errno
import os
import threading
import warnings

import numpy as np
import pytest
import torch

from nstkit.errors import (
    FULL,
    UNUSABLE,
    UserError,
    first_line,
    is_out_of_memory,
    nearest,
    printable,
    run_command,
    too_little_memory,
)


def _fail():
    raise UserError("--size 3: at least 32.")


def _interrupt():
    raise KeyboardInterrupt


def test_user_error_is_one_line_and_code_2(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["transfer", "--size", "3"])
    with pytest.raises(SystemExit) as ended:
        run_command(_fail)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.err == "error: --size 3: at least 32.\n"
    assert printed.out == ""


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setattr("sys.argv", ["transfer", "--debug"])
    with pytest.raises(UserError, match="at least 32"):
        run_command(_fail)


def test_interruption_is_code_130():
    with pytest.raises(SystemExit) as ended:
        run_command(_interrupt)
    assert ended.value.code == 130


def test_our_own_defect_is_not_taken_for_the_users_mistake():
    with pytest.raises(ZeroDivisionError):
        run_command(lambda: 1 / 0)


@pytest.mark.parametrize("number", UNUSABLE)
def test_place_that_cannot_be_used_is_one_line(number, capsys, monkeypatch):
    def fail():
        raise OSError(number, os.strerror(number), "some/where\x1b[2J")

    monkeypatch.setattr("sys.argv", ["transfer"])
    with pytest.raises(SystemExit) as ended:
        run_command(fail)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error == f"error: some/where\\x1b[2J: {os.strerror(number)}. Name another place, or mend this one.\n"
    monkeypatch.setattr("sys.argv", ["transfer", "--debug"])
    with pytest.raises(OSError, match="some/where"):
        run_command(fail)


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file", "ours"), PermissionError("no place named")])
def test_what_a_mistake_of_ours_can_cause_keeps_its_traceback(error):
    def fail():
        raise error

    with pytest.raises(type(error)):
        run_command(fail)


def test_a_command_that_succeeds_returns():
    done = []
    run_command(lambda: done.append(True))
    assert done == [True]


def test_a_warning_is_one_line(capsys):
    before = warnings.showwarning

    def warn():
        warnings.simplefilter("always")
        warnings.warn("not judged: too narrow", stacklevel=1)

    run_command(warn)
    assert capsys.readouterr().err == "warning: not judged: too narrow\n"
    assert warnings.showwarning is before


def test_warnings_of_pillow_are_not_shown(capsys):
    def warn():
        warnings.warn_explicit("Truncated File Read", UserWarning, "PIL/x.py", 1, module="PIL.TiffImagePlugin")
        warnings.warn_explicit("no value above 255", UserWarning, "x.py", 1, module="nstkit.pictures.srgb")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        run_command(warn)
    assert capsys.readouterr().err == "warning: no value above 255\n"


def test_nearest_names_the_closest_or_nothing():
    assert nearest("relu4_11", ["conv4_1", "relu4_1", "pool4"]) == " Did you mean 'relu4_1'?"
    assert nearest("zzz", ["conv4_1", "relu4_1"]) == ""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("shapes do not fit\n  more about them"), "shapes do not fit"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (AssertionError(), "AssertionError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_first_line_says_what_there_is_to_say(error, expected):
    assert first_line(error) == expected


@pytest.mark.parametrize("number", FULL)
def test_full_disk_is_one_line_whichever_thread_finds_out(number, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["transfer"])

    def write():
        raise OSError(number, "full")

    def main():
        thread = threading.Thread(target=write)  # as TensorBoard's writer, which hands its error on
        thread.start()
        thread.join()
        write()

    before = threading.excepthook
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {FULL[number]}. What was saved before is whole; make room and resume.\n"
    assert threading.excepthook is before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Müller 山田 é", "Müller 山田 é"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb\tc\x07", "a\\nb\\tc\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("\udc80", "\\udc80"),
        (7, "7"),
    ],
)
def test_text_of_a_file_is_safe_on_a_terminal(text, expected):
    assert printable(text) == expected


def test_error_and_warning_are_one_safe_line(capsys):
    def fail():
        warnings.simplefilter("always")
        warnings.warn("name \x1b[31m\nred", stacklevel=2)
        raise UserError("no \x1b]0;title\x07 file\r\nerror: other")

    with pytest.raises(SystemExit):
        run_command(fail)
    lines = "warning: name \\x1b[31m\\nred\nerror: no \\x1b]0;title\\x07 file\\r\\nerror: other\n"
    assert capsys.readouterr().err == lines


OUT_OF_MEMORY = [
    MemoryError(),
    np._core._exceptions._ArrayMemoryError((2, 2), np.dtype("uint8")),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("could not create a memory object"),
    RuntimeError("std::bad_alloc"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_too_little_memory_is_one_line_whoever_says_it(error, capsys, monkeypatch, user_error):
    def fail():
        raise error

    monkeypatch.setattr("sys.argv", ["transfer"])
    with pytest.raises(SystemExit) as ended:
        run_command(fail)
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: too little memory. What was finished before is saved.")
    assert printed.count("\n") == 1
    with user_error("it does not fit"), too_little_memory("it does not fit"):
        fail()
    monkeypatch.setattr("sys.argv", ["transfer", "--debug"])
    with pytest.raises(type(error)):
        run_command(fail)


@pytest.mark.parametrize(
    "error", [RuntimeError("sizes do not fit"), OSError(errno.ENOENT, "No such file"), ValueError()]
)
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)), too_little_memory("it does not fit"):
        raise error
