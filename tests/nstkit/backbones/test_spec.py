"""Every form of a backbone's name, and what is said of the wrong ones."""

import subprocess
import sys
from pathlib import Path

import pytest

from nstkit.backbones.spec import CARRIED, CARRIED_JUDGE, BackboneSpec, parse_backbone
from nstkit.errors import UserError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder, so that no name happens to be a file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _touch(path):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("text", "name", "weights", "seed", "label"),
    [
        ("vgg19", "vgg19", "pretrained", 0, "vgg19"),
        ("vgg16_bn", "vgg16_bn", "pretrained", 0, "vgg16_bn"),
        ("vgg19@pretrained", "vgg19", "pretrained", 0, "vgg19"),
        ("vgg19@random", "vgg19", "random", 0, "vgg19-random0"),
        ("vgg19@random:3", "vgg19", "random", 3, "vgg19-random3"),
        ("resnet50.a1_in1k", "resnet50.a1_in1k", "pretrained", 0, "resnet50.a1_in1k"),
        ("resnet50.a1_in1k@random:12", "resnet50.a1_in1k", "random", 12, "resnet50.a1_in1k-random12"),
        ("squeezenet1_1", "squeezenet1_1", "pretrained", 0, "squeezenet1_1"),
        ("hf-hub:timm/resnet18.a1_in1k", "hf-hub:timm/resnet18.a1_in1k", "pretrained", 0, None),
        ("local-dir:/some/where", "local-dir:/some/where", "pretrained", 0, None),
    ],
)
def test_names(text, name, weights, seed, label):
    spec = parse_backbone(text)
    assert spec == BackboneSpec(text, name, weights, None, seed)
    if label is not None:
        assert spec.label == label


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors", ".ckpt"])
def test_name_with_a_weights_file(suffix):
    path = _touch(f"some where/w@2{suffix}")
    spec = parse_backbone(f"vgg19@{path}")
    assert (spec.name, spec.weights, spec.path) == ("vgg19", "file", path)
    assert spec.label == "vgg19-w-2"


def test_checkpoint_file():
    path = _touch("runs/a@b/ckpt.pt")
    spec = parse_backbone(str(path))
    assert (spec.name, spec.weights, spec.path) == (None, "file", path)


def test_run_folder_is_its_checkpoint():
    path = _touch("runs/mine/ckpt.pt")
    _touch("runs/mine/last.pt")
    assert parse_backbone("runs/mine").path == path


def test_exported_folder_is_itself():
    _touch("out/model.safetensors")
    assert parse_backbone("out/") == BackboneSpec("out/", None, "file", Path("out"))


def test_home_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    _touch("a.pt")
    assert parse_backbone("~/a.pt").path == folder / "a.pt"
    assert parse_backbone("vgg19@~/a.pt").path == folder / "a.pt"


@pytest.mark.parametrize("words", ["carried-judge", "{judge}", "{judge}/model.safetensors", "vgg11@{copy}", "{copy}"])
def test_the_network_that_judges_paints_nothing_under_whatever_name(words, tmp_path):
    copy = tmp_path / "mine.safetensors"
    copy.write_bytes((CARRIED_JUDGE / "model.safetensors").read_bytes())
    with pytest.raises(UserError, match="this network judges every picture, so it paints none") as caught:
        parse_backbone(words.format(judge=CARRIED_JUDGE, copy=copy))
    assert "\n" not in str(caught.value)


def test_carried_is_the_one_of_the_package():
    spec = parse_backbone("carried")
    assert (spec.path, spec.label) == (CARRIED, "carried")


@pytest.mark.parametrize(
    ("file", "text", "label"),
    [
        ("runs/mine/ckpt.pt", "runs/mine/ckpt.pt", "mine"),
        ("runs/mine/epochs/epoch-002.pt", "runs/mine/epochs/epoch-002.pt", "mine-epoch-002"),
        ("runs/mine/last.pt", "runs/mine/last.pt", "mine"),
        ("runs/mine/ckpt.pt", "runs/mine", "mine"),
        ("best.pt", "best.pt", "best"),
        ("vgg19-w0.25/model.safetensors", "vgg19-w0.25", "vgg19-w0.25"),  # the dot is part of the name
        ("vgg19-w0.25/model.safetensors", "vgg19-w0.25/", "vgg19-w0.25"),
    ],
)
def test_label_of_a_checkpoint(file, text, label):
    _touch(file)
    assert parse_backbone(text).label == label


def test_label_inside_the_folder_is_its_name(folder, monkeypatch):
    _touch("runs/mine/ckpt.pt")
    _touch("out/model.safetensors")
    monkeypatch.chdir(folder / "runs" / "mine")
    assert parse_backbone("ckpt.pt").label == "mine"
    assert parse_backbone(".").label == "mine"
    monkeypatch.chdir(folder / "out")
    assert parse_backbone(".").label == "out"


@pytest.mark.parametrize("text", ["nothing.pt", "runs/mine", "./nothing", "nothing.safetensors"])
def test_missing_checkpoint_is_named_in_full(folder, user_error, text):
    with user_error(f"--backbone {text}", "no such checkpoint", folder / text):
        parse_backbone(text)


def test_missing_weights_are_named_in_full(folder, user_error):
    with user_error("--backbone vgg19@w.pth", "no such weights", folder / "w.pth"):
        parse_backbone("vgg19@w.pth")
    Path("d.pth").mkdir()
    with user_error("no such weights"):
        parse_backbone("vgg19@d.pth")


@pytest.mark.parametrize("weights", ["imagenet", "random:", "random:-1", "random:x", "Random", "w.onnx"])
def test_unknown_weights_are_refused_with_the_allowed(user_error, weights):
    with user_error(f"weights '{weights}'", "pretrained, random, random:SEED", ".safetensors"):
        parse_backbone(f"vgg19@{weights}")


def test_home_stands_for_its_sign(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    for name in ("a.pt", "w.pth"):
        _touch(name)
    assert parse_backbone("~/a.pt").path == folder / "a.pt"
    assert parse_backbone("vgg19@~/w.pth").path == folder / "w.pth"
    assert parse_backbone("local-dir:~/x").text == f"local-dir:{folder}/x"
    assert parse_backbone("~nobody-has-this-name").name == "~nobody-has-this-name"
    assert parse_backbone(folder / "a.pt") == parse_backbone(str(folder / "a.pt"))


@pytest.mark.parametrize("seed", ["9" * 20, "9" * 200, str(2**63)])
def test_seed_that_no_generator_takes_is_refused(user_error, seed):
    with user_error("a seed is 0 to 9223372036854775807"):
        parse_backbone(f"vgg19@random:{seed}")
    assert parse_backbone(f"vgg19@random:{2**63 - 1}").seed == 2**63 - 1


def test_folder_of_something_else_is_refused(user_error):
    _touch("photos/a.jpg")
    with user_error("--backbone photos", "neither ckpt.pt", "nor model.safetensors"):
        parse_backbone("photos")


def test_no_torch_is_imported():
    script = "import sys, nstkit.backbones.spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[3]).returncode == 0
