"""`python -m transfer` answers every mistake of the user with one line, and leaves nothing behind."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nstkit.pictures.save import save_picture
from transfer.__main__ import main

QUICK = ("--device", "cpu", "--precision", "fp32", "--size", "48", "--quiet", "--judge", "none")


class Bomb:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "ran"))


@pytest.fixture
def traps(tmp_path, checkpoint, pictures):
    """A folder of things that go wrong, and the good ones beside them."""
    good = checkpoint.read_bytes()
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "half.jpg").write_bytes((pictures / "style" / "dots.jpg").read_bytes()[:400])
    (tmp_path / "half.pt").write_bytes(good[: len(good) // 2])
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "bomb.pt").write_bytes(pickle.dumps(Bomb(tmp_path / "it-ran")))
    torch.save({"state_dict": Bomb(tmp_path / "it-ran")}, tmp_path / "zipped-bomb.pt")
    (tmp_path / "file").write_text("a file where a folder should be")
    (tmp_path / "nothing").mkdir()
    return tmp_path


MISTAKES = {
    "missing picture": (("--content", "gone.png"), "gone.png: no such picture"),
    "text named jpg": (("--style", "text.jpg"), "text.jpg: not a readable picture"),
    "half a picture": (("--content", "half.jpg"), "half.jpg: not a readable picture"),
    "empty folder": (("--content", "nothing"), "no picture in this folder"),
    "wrong style tap": (("--style-taps", "relu3_3"), "tap 'relu3_3' is not in tiny. Did you mean 'relu3_"),
    "wrong content tap": (("--content-taps", "fc7"), "tap 'fc7' is not in tiny. Allowed: conv1_1, relu1_1, pool1"),
    "unknown backbone": (("--backbone", "vgg91"), "no network 'vgg91'"),
    "network that only judges": (("--backbone", "carried-judge"), "judges every picture, so it paints none"),
    "missing checkpoint": (("--backbone", "gone.pt"), "--backbone gone.pt: no such checkpoint"),
    "half a checkpoint": (("--backbone", "half.pt"), "half.pt: not a whole checkpoint"),
    "empty checkpoint": (("--backbone", "empty.pt"), "empty.pt: "),
    "checkpoint that runs code": (("--backbone", "bomb.pt"), "bomb.pt: refused, it holds more than tensors"),
    "zipped one that runs code": (("--backbone", "zipped-bomb.pt"), "zipped-bomb.pt: refused, it holds getattr beside"),
    "weights that run code": (("--backbone", "vgg11@bomb.pt"), "bomb.pt: refused, it holds more than tensors"),
    "weights of the wrong kind": (
        ("--backbone", "vgg11@text.jpg"),
        "text.jpg: not a whole checkpoint (torch wrote no such file).",
    ),
    "pictures behind the wrong flag": (
        ("--backbone", "vgg11@random", "photo.jpg", "painting.png"),
        "--backbone photo.jpg painting.png: pictures, which it does not take. Put a photograph behind --content",
    ),
    "two values of one number": (("--lr", "1", "2"), "--lr 1 2 (one value, a number)"),
    "unknown network of torchvision": (
        ("--backbone", "torchvision:resnet1"),
        "no such network in torchvision. Did you mean 'resnet18'?",
    ),
    "unknown code": (("--backbone", "nowhere.at:all"), "--backbone nowhere.at:all: No module named 'nowhere'."),
    "owner and name": (("--backbone", "owner/name"), "no such checkpoint"),
    "unknown start": (("--init", "nose"), "--init nose: no such picture. Allowed: content, style, noise, grey"),
    "start that is no picture": (("--init", "text.jpg"), "text.jpg: not a readable picture"),
    "out of range": (("--size", "8", "--steps", "0"), "--size 8 (at least 32), --steps 0 (at least 1)"),
    "out in a file": (("--out", "file/a.png"), "cannot be written"),
    "out of unknown format": (("--out", "a.psd"), "unknown picture format"),
    "runs in a file": (("--runs-dir", "file"), "file/transfer/"),
    "run name taken": (
        ("--runs-dir", "taken", "--run-name", "me"),
        "--run-name me: taken/transfer/me is there already",
    ),
    "wrong tap to smooth": (
        ("--smoothing", "softmax", "--smoothing-taps", "relu9_9"),
        "tap 'relu9_9' is not in tiny",
    ),
    "weight of a tap": (("--style-taps", "relu1_1=0"), "--style-taps relu1_1=0: the weight is no number above 0"),
    "picture that the mode lacks": (("--mode", "texture", "--content", "a.png"), "--content with --mode texture"),
    "smoothed taps, not smoothed": (("--smoothing-taps", "relu1_1"), "--smoothing-taps without --smoothing"),
    "start that the mode lacks": (
        ("--mode", "texture", "--init", "content", "--content"),
        "--mode texture has no content picture",
    ),
    "missing config": (("--config", "gone.json"), "--config gone.json: No such file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_one_line_and_leaves_nothing(
    mistake, traps, checkpoint, pictures, call_command, capsys, monkeypatch
):
    words, message = MISTAKES[mistake]
    monkeypatch.chdir(traps)
    if mistake == "run name taken":
        (traps / "taken" / "transfer" / "me").mkdir(parents=True)
        (traps / "taken" / "transfer" / "me" / "notes.txt").write_text("mine")
    before = sorted(traps.rglob("*"))
    good = {
        "--backbone": checkpoint,
        "--content": pictures / "content" / "boat.png",
        "--style": pictures / "style" / "dots.jpg",
    }
    given = [word for flag, value in good.items() if flag not in words for word in (flag, value)]
    assert call_command(main, *given, *QUICK, *words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert error.endswith("\n")
    assert message in error
    assert sorted(traps.rglob("*")) == before


def test_debug_shows_where_it_went_wrong(traps, call_command):
    from nstkit.errors import UserError

    with pytest.raises(UserError, match="no such picture"):
        call_command(main, "--content", traps / "gone.png", "--debug")


@pytest.mark.parametrize("command", ["transfer", "train_backbone"])
def test_mistake_as_seen_from_the_shell(command, tmp_path):
    words = [sys.executable, "-m", command, "--seed", "1", "--quiet", "--runs-dir", "runs", "--lr", "0"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "error: not allowed: --lr 0.0 (above 0).\n"
    assert not list(tmp_path.iterdir())


def test_painting_too_large_for_the_memory_is_refused_before_there_is_a_run(call_command, capsys, tmp_path):
    assert call_command(main, *QUICK, "--size", 99_999, "--runs-dir", tmp_path / "runs") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: Painting 99999 px with any network takes at least")
    assert "TiB of memory" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_picture_that_gives_the_settings_is_not_written_over(call_command, capsys, draw_picture, tmp_path):
    path = tmp_path / "mine.png"
    save_picture(draw_picture((40, 30)), path, {"nstkit": json.dumps({"settings": {"out": str(path)}})})
    before = path.read_bytes()
    assert call_command(main, "--config", path, "--runs-dir", tmp_path / "runs") == 2
    assert "mine.png is a file that is read. Give another place." in capsys.readouterr().err
    assert path.read_bytes() == before
