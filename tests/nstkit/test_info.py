"""What a file holds is said as it is, nothing that it names is run, and a bad file is one line."""

import contextlib
import json
import sys

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from nstkit.backbones.build import build_network
from nstkit.checkpoint import FORMAT, write_checkpoint
from nstkit.errors import UserError
from nstkit.export import export
from nstkit.info import describe, guess_family, main
from nstkit.pictures.save import save_picture


def _words(path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["info", str(path)])
    main()
    return " ".join(capsys.readouterr().out.split())


def test_checkpoint(tmp_path, write_run, small_vgg):
    network = small_vgg("vgg13", norm="batch", width=0.0625)
    write_run(tmp_path / "run", network)
    for path in (tmp_path / "run", tmp_path / "run" / "ckpt.pt"):
        found = describe(path)
        assert found["kind"] == "checkpoint of train_backbone, version 1"
        assert found["network"] == "vgg13, batch norm, width 0.0625, global average pooling and one linear layer"
        count = sum(value.numel() for value in network.parameters())
        assert found["parameters"] == f"{count:,} in {len(network.state_dict())} tensors, float32"
        assert found["classes"] == "3: class0, class1, class2"
        assert found["input"] == "32 px, mean (0.4000, 0.5000, 0.6000), deviation (0.2000, 0.2500, 0.3000)"
        assert found["taps"] == "style relu1_1 relu2_1; content conv3_1"
        assert found["quality"] == "extractor/top1 0.5000, val/top1 0.2500"
        assert found["training"].startswith("python -m train_backbone --arch vgg13 --norm batch --width 0.0625")
        assert "someone" not in found["training"]
        assert found["made with"] == "device cpu, torch 2"
        assert found["paint"].endswith(f"python -m transfer --backbone {path}")


def test_checkpoint_to_resume_from_and_without_quality(tmp_path, make_content, small_vgg):
    content = make_content(small_vgg(), quality={}, training={"step": 120, "model": {}})
    write_checkpoint(tmp_path / "last.pt", content)
    found = describe(tmp_path / "last.pt")
    assert found["kind"] == "checkpoint of train_backbone, version 1, can be resumed from step 120"
    assert found["quality"] == "not measured"


def test_defaults_are_left_out_of_the_training(tmp_path, make_content, small_vgg):
    content = make_content(small_vgg(), config={"arch": "vgg11", "dataset": "patterns", "epochs": 3})
    write_checkpoint(
        tmp_path / "a.pt", {**content, "defaults": {"arch": "vgg19", "dataset": "patterns", "epochs": 100}}
    )
    assert describe(tmp_path / "a.pt")["training"] == "python -m train_backbone --arch vgg11 --epochs 3"


@pytest.mark.parametrize("given", ["out", "out/model.safetensors"])
def test_exported_folder(tmp_path, make_content, small_vgg, given):
    export(make_content(small_vgg(norm="batch")), tmp_path / "out", half=True)
    found = describe(tmp_path / given)
    assert found["kind"] == "exported folder of nstkit"
    assert found["network"] == "vgg11, no norm, width 0.0625, global average pooling and one linear layer"
    assert found["parameters"].endswith(" in 18 tensors, float16")
    assert found["paint"].endswith(f"--backbone {tmp_path / 'out'}")


def test_the_carried_one(monkeypatch, capsys):
    words = _words("carried", monkeypatch, capsys)
    assert "kind: exported folder of nstkit network: vgg19, no norm, width 0.25" in words
    assert "parameters: 1,265,780 in 34 tensors, float16" in words


@pytest.mark.parametrize(
    ("arch", "network"),
    [
        (
            {"arch": "test_resnet", "library": "timm", "classes": 3, "small_stem": True},
            "test_resnet of timm's, with a stem for small pictures",
        ),
        ({"arch": "test_resnet", "library": "timm", "classes": 3, "small_stem": False}, "test_resnet of timm's"),
        (
            {"arch": "vgg11", "norm": "none", "width": 0.0625, "classes": 3, "head": "fc4096"},
            "vgg11, no norm, width 0.0625, the paper's head",
        ),
    ],
)
def test_networks_of_other_kinds(tmp_path, make_content, arch, network):
    write_checkpoint(tmp_path / "a.pt", make_content(build_network(arch)))
    assert describe(tmp_path / "a.pt")["network"] == network


def test_factory_that_a_file_names_is_told_and_not_imported(tmp_path, monkeypatch, make_content):
    (tmp_path / "not_for_info.py").write_text("raise SystemError('it ran')")
    monkeypatch.syspath_prepend(tmp_path)
    network = nn.Conv2d(3, 4, 3)
    network.arguments = {"arch": "not_for_info:build", "library": "factory", "classes": 3}
    write_checkpoint(tmp_path / "a.pt", make_content(network))
    found = describe(tmp_path / "a.pt")
    assert found["network"] == "made by not_for_info:build, code that is only run with --arch not_for_info:build"
    assert found["paint"].endswith("--arch not_for_info:build")
    assert found["parameters"] == "112 in 2 tensors, float32"
    assert "not_for_info" not in sys.modules


# Weights of other programs


def test_foreign_weights(tmp_path, monkeypatch, capsys):
    with torch.device("meta"):
        reference = models.vgg11(init_weights=False).features
    weights = {
        f"module.features.{name}": torch.zeros(value.shape, dtype=torch.half)
        for name, value in reference.state_dict().items()
    }
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / "w.pth")
    words = _words(tmp_path / "w.pth", monkeypatch, capsys)
    count = sum(value.numel() for value in reference.parameters())
    assert "kind: weights of another program network: perhaps vgg11, by the names of its tensors" in words
    assert f"parameters: {count:,} in 16 tensors, float16" in words
    assert (
        "tensors: features.0.weight (64, 3, 3, 3), features.0.bias (64,), features.3.weight (128, 64, 3, 3), ..."
        in words
    )
    assert words.endswith(f"python -m transfer --backbone vgg11@{tmp_path / 'w.pth'}")


def test_foreign_safetensors_and_number_formats(tmp_path):
    weights = {
        "a.weight": torch.zeros(3, 4),
        "b.weight": torch.zeros(5, dtype=torch.float16),
        "b.running_mean": torch.ones(9),
    }
    save_file(weights, tmp_path / "w.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "other"}')
    found = describe(tmp_path / "w.safetensors")
    assert found["kind"] == "weights of another program"
    assert found["parameters"] == "17 in 3 tensors, float32 and float16"
    assert found["paint"].endswith(f"NAME@{tmp_path / 'w.safetensors'}")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, (name, True)) for name in ("vgg11", "vgg13", "vgg16", "vgg19", "vgg16_bn", "vgg19_bn")),
        *((name, (name, True)) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")),
        ("wide_resnet50_2", ("a ResNet", False)),
        ("resnext50_32x4d", ("a ResNet", False)),
        ("densenet121", ("a DenseNet", False)),
        ("squeezenet1_1", ("a SqueezeNet of torchvision's", False)),
        ("convnext_tiny", ("a ConvNeXt", False)),
        ("efficientnet_b0", ("an EfficientNet or MobileNet of torchvision's", False)),
        ("mobilenet_v3_small", ("an EfficientNet or MobileNet of torchvision's", False)),
        ("vit_b_32", ("a vision transformer, which has no maps", False)),
        ("shufflenet_v2_x0_5", ("a network that this command does not know", False)),
    ],
)
def test_family_of_torchvisions(name, expected):
    with torch.device("meta"):
        assert guess_family(models.get_model(name).state_dict()) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet50", "resnet50"),
        ("resnet18d", "a ResNet"),
        ("convnext_atto", "a ConvNeXt"),
        ("efficientnet_b0", "an EfficientNet or MobileNet of timm's"),
        ("mobilenetv3_small_050", "an EfficientNet or MobileNet of timm's"),
        ("inception_v3", "an Inception"),
        ("vit_tiny_patch16_224", "a vision transformer, which has no maps"),
    ],
)
def test_family_of_timms(name, expected):
    with torch.device("meta"):
        assert guess_family(timm.create_model(name).state_dict())[0] == expected


def test_a_narrow_vgg_is_not_offered_by_name(small_vgg):
    assert guess_family(small_vgg("vgg11", norm="batch").state_dict()) == ("a narrow vgg11_bn", False)


# Bad files


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.txt", b"hello"),
        ("a.pt", b""),
        ("a.safetensors", b"hello, this is text"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(40)),
    ],
)
def test_bad_file_is_one_line(tmp_path, user_error, name, content):
    (tmp_path / name).write_bytes(content)
    with user_error(name):
        describe(tmp_path / name)


def test_what_is_not_there_or_holds_nothing_is_one_line(tmp_path, user_error, make_content, small_vgg):
    with user_error("vgg19: no such file or folder"):
        describe(tmp_path / "vgg19")
    with user_error("neither model.safetensors nor ckpt.pt"):
        describe(tmp_path)
    for content in ({"epoch": 3}, 3, ["conv1.weight"]):
        torch.save(content, tmp_path / "a.pt")
        with user_error("a.pt: holds no weights by name"):
            describe(tmp_path / "a.pt")
    torch.save({"format": FORMAT, "version": 99}, tmp_path / "b.pt")
    with user_error("b.pt: version 99"):
        describe(tmp_path / "b.pt")
    export(make_content(small_vgg()), tmp_path / "out", half=False)
    (tmp_path / "out" / "config.json").write_text('{"nstkit": {')
    with user_error("out: not a whole exported backbone"):
        describe(tmp_path / "out")


def test_names_in_a_file_do_not_steer_the_terminal(tmp_path, monkeypatch, capsys, make_content, small_vgg):
    content = make_content(small_vgg(), classes=["\x1b[2J", "b\x07c", "\u202ed"])
    write_checkpoint(tmp_path / "a.pt", content)
    torch.save({"evil\x1b]0;x\x07.weight": torch.ones(3)}, tmp_path / "b\x1b[31m.pth")
    for path in (tmp_path / "a.pt", tmp_path / "b\x1b[31m.pth"):
        monkeypatch.setattr("sys.argv", ["info", str(path)])
        main()
    printed = capsys.readouterr().out
    assert "\\x1b[2J, b\\x07c, \\u202ed" in printed
    assert "evil\\x1b]0;x\\x07.weight" in printed
    assert all(letter.isprintable() or letter == "\n" for letter in printed)


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"step": "\x1b"}},
        {"training": [1]},
        {"defaults": {"lr": [1, [2]]}},
        {"arch": {"arch": "x" * 10_000, "library": "timm", "classes": 3}},
        {"config": {"dataset": "d", "lr": {"a": 1}, "seed": 2**70}},
        {"quality": {"extractor/top1": float("nan")}},
        {"history": [{"epoch": float("inf")}]},
        {"environment": {"torch": "2", "device": "cpu", "more": None}},
    ],
)
def test_odd_checkpoint_is_told_or_one_line(tmp_path, make_content, small_vgg, change):
    write_checkpoint(tmp_path / "a.pt", make_content(small_vgg(), **change))
    with contextlib.suppress(UserError):
        assert all(isinstance(line, str) for line in describe(tmp_path / "a.pt").values())


def test_deep_json_beside_weights_is_one_line(tmp_path, make_content, small_vgg, user_error):
    export(make_content(small_vgg()), tmp_path / "out", half=False)
    (tmp_path / "out" / "config.json").write_text('{"nstkit": ' + "[" * 200_000 + "]" * 200_000 + "}")
    with user_error("out: not a whole exported backbone"):
        describe(tmp_path / "out")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_picture_that_was_painted_says_what_with(tmp_path, suffix):
    made_by = {"backbone": "vgg19", "settings": {"steps": 7, "out": None, "content": ["a b.png"], "loss": "gatys"}}
    made_by |= {"losses": {"loss/style": 0.25}, "judges": {}}
    path = tmp_path / f"a{suffix}"
    save_picture(torch.zeros(1, 3, 8, 8), path, {"nstkit": json.dumps(made_by)})
    found = describe(path)
    assert found["kind"] == "picture with its settings inside"
    assert (found["network"], found["losses"]) == ("vgg19", "loss/style 0.25")
    assert found["settings"] == "steps 7, content 'a b.png', loss gatys"
    assert found["again"].endswith(f"python -m transfer --config {path}")
    assert "judges" not in found


def test_picture_that_says_nothing_is_one_line(tmp_path):
    save_picture(torch.zeros(1, 3, 8, 8), tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png: no picture with its settings inside"):
        describe(tmp_path / "a.png")
