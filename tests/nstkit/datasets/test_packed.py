"""Pictures are packed once, and anew when they change; files that are none are left out, many of them are refused."""

import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from nstkit.datasets import files, packed
from nstkit.datasets.folder import load_folder
from nstkit.errors import UserError


def test_packed_copy_is_read_instead_of_the_pictures(tmp_path, reads, fill, read_folder):
    fill(tmp_path)
    first, _ = read_folder(tmp_path, 8)
    assert len(reads) == 30
    again, classes = read_folder(tmp_path, 8)
    assert len(reads) == 30
    assert torch.equal(again.images, first.images)
    assert torch.equal(again.labels, first.labels)
    assert classes == ("blue", "green", "red")
    read_folder(tmp_path, 16)  # another size is another copy
    assert len(reads) == 60


def _change(root):
    Image.new("RGB", (12, 8), (9, 9, 9)).save(root / "red" / "000.bmp")


def _touch(root):
    os.utime(root / "red" / "000.bmp", ns=(1, 1))


def _add(root):
    shutil.copy(root / "red" / "000.bmp", root / "red" / "zzz.bmp")


def _remove(root):
    (root / "red" / "000.bmp").unlink()


def _rename(root):
    (root / "red" / "000.bmp").rename(root / "blue" / "zzz.bmp")


@pytest.mark.parametrize("change", [_change, _touch, _add, _remove, _rename])
def test_packed_copy_is_made_anew_when_a_file_changes(tmp_path, reads, change, fill, read_folder):
    root = fill(tmp_path / "data")
    read_folder(root, 8)
    change(root)
    reads.clear()
    changed, _ = read_folder(root, 8)
    assert len(reads) == len(changed) == len(list(root.glob("*/*.bmp")))
    shutil.copytree(root, tmp_path / "fresh", ignore=shutil.ignore_patterns(".nstkit*"))
    assert torch.equal(changed.images, read_folder(tmp_path / "fresh", 8)[0].images)


def _misshape(path):
    with np.load(path) as arrays:
        changed = {**arrays, "images": arrays["images"][:, :4]}
    with open(path, "wb") as file:
        np.savez(file, **changed)


@pytest.mark.parametrize("damage", [b"", b"text", b"PK\x03\x04 no zip", "truncated", "misshapen"])
def test_damaged_packed_copy_is_made_anew(tmp_path, reads, damage, fill, read_folder):
    first, _ = read_folder(fill(tmp_path), 8)
    path = tmp_path / ".nstkit-8px.npz"
    if damage == "misshapen":
        _misshape(path)
    else:
        path.write_bytes(path.read_bytes()[:-100] if damage == "truncated" else damage)
    reads.clear()
    again, _ = read_folder(tmp_path, 8)
    assert len(reads) == 30
    assert torch.equal(again.images, first.images)
    reads.clear()
    read_folder(tmp_path, 8)
    assert reads == []


def test_read_only_folder_is_read_without_a_packed_copy(tmp_path, reads, monkeypatch, fill, read_folder):
    def deny(path, write):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(packed, "write_atomically", deny)  # root may write everywhere
    fill(tmp_path)
    for _ in range(2):
        assert len(read_folder(tmp_path, 8)[0]) == 30
    assert len(reads) == 60
    assert not list(tmp_path.glob(".nstkit*"))


BROKEN = {"empty.png": b"", "text.jpg": b"no picture", "half.bmp": "half", "gif.gif": b"GIF89a"}


@pytest.mark.parametrize("stream", ["off", "on"])
def test_unreadable_pictures_are_left_out_with_one_warning(tmp_path, reads, stream, fill):
    expected = load_folder(fill(tmp_path / "good", count=20), 8, "off")
    root = fill(tmp_path / "bad", count=20)
    for name, content in BROKEN.items():
        whole = (root / "red" / "000.bmp").read_bytes()
        (root / "red" / name).write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    for _ in range(2):  # the second time from what was kept
        with pytest.warns(
            UserWarning, match=f"^{root}: 4 of 64 files are not readable.*red/empty.png.*\\.\\.\\."
        ) as caught:
            data = load_folder(root, 8, stream)
        assert len(caught) == 1
        assert "\n" not in str(caught[0].message)
        assert data.split == expected.split
        for part, same in ((data.train, expected.train), (data.val, expected.val), (data.test, expected.test)):
            images, _ = next(part.read(torch.arange(len(part)), len(part)))
            assert torch.equal(images, same.images)
    assert sum(path.name in BROKEN for path in reads) == len(BROKEN)


@pytest.mark.parametrize("stream", ["off", "on"])
def test_class_that_loses_all_pictures_is_refused(tmp_path, user_error, stream, fill):
    fill(tmp_path, count=20)
    fill(tmp_path, classes=["blue"], count=20)
    shutil.rmtree(tmp_path / "red")
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "a.png").write_text("no picture")
    with user_error(tmp_path, "1 of 41 files", "red/a.png", "none is left in class red"):
        load_folder(tmp_path, 8, stream)


@pytest.mark.parametrize("stream", ["off", "on"])
def test_more_than_a_tenth_unreadable_is_refused(tmp_path, user_error, stream, fill):
    fill(tmp_path, count=10)
    for name in ("blue", "green", "red"):
        (tmp_path / name / "000.bmp").write_text("no picture")
    with pytest.warns(UserWarning, match="3 of 30"):  # a tenth
        load_folder(tmp_path, 8, stream)
    (tmp_path / "red" / "001.bmp").write_text("no picture")
    with user_error(tmp_path, "4 of 30 files", "blue/000.bmp", "more than 10%"):
        load_folder(tmp_path, 8, stream)


def test_packed_copy_of_another_way_of_reading_is_made_anew(tmp_path, reads, monkeypatch, fill, read_folder):
    read_folder(fill(tmp_path), 8)
    for change in (("READING", packed.READING + 1), ("Image.__version__", "0")):
        monkeypatch.setattr(f"{packed.__name__}.{change[0]}", change[1])
        reads.clear()
        for _ in range(2):
            read_folder(tmp_path, 8)
        assert len(reads) == 30


def _repack(path, **changes):
    with np.load(path) as arrays:
        changed = {**arrays, **changes}
    with open(path, "wb") as file:
        np.savez(file, **changed)


HOSTILE = {
    "floats": {"images": np.zeros((30, 8, 8, 3))},
    "pickled": {"images": np.array([print], object)},
    "too many": {"images": np.zeros((31, 8, 8, 3), np.uint8)},
    "counts": {"is_readable": np.ones(30, np.int64)},
    "a longer list": {"is_readable": np.ones(31, bool)},
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_packed_copy_that_somebody_made_is_not_believed(tmp_path, reads, hostile, fill, read_folder):
    first, _ = read_folder(fill(tmp_path), 8)
    _repack(tmp_path / ".nstkit-8px.npz", **HOSTILE[hostile])
    reads.clear()
    again, _ = read_folder(tmp_path, 8)
    assert len(reads) == 30
    assert torch.equal(again.images, first.images)


def test_pipe_and_folder_in_place_of_the_packed_copy_are_passed_over(tmp_path, fill, read_folder):
    fill(tmp_path)
    os.mkfifo(tmp_path / ".nstkit-8px.npz")
    (tmp_path / ".nstkit-9px.npz").mkdir()
    for size_px in (8, 9):
        assert len(read_folder(tmp_path, size_px)[0]) == 30


@pytest.mark.parametrize("stream", ["off", "on"])
def test_picture_that_the_system_refuses_is_tried_again_the_next_time(tmp_path, monkeypatch, stream, fill):
    fill(tmp_path, count=20)
    original = files.read_picture

    def refuse(path, *rest):
        if path.name == "000.bmp":
            raise UserError(f"{path}: not a readable picture (Permission denied).") from PermissionError(13, "denied")
        return original(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(files, "read_picture", refuse)
        with pytest.warns(UserWarning, match="3 of 60 files are not readable"):
            load_folder(tmp_path, 8, stream)
    data = load_folder(tmp_path, 8, stream)
    assert sum(map(len, (data.train, data.val, data.test))) == 60


@pytest.mark.parametrize("stream", ["off", "on"])
def test_too_little_memory_calls_no_picture_broken(tmp_path, monkeypatch, stream, fill):
    fill(tmp_path, count=5)
    with monkeypatch.context() as patch:
        patch.setattr(files, "read_picture", lambda *_: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            load_folder(tmp_path, 8, stream)
    data = load_folder(tmp_path, 8, stream)
    assert sum(map(len, (data.train, data.val, data.test))) == 15


def test_pictures_that_do_not_fit_are_refused_before_they_are_read(tmp_path, monkeypatch, user_error, fill):
    fill(tmp_path, count=5)
    monkeypatch.setattr(files, "read_picture", lambda *_: pytest.fail("read"))
    with user_error("Keeping 15 pictures of 1000000 px takes about 82 TiB", "are free", "--image-size", "--stream on"):
        load_folder(tmp_path, 1_000_000, "off")
