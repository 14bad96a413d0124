"""A checkpoint is plain and whole, or it is refused in one line; what a file names never runs."""

import contextlib
import errno
import os
import pickle

import pytest
import torch

from nstkit.checkpoint import FORMAT, REQUIRED, VERSION, read_checkpoint, write_checkpoint
from nstkit.errors import UserError
from nstkit.torchfile import read_torch_file


@pytest.fixture
def content(make_content, small_vgg):
    return make_content(small_vgg())


@pytest.fixture
def path(tmp_path, content):
    write_checkpoint(tmp_path / "ckpt.pt", content)
    return tmp_path / "ckpt.pt"


class _Dropper:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return os.mkdir, (str(self._path),)


def test_round_trip_with_what_torch_allows(path, content):
    raw = torch.load(path, weights_only=True)
    assert (raw["format"], raw["version"]) == (FORMAT, VERSION)
    read = read_checkpoint(path)
    weights = content["model"]
    assert list(read["model"]) == list(weights)
    assert all(torch.equal(read["model"][name], weights[name]) for name in weights)
    assert {name: read[name] for name in REQUIRED if name != "model"} == {
        name: content[name] for name in REQUIRED if name != "model"
    }


def test_fields_for_resuming_are_kept(tmp_path, content):
    training = {"step": 7, "random": torch.get_rng_state(), "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}}
    write_checkpoint(tmp_path / "last.pt", {**content, "training": training})
    read = read_checkpoint(tmp_path / "last.pt")["training"]
    assert read["step"] == 7
    assert torch.equal(read["random"], training["random"])
    assert torch.equal(read["optimizer"]["state"][0]["exp_avg"], torch.ones(2))


def test_a_field_left_out_is_our_own_mistake(tmp_path, content):
    del content["taps"]
    with pytest.raises(AssertionError, match="taps"):
        write_checkpoint(tmp_path / "ckpt.pt", content)


def test_full_disk_is_one_line_and_the_old_checkpoint_stays(path, content, user_error, monkeypatch):
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with user_error(path, "cannot be written", "No space left on device"):
        write_checkpoint(path, {**content, "classes": ["other"]})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["ckpt.pt"]


def test_a_limit_on_the_size_of_files_is_one_line(path, content, user_error):
    resource = pytest.importorskip("resource")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))  # a write that really fails
    try:
        with user_error(path, "cannot be written"):
            write_checkpoint(path, content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["ckpt.pt"]


@pytest.mark.parametrize("read", [read_torch_file, read_checkpoint])
@pytest.mark.parametrize("way", ["torch", "torch legacy", "pickle 2", "pickle 4"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, user_error, read, way):
    path, trace = tmp_path / "evil.pt", tmp_path / "trace"
    evil = {"format": FORMAT, "version": VERSION, "model": _Dropper(trace)}
    if way.startswith("pickle"):
        path.write_bytes(pickle.dumps(evil, protocol=int(way[-1])))
    else:
        torch.save(evil, path, _use_new_zipfile_serialization=way == "torch")
    with user_error(path, "refused", "could run code"):
        read(path)
    assert not trace.exists()
    # It would have run: the test is worth something.
    pickle.loads(path.read_bytes()) if way.startswith("pickle") else torch.load(path, weights_only=False)
    assert trace.exists()


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_truncated_file_is_refused_by_name(path, user_error, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with user_error(path):
        read_checkpoint(path)


def test_truncated_file_of_an_old_torch_is_refused_by_name(tmp_path, user_error):
    # torchvision's VGG weights have this format; torch raises struct.error and IndexError at some lengths.
    path = tmp_path / "old.pth"
    torch.save({"features.0.weight": torch.zeros(3)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with user_error(path):
            read_torch_file(path)


def test_damaged_file_is_refused_or_read(path):
    whole = path.read_bytes()
    refused = 0
    for position in range(60, 700, 5):  # names and structure; torch does not check the sums of the tensors
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        with contextlib.suppress(UserError):
            read_checkpoint(path)
            refused -= 1
        refused += 1
    assert refused > 50


@pytest.mark.parametrize("raw", [b"", b"hello, this is text\n" * 9, b"PK\x03\x04" + bytes(50), bytes(range(256))])
def test_what_is_no_torch_file_is_refused_by_name(tmp_path, user_error, raw):
    (tmp_path / "a.pt").write_bytes(raw)
    with user_error(tmp_path / "a.pt"):
        read_checkpoint(tmp_path / "a.pt")


def test_missing_file_and_folder_are_refused_by_name(tmp_path, user_error, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with user_error(tmp_path / "a.pt", "no such checkpoint"):
        read_checkpoint(tmp_path / "a.pt")
    with user_error(tmp_path):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("foreign", [{"state_dict": {"a": torch.zeros(1)}}, {"format": "other"}, [1, 2], torch.ones(2)])
def test_foreign_weights_are_refused_with_the_way_to_load_them(tmp_path, user_error, foreign):
    torch.save(foreign, tmp_path / "w.pth")
    with user_error(tmp_path / "w.pth", "no checkpoint of `python -m train_backbone`", "vgg19@w.pth"):
        read_checkpoint(tmp_path / "w.pth")


def test_newer_version_is_refused_with_both_numbers(tmp_path, user_error):
    torch.save({"format": FORMAT, "version": VERSION + 1}, tmp_path / "a.pt")
    with user_error(tmp_path / "a.pt", f"version {VERSION + 1}", f"up to {VERSION}", "Update"):
        read_checkpoint(tmp_path / "a.pt")


def test_missing_fields_are_named(tmp_path, content, user_error):
    del content["taps"], content["input"]
    torch.save({"format": FORMAT, "version": VERSION, **content}, tmp_path / "a.pt")
    with user_error(tmp_path / "a.pt", "input, taps missing"):
        read_checkpoint(tmp_path / "a.pt")
    torch.save({"format": FORMAT}, tmp_path / "a.pt")
    with user_error(tmp_path / "a.pt", "arch, classes"):
        read_checkpoint(tmp_path / "a.pt")
