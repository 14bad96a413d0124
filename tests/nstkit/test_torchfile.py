"""A torch file that asks for more than it holds is refused before it is read; plain objects beside weights are not."""

import argparse
import os
import pathlib
import struct
import zipfile
from collections import OrderedDict

import pytest
import torch

from nstkit.torchfile import Aside, is_dense, read_torch_file, weights_only

HUGE = 7 * 10**9


class _Reduces:
    """Is pickled as a call of a function."""

    def __init__(self, function, *arguments):
        self._reduced = function, arguments

    def __reduce__(self):
        return self._reduced


def _rebuilt(size, stride=(1,)):
    """Return what is read as a tensor of any size over four numbers."""
    storage = torch.zeros(4)._typed_storage()
    return _Reduces(torch._utils._rebuild_tensor_v2, storage, 0, size, stride, False, OrderedDict())


TOO_LARGE = {
    "expanded": lambda: torch.zeros(1).expand(HUGE),
    "expanded in part": lambda: torch.zeros(1, 1000).expand(HUGE // 1000, 1000),
    "larger than its storage": lambda: _rebuilt((HUGE,)),
    "far apart": lambda: _rebuilt((2,), (HUGE,)),
    "on the meta device": lambda: torch.empty(HUGE, device="meta"),
    "deep inside": lambda: [{"a": ({"b": torch.zeros(1).expand(HUGE)},)}],
}


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("form", TOO_LARGE)
def test_tensor_larger_than_the_file_is_refused(tmp_path, user_error, form, is_zip):
    if not is_zip and form == "on the meta device":
        pytest.skip("the old format has none")
    torch.save({"w": TOO_LARGE[form]()}, tmp_path / "w.pth", _use_new_zipfile_serialization=is_zip)
    assert (tmp_path / "w.pth").stat().st_size < 10_000
    with user_error(tmp_path / "w.pth", "byte"):
        read_torch_file(tmp_path / "w.pth")


def test_bomb_of_a_zip_is_refused(tmp_path, user_error):
    torch.save({"w": torch.zeros(1_000_000)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as source, zipfile.ZipFile(tmp_path / "b.pth", "w") as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry), zipfile.ZIP_DEFLATED)
    with user_error("b.pth", "refused", "its parts are said to hold 4,0"):
        read_torch_file(tmp_path / "b.pth")


def test_archive_whose_parts_lie_over_one_another_is_refused(tmp_path, user_error):
    torch.save({str(k): torch.full((1000,), k) for k in range(9)}, tmp_path / "w.pth")
    raw = bytearray((tmp_path / "w.pth").read_bytes())
    with zipfile.ZipFile(tmp_path / "w.pth") as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    first = next(entry for name, entry in entries.items() if name.endswith("data/0"))
    place = raw.index(b"PK\x01\x02")
    while raw[place : place + 4] == b"PK\x01\x02":  # each points to the largest
        lengths = struct.unpack_from("<HHH", raw, place + 28)
        struct.pack_into("<II", raw, place + 20, first.file_size * 100, first.file_size * 100)
        struct.pack_into("<I", raw, place + 42, first.header_offset)
        place += 46 + sum(lengths)
    (tmp_path / "w.pth").write_bytes(raw)
    with user_error("w.pth"):
        read_torch_file(tmp_path / "w.pth")


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
def test_sparse_tensors_are_one_line(tmp_path, user_error, layout):
    torch.save({"w": torch.eye(3).to_sparse(layout=layout)}, tmp_path / "w.pth")
    with user_error("w.pth", "not a whole checkpoint"):
        read_torch_file(tmp_path / "w.pth")


def test_views_and_shared_tensors_are_fine(tmp_path):
    base = torch.arange(12.0).view(3, 4)
    torch.save({"base": base, "part": base[:, 1:3], "turned": base.T, "none": base[:0]}, tmp_path / "w.pth")
    content = read_torch_file(tmp_path / "w.pth")
    assert all(torch.equal(content[name], value) for name, value in [("part", base[:, 1:3]), ("turned", base.T)])
    assert content["none"].shape == (0, 4)


def test_list_that_holds_itself_and_references_without_end(tmp_path):
    lists = [[]]
    for _ in range(60):  # 2^60 values, were each reference followed
        lists.append([lists[-1], lists[-1]])
    torch.save({"w": torch.ones(2), "lists": lists[-1]}, tmp_path / "w.pth")
    assert torch.equal(read_torch_file(tmp_path / "w.pth")["w"], torch.ones(2))


def test_plain_objects_are_stood_in_for(tmp_path):
    beside = {"args": argparse.Namespace(lr=1), "path": pathlib.PurePosixPath("a/b"), "w": torch.ones(2)}
    torch.save(beside, tmp_path / "w.pth")
    content = read_torch_file(tmp_path / "w.pth")
    assert [type(content[name]) for name in ("args", "path")] == [Aside, Aside]
    assert vars(content["args"]) == {}


def test_what_is_refused_is_named(tmp_path, user_error):
    torch.save({"w": _Reduces(os.mkdir, str(tmp_path / "trace"))}, tmp_path / "w.pth")
    with user_error("refused, it holds posix.mkdir beside tensors", "could run code"):
        read_torch_file(tmp_path / "w.pth")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_is_refused_at_once(tmp_path, user_error, kind):
    path = tmp_path / "w.pth"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = pathlib.Path("/dev/zero")
    with user_error(path, "it is no file"):
        read_torch_file(path)


def test_every_library_that_loads_inside_refuses_code(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save({"w": _Reduces(os.mkdir, str(tmp_path / "trace"))}, tmp_path / "w.pth")
    with weights_only(), pytest.raises(Exception, match="posix"):
        torch.load(tmp_path / "w.pth", weights_only=False)
    assert not (tmp_path / "trace").exists()
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
    torch.load(tmp_path / "w.pth", weights_only=False)  # it would have run: the test is worth something
    assert (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(torch.ones(2), True), (torch.ones(2).long(), True), (torch.ones(2) * 1j, False), (3, False), (None, False)],
)
def test_dense(value, expected):
    assert is_dense(value) == expected
