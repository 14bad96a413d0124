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


# Whole files that hold anything


def _put(*path, to):
    def change(content):
        *way, last = path
        for part in way:
            content[part] = dict(content[part])
            content = content[part]
        if to is _put:
            del content[last]
        else:
            content[last] = to
        return content

    return change


NAN, INF = float("nan"), float("inf")
SHARED = [0]
for _ in range(40):
    SHARED = [SHARED, SHARED]
DEEP = []
for _ in range(100):
    DEEP = [DEEP]
ODD = {
    "arch is a list": (_put("arch", to=[1]), "arch.[1] (values by name)"),
    "arch without a name": (_put("arch", "arch", to=_put), "arch.arch (missing)"),
    "arch is a number": (_put("arch", "arch", to=3), "arch.arch 3 (a text)"),
    "library is unknown": (_put("arch", "library", to="keras"), "arch.library 'keras' (timm, factory)"),
    "classes is a text": (_put("arch", "classes", to="3"), "arch.classes '3' (a whole number)"),
    "a million million classes": (_put("arch", "classes", to=10**12), "3 names for 1000000000000 classes"),
    "10^500 classes": (_put("arch", "classes", to=10**500), "3 names for a huge number classes"),
    "no class": (_put("arch", "classes", to=0), "arch.classes 0 (at least 1)"),
    "width NaN": (_put("arch", "width", to=NAN), "arch.width nan (a finite number)"),
    "width 0": (_put("arch", "width", to=0.0), "arch.width 0.0 (above 0)"),
    "width missing": (_put("arch", "width", to=_put), "arch.width (missing)"),
    "stem is a word": (_put("arch", "small_stem", to="yes"), "arch.small_stem 'yes' (True or False)"),
    "names are numbers": (_put("classes", to=[1, 2, 3]), "classes [1, 2, 3] (a text)"),
    "names are a text": (_put("classes", to="abc"), "classes 'abc' (a list)"),
    "input is None": (_put("input", to=None), "input.None (values by name)"),
    "size is infinite": (_put("input", "size_px", to=INF), "input.size_px inf (a whole number)"),
    "size is huge": (_put("input", "size_px", to=10**9), "input.size_px 1000000000 (at most 65536)"),
    "two means": (_put("input", "mean", to=[0.5, 0.5]), "input.mean (three values)"),
    "mean NaN": (_put("input", "mean", to=[NAN, 0.5, 0.5]), "input.mean [nan, 0.5, 0.5] (a finite number)"),
    "mean is a tensor": (_put("input", "mean", to=torch.ones(3)), "input.mean a Tensor (a list)"),
    "deviation 0": (_put("input", "std", to=[0, 1, 1]), "input.std [0, 1, 1] (above 0)"),
    "deviation missing": (_put("input", "std", to=_put), "input.std (missing)"),
    "order is a word": (_put("input", "is_bgr", to="no"), "input.is_bgr 'no' (True or False)"),
    "taps is a list": (_put("taps", to=["relu1_1"]), "taps.['relu1_1'] (values by name)"),
    "a tap is a number": (_put("taps", "style", to=[7]), "taps.style [7] (a text)"),
    "taps nest": (_put("taps", "content", to=[["a"]]), "taps.content a list (a text)"),
    "model is a list": (_put("model", to=[torch.ones(1)]), "model (tensors by name)"),
    "model is empty": (_put("model", to={}), "model (tensors by name)"),
    "model has a number": (_put("model", "features.0.weight", to=7), "model.'features.0.weight' (a dense tensor"),
    "model is complex": (_put("model", "features.0.weight", to=torch.ones(3) * 1j), "(a dense tensor"),
    "a name is a number": (_put("model", 7, to=torch.ones(1)), "model.7 (a dense tensor"),
    "quality is a list": (_put("quality", to=[1]), "quality (numbers by name)"),
    "quality is a text": (_put("quality", "extractor/top1", to="good"), "quality (numbers by name)"),
    "quality is huge": (_put("quality", "extractor/top1", to=10**500), "quality (numbers by name)"),
    "config is a list": (_put("config", to=[1]), "config.[1] (values by name)"),
    "config holds a tensor": (_put("config", "lr", to=torch.ones(1)), "config (plain values by name)"),
    "config without its data": (_put("config", "dataset", to=_put), "config.dataset (missing)"),
    "config is endless": (_put("config", "lr", to=SHARED), "config (plain values by name)"),
    "config is deep": (_put("config", "lr", to=DEEP), "config (plain values by name)"),
    "environment is a text": (_put("environment", to="here"), "environment.'here' (values by name)"),
    "history is a dict": (_put("history", to={"a": 1}), "history (numbers by name, for each epoch)"),
    "an epoch is a text": (_put("history", to=[{"epoch": "one"}]), "history (numbers by name, for each epoch)"),
    "defaults is a number": (_put("defaults", to=7), "defaults (plain values by name)"),
    "version is a text": (_put("version", to="2"), "version '2', this code reads up to 1"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_field_is_named_before_anything_is_made_of_it(tmp_path, content, user_error, name):
    change, message = ODD[name]
    odd = dict(content)
    change(odd)
    torch.save({"format": FORMAT, "version": VERSION, **odd}, tmp_path / "a.pt")
    with user_error(tmp_path / "a.pt", message):
        read_checkpoint(tmp_path / "a.pt")


def test_long_values_are_cut_in_the_message(tmp_path, content, user_error):
    content["arch"] = {**content["arch"], "library": "x" * 10_000}
    torch.save({"format": FORMAT, "version": VERSION, **content}, tmp_path / "a.pt")
    with user_error("arch.library 'xxx") as caught:
        read_checkpoint(tmp_path / "a.pt")
    assert len(str(caught.value)) < 400
