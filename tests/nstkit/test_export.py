"""An exported folder paints as the checkpoint does, fits torchvision, and does not say where it was made."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.models import vgg as tv

from nstkit import export as module
from nstkit.backbones.prepare import load_backbone
from nstkit.checkpoint import write_checkpoint
from nstkit.errors import UserError
from nstkit.export import export, main

TAPS = ["conv1_1", "relu2_1", "conv3_2", "relu4_1", "relu5_1", "conv5_2"]


@pytest.fixture
def content(make_content, small_vgg):
    return make_content(small_vgg())


def _maps(text, image):
    backbone = load_backbone(str(text))
    return backbone, backbone.features(image, TAPS)


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-4), (True, 1e-2)])
def test_folder_gives_the_maps_of_the_checkpoint(
    tmp_path, write_run, make_content, small_vgg, image, norm, half, tolerance
):
    network = small_vgg(norm=norm)
    write_run(tmp_path / "run", network)
    export(make_content(network), tmp_path / "out", half=half)
    trained, expected = _maps(tmp_path / "run", image)
    exported, found = _maps(tmp_path / "out", image)
    for name in TAPS:
        assert (found[name] - expected[name]).norm() <= tolerance * expected[name].norm()
        assert expected[name].std() > 0.01
    assert exported.taps.keys() == trained.taps.keys()
    assert (exported.style_taps, exported.content_taps) == (("relu1_1", "relu2_1"), ("conv3_1",))
    assert exported.quality == trained.quality == {"extractor/top1": 0.5, "val/top1": 0.25}
    assert torch.equal(exported.mean, trained.mean)
    assert torch.equal(exported.std, trained.std)
    assert exported.label == "out"


def test_logits_stay_as_well(tmp_path, make_content, small_vgg, image):
    network = small_vgg()
    export(make_content(network), tmp_path, half=False)
    backbone = load_backbone(str(tmp_path))
    assert torch.allclose(backbone.network(image), network(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("half", "dtype"), [(False, torch.float32), (True, torch.float16)])
def test_weights_have_torchvisions_names_and_shapes(tmp_path, make_content, small_vgg, half, dtype):
    export(make_content(small_vgg(width=1.0, norm="batch", classes=2)), tmp_path, half=half)
    weights = load_file(tmp_path / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {dtype}
    body = {name.removeprefix("features."): value for name, value in weights.items() if name.startswith("features.")}
    assert sorted(set(weights) - {f"features.{name}" for name in body}) == ["classifier.bias", "classifier.weight"]
    with torch.device("meta"):
        reference = tv.make_layers(tv.cfgs["A"])  # `torchvision.models.vgg11().features`
    reference.load_state_dict(body, assign=True)  # strict


def test_nothing_tells_where_it_was_made(tmp_path, content):
    content["config"] |= {"run_name": "secret-project", "resume": "/home/someone/runs/old"}
    export(content, tmp_path / "out", half=False)
    for name in ("config.json", "README.md"):
        text = (tmp_path / "out" / name).read_text()
        assert "someone" not in text
        assert "secret" not in text
        assert str(tmp_path) not in text
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', (tmp_path / "out" / "config.json").read_text())
    assert not [text for text in strings if text.startswith(("/", "~", "\\")) or re.match(r"[A-Za-z]:\\", text)]


def test_config_holds_what_a_checkpoint_holds(tmp_path, content):
    export(content, tmp_path, half=False)
    facts = json.loads((tmp_path / "config.json").read_text())["nstkit"]
    assert facts["arch"] == {"arch": "vgg11", "norm": "none", "width": 0.0625, "classes": 3}
    assert facts["trained_norm"] == "batch"
    assert {name: facts[name] for name in ("classes", "input", "taps", "quality")} == {
        name: content[name] for name in ("classes", "input", "taps", "quality")
    }


def test_network_of_a_factory_is_written_without_running_it(tmp_path, monkeypatch, capsys, make_content):
    (tmp_path / "our_code.py").write_text("raise SystemError('it ran')")
    monkeypatch.syspath_prepend(tmp_path)
    network = nn.Conv2d(3, 4, 3)
    network.arguments = {"arch": "our_code:build", "library": "factory", "classes": 3}
    write_checkpoint(tmp_path / "a.pt", make_content(network))
    monkeypatch.setattr("sys.argv", ["export", str(tmp_path / "a.pt"), "--to", str(tmp_path / "out")])
    main()
    assert capsys.readouterr().out.rstrip().endswith(f"--backbone {tmp_path / 'out'} --arch our_code:build")
    assert torch.equal(load_file(tmp_path / "out" / "model.safetensors")["weight"], network.weight)
    assert 'factory="our_code:build"' in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(UserError, match="add --arch our_code:build"):
        load_backbone(str(tmp_path / "out"))


def test_weights_that_do_not_fit_are_one_line(tmp_path, content, user_error):
    content["arch"] = {**content["arch"], "width": 0.125}
    with user_error("do not fit the architecture"):
        export(content, tmp_path / "out", half=False)
    assert not (tmp_path / "out").exists()


def test_the_checkpoint_is_left_as_it_was(tmp_path, content):
    before = {name: value.clone() for name, value in content["model"].items()}
    export(content, tmp_path, half=True)
    assert all(torch.equal(content["model"][name], before[name]) for name in before)
    assert content["arch"]["norm"] == "batch"


@pytest.mark.parametrize("given", ["run", "run/ckpt.pt"])
def test_command_takes_a_checkpoint_or_its_folder(tmp_path, monkeypatch, capsys, write_run, small_vgg, given):
    write_run(tmp_path / "run", small_vgg())
    words = ["export", str(tmp_path / given), "--to", str(tmp_path / "out"), "--precision", "fp16"]
    monkeypatch.setattr("sys.argv", words)
    main()
    assert f"--backbone {tmp_path / 'out'}" in capsys.readouterr().out
    assert load_file(tmp_path / "out" / "model.safetensors")["features.0.weight"].dtype == torch.float16


def test_place_that_cannot_be_written_is_named(tmp_path, content, user_error):
    (tmp_path / "file").write_bytes(b"")
    with user_error(tmp_path / "file" / "out", "cannot be written"):
        export(content, tmp_path / "file" / "out", half=False)


def test_places_are_settings_of_the_training_command():
    from train_backbone.config import TrainConfig

    assert set(module.ABOUT_PLACES) <= set(TrainConfig().flat())


def test_folder_of_something_else_is_left_alone(tmp_path, monkeypatch, write_run, small_vgg, user_error):
    write_run(tmp_path / "run", small_vgg())
    other, empty = tmp_path / "other", tmp_path / "empty"
    other.mkdir()
    empty.mkdir()
    (other / "config.json").write_text('{"mine": 1}')
    monkeypatch.setattr("sys.argv", ["export", str(tmp_path / "run"), "--to", str(other)])
    with user_error(f"--to {other}: holds config.json and no export. Give a new or empty folder."):
        main()
    assert (other / "config.json").read_text() == '{"mine": 1}'
    for _ in range(2):  # an earlier export is written anew
        monkeypatch.setattr("sys.argv", ["export", str(tmp_path / "run"), "--to", str(empty)])
        main()
    assert (empty / "model.safetensors").is_file()
