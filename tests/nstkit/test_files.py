"""A file is whole under its final name, or the old one stands there untouched."""

import csv
import errno
import os

import pytest

from nstkit.files import check_writable, write_atomically, write_csv


def test_writes_and_makes_the_folder(tmp_path):
    path = tmp_path / "new" / "deep" / "file.bin"
    write_atomically(path, lambda file: file.write(b"abc"))
    assert path.read_bytes() == b"abc"
    assert os.listdir(path.parent) == ["file.bin"]


@pytest.mark.parametrize("error", [ValueError("half way"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_failure_keeps_the_old_file_and_leaves_no_part(tmp_path, error):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")

    def write(file):
        file.write(b"ne")
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, write)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.bin"]


def test_final_name_appears_only_once_the_bytes_are_on_the_disk(tmp_path, monkeypatch):
    path = tmp_path / "file.bin"
    synced = []

    def fsync(descriptor):
        synced.append((os.fstat(descriptor).st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomically(path, lambda file: file.write(b"abc"))
    assert synced == [(3, False)]


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "file", lambda file: file.write(b""))
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_path_that_is_no_utf8_does_not_lose_the_table(tmp_path):
    write_csv(tmp_path / "a.csv", [{"picture": os.fsdecode(b"caf\xe9.png"), "value": 1}])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines() == ["picture,value", "caf\\udce9.png,1"]


def test_check_writable_makes_the_folder_and_leaves_nothing_in_it(tmp_path):
    check_writable(tmp_path / "new" / "deep")
    assert os.listdir(tmp_path / "new" / "deep") == []


def test_check_writable_refuses_a_file_in_the_way(tmp_path, user_error):
    (tmp_path / "file").write_bytes(b"")
    with user_error(tmp_path / "file" / "folder", "cannot be written", "Not a directory"):
        check_writable(tmp_path / "file" / "folder")


def test_check_writable_refuses_a_read_only_folder(tmp_path, user_error, monkeypatch):
    def deny(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("nstkit.files.tempfile.TemporaryFile", deny)  # root may write everywhere
    with user_error(tmp_path, "Permission denied"):
        check_writable(tmp_path)


def test_table_has_every_column_of_any_row(tmp_path):
    write_csv(tmp_path / "deep" / "t.csv", [{"a": 1, "b": "x, y"}, {"a": 2, "c": None}])
    with open(tmp_path / "deep" / "t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{"a": "1", "b": "x, y", "c": ""}, {"a": "2", "b": "", "c": ""}]
