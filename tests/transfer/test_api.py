"""The one call from Python."""

import importlib.util
import inspect
import io
import json
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import numpy as np
import pytest
import torch
from PIL import Image

import transfer
from nstkit.errors import UserError
from nstkit.pictures.tensors import as_image
from transfer import stylize
from transfer.config import NetworkSettings
from transfer.painting.settings import PaintSettings

QUICK = {"device": "cpu", "precision": "fp32", "steps": 3}


def test_package_offers_the_function_whatever_is_imported_first():
    importlib.import_module("transfer.api")  # no submodule has the function's name, so none can take its place
    assert isinstance(transfer.stylize, FunctionType)
    assert transfer.stylize is stylize
    assert importlib.util.find_spec("transfer.stylize") is None
    with pytest.raises(AttributeError, match="no attribute 'stylise'"):
        transfer.stylise  # noqa: B018


@pytest.mark.parametrize(("size", "expected"), [((90, 60), (48, 32)), ((40, 80), (24, 48)), ((30, 30), (48, 48))])
def test_picture_in_picture_out_with_the_longer_side_asked_for(size, expected, backbone, draw_picture):
    result = stylize(draw_picture(size), draw_picture((64, 50), 1), backbone=backbone, size=48, **QUICK)
    assert isinstance(result, Image.Image)
    assert result.mode == "RGB"
    assert result.size == expected
    assert np.std(result) > 5


def test_tensor_in_tensor_out_of_the_same_shape(backbone, content, style):
    result = stylize(content, style, backbone=backbone, size=32, **QUICK)
    assert result.shape == content.shape
    assert 0 <= result.min() <= result.max() <= 1
    assert not torch.equal(result, content)
    assert not result.requires_grad


def test_style_may_be_of_the_other_kind(backbone, content, draw_picture):
    assert isinstance(stylize(content, draw_picture((64, 50)), backbone=backbone, **QUICK), torch.Tensor)
    assert isinstance(stylize(draw_picture((64, 50)), content, backbone=backbone, size=48, **QUICK), Image.Image)


def test_files_and_arrays_are_painted_as_the_picture_they_hold(backbone, draw_picture, tmp_path):
    content, style = draw_picture((80, 60)), draw_picture((64, 50), 1)
    content.save(tmp_path / "content.png")
    style.save(tmp_path / "style.png")
    expected = stylize(content, style, backbone=backbone, size=48, **QUICK)
    for given in (str(tmp_path / "content.png"), np.asarray(content), np.asarray(content) / 255):
        result = stylize(given, tmp_path / "style.png", backbone=backbone, size=48, **QUICK)
        assert isinstance(result, Image.Image)
        assert np.abs(np.asarray(result, int) - np.asarray(expected)).max() <= 1


def test_bytes_and_numbers_of_a_tensor_give_the_same(backbone, content, style):
    levels = (255 * content).round().byte()
    as_bytes = stylize(levels[0], style, backbone=backbone, **QUICK)
    as_numbers = stylize((levels / 255).double(), style, backbone=backbone, **QUICK)
    assert as_bytes.shape == content.shape
    torch.testing.assert_close(as_bytes, as_numbers, rtol=0, atol=1e-4)


def test_grey_and_transparent_pictures_are_taken(backbone, draw_picture):
    grey, clear = draw_picture((40, 40)).convert("L"), draw_picture((40, 40)).convert("RGBA")
    assert stylize(grey, clear, backbone=backbone, size=40, **QUICK).size == (40, 40)


def test_backbone_by_name_or_loaded_gives_the_same(checkpoint, content, style):
    from nstkit.backbones.prepare import load_backbone

    by_name = stylize(content, style, backbone=str(checkpoint), **QUICK)
    loaded = stylize(content, style, backbone=load_backbone(str(checkpoint)), **QUICK)
    # Not bit for bit: each call measures anew which memory format is faster.
    torch.testing.assert_close(by_name, loaded, rtol=0, atol=1e-4)


def test_same_seed_same_result(backbone, content, style):
    first, again, other = (
        stylize(content, style, backbone=backbone, init="noise", canvas="pixels", seed=seed, **QUICK)
        for seed in (0, 0, 1)
    )
    torch.testing.assert_close(first, again, rtol=0, atol=1e-4)
    assert (first - other).abs().mean() > 0.1


def test_settings_hold(backbone, content, style):
    gentle, strong = (
        stylize(content, style, backbone=backbone, style_weight=weight, **{**QUICK, "steps": 10})
        for weight in (0.01, 100.0)
    )
    assert (strong - content).abs().mean() > 2 * (gentle - content).abs().mean()


def test_mistakes_are_user_errors(backbone, content, style):
    with pytest.raises(UserError, match="--size 3 "):
        stylize(content, style, backbone=backbone, size=3)
    with pytest.raises(UserError, match="tap 'relu9_1' is not in"):
        stylize(content, style, backbone=backbone, style_taps=("relu9_1",), **QUICK)
    with pytest.raises(UserError, match="no such checkpoint"):
        stylize(content, style, backbone="nowhere/ckpt.pt", **QUICK)


# Both doors: what the command refuses, the function refuses


def test_defaults_are_those_of_the_command():
    settings = {**PaintSettings().flat(), **NetworkSettings().flat(), "mode": "transfer", "size": 512, "device": "auto"}
    settings |= {"style_scale": 1.0, "blend": (), "content_mask": None, "style_mask": None, "region_weights": ()}
    settings |= {"preset": None, "rows": None, "full": False, "progress": False}
    parameters = inspect.signature(stylize).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    del defaults["content"], defaults["style"]
    assert defaults.pop("backbone") == "carried"
    del settings["backbone"], settings["list_taps"], settings["list_backbones"]
    assert defaults == settings


def test_every_argument_is_documented():
    documented = stylize.__doc__
    for name in inspect.signature(stylize).parameters:
        assert f"        {name}: " in documented


WRONG = {  # settings by the message; each is what somebody typed
    "--gauge canon (raw, canonical; did you mean 'canonical'?)": {"gauge": "canon"},
    "--mode textur (transfer, texture, content; did you mean 'texture'?)": {"mode": "textur"},
    "--padding mirror (zero, replicate, reflect)": {"padding": "mirror"},
    "--equalize grad (none, loss, gradient; did you mean 'gradient'?)": {"equalize": "grad"},
    "--loss gaty (relative, gatys, neural-style, keras, tensorflow; did you mean 'gatys'?)": {"loss": "gaty"},
    "--device gpu (auto, cuda, mps, cpu, cuda:N": {"device": "gpu"},
    "--precision half (auto, fp32, bf16, fp16": {"precision": "half"},
    "--steps 2.5 (a whole number)": {"steps": 2.5},
    "--steps True (a whole number)": {"steps": True},
    "--steps 0 (at least 1)": {"steps": 0},
    "--lr nan (a finite number)": {"lr": float("nan")},
    "--seconds inf (a finite number)": {"seconds": float("inf")},
    "--style-weight strong (a number)": {"style_weight": "strong"},
    "--size 3 (at least 32)": {"size": 3},
    "--style-taps relu1_1 (a list)": {"style_taps": "relu1_1"},
    "--normalize-gradients yes (True or False)": {"normalize_gradients": "yes"},
    "--average 1.0 (at least 0, below 1)": {"average": 1.0},
    "unknown settings: stepz. Did you mean 'steps'?": {"stepz": 3},
    "unknown settings: out.": {"out": "a.png"},
    "unknown settings: judge.": {"judge": ["vgg19"]},
    "unknown settings: list_taps.": {"list_taps": True},
    "unknown settings: run_name.": {"run_name": "me"},
    "--seed -1 (at least 0)": {"seed": -1},
    "--init nose: no such picture": {"init": "nose"},
    "tap 'relu9_1' is not in": {"style_taps": ["relu9_1"]},
    "no network 'vgg91'": {"backbone": "vgg91"},
    "backbone: int is none. Give a name": {"backbone": 19},
    "init: int is no picture. Give a Pillow picture, a file, or one": {"init": 3},
}
SCRIPT = """
import json, sys, torch
from transfer import stylize
from nstkit.errors import UserError
from nstkit.pictures.tensors import as_image
content, style = torch.rand(1, 3, 40, 48), torch.rand(1, 3, 40, 48)
pictures = {
    "list": [1, 2], "file": "nowhere/photo.jpg", "int64": torch.randint(0, 255, (1, 3, 40, 48)),
    "levels": 255 * torch.rand(1, 3, 40, 48), "nan": content * float("nan"), "batch": torch.rand(2, 3, 40, 48),
}
said = []
for settings in json.load(sys.stdin):
    wrong = settings.pop("content", None)
    try:
        stylize(content if wrong is None else pictures[wrong], style, **settings)
        said.append("nothing")
    except UserError as error:
        said.append(str(error))
print(json.dumps(said))
"""
PICTURES = {
    "content: list is no picture. Give a Pillow picture, a file, or one picture as array or tensor": {
        "content": "list"
    },
    "nowhere/photo.jpg: no such picture": {"content": "file"},
    "content: numbers of int64": {"content": "int64"},
    "content: float32 values from 0": {"content": "levels"},
    "content: some values are nan": {"content": "nan"},
    "content: 2 pictures at once": {"content": "batch"},
}


def test_wrong_values_are_each_one_clear_error():
    """In a process of its own: the checks of types that these tests run under would come first."""
    wrong = {**WRONG, **PICTURES}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(list(wrong.values())),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for expected, said in zip(wrong, json.loads(done.stdout), strict=True):
        assert expected in said
        assert "\n" not in said


def test_it_offers_what_it_lists():
    assert {"Result", "gram_matrix", "judge", "judges", "painting", "stylize"} <= set(dir(transfer))
    assert all(getattr(transfer, name) is not None for name in dir(transfer))


class Net(torch.nn.Module):
    """A network of one's own, in training mode and with an activation in place."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layers = [layer for k in (3, 8, 8) for layer in (torch.nn.Conv2d(k, 8, 3, 2, 1), torch.nn.ReLU(inplace=True))]
        self.body = torch.nn.Sequential(*layers)
        self.head = torch.nn.Linear(8, 5)

    def forward(self, picture):
        return self.head(self.body(picture).mean((2, 3)))


def test_network_of_ones_own_paints_and_stays_as_it_is(content, style):
    network = Net()
    result = stylize(content, style, backbone=network, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), full=True, **QUICK)
    assert network.training
    assert network.body[1].inplace
    assert network.head.weight.requires_grad
    assert result.settings["backbone"] == "Net"
    assert set(result.grams) == set(result.style_grams)
    assert result.losses["loss/style"][-1] < result.losses["loss/style"][0]
    with pytest.raises(UserError, match="swap with a network that has no name"):
        stylize(content, style, backbone=network, swap=("stage0@random",), **QUICK)


def test_full_result_holds_what_is_known_and_draws_itself(backbone, draw_picture):
    content, style = draw_picture((72, 56)), draw_picture((64, 50), 1)
    plain = stylize(content, style, backbone=backbone, size=64, **QUICK)
    seen = []
    result = stylize(content, style, backbone=backbone, size=64, full=True, progress=seen.append, **QUICK)
    assert np.array_equal(result.picture, plain)
    assert [step.number for step in seen] == [1, 2, 3]
    assert result.losses["loss/total"] == [step.scalars["loss/total"] for step in seen]
    assert (result.settings["size"], result.settings["steps"], result.settings["optimizer"]) == (64, 3, "lbfgs")
    maps = backbone.features(result.painting.image, ["relu1_1"])["relu1_1"][0].flatten(1)
    torch.testing.assert_close(result.grams["relu1_1"], maps @ maps.T / maps.shape[1], rtol=1e-4, atol=1e-6)
    assert not torch.allclose(result.grams["relu1_1"], result.style_grams["relu1_1"], rtol=0.01)
    with Image.open(io.BytesIO(result._repr_png_())) as drawn:
        assert np.array_equal(drawn, plain)
    page = result._repr_html_()
    assert "judge/style" not in page
    assert result.judges["judge/content"] <= 1
    assert "judge/style" in result._repr_html_()
    assert result.judges == transfer.judge(result.painting.image, *(as_image(x, "x", 64) for x in (content, style)))
    assert "data:image/jpeg;base64," in page
    assert "<polyline" in page
    assert repr(result).startswith("Result(64 x 50 px, vgg11-random0, 3 evaluations, ")


def test_bar_counts_the_evaluations(backbone, content, style, capsys):
    stylize(content, style, backbone=backbone, progress=True, **QUICK)
    assert "3/3" in capsys.readouterr().err


def test_preset_beneath_what_is_given(backbone, draw_picture):
    pictures = draw_picture((60, 40)), draw_picture((40, 40), 1)
    given = {"style_taps": ("relu1_1",), "content_taps": ("relu2_1",), "backbone": backbone, "device": "cpu"}
    result = stylize(*pictures, preset="balaji2021-sgd", rows=64, steps=2, precision="fp32", full=True, **given)
    assert result.picture.size == (96, 64)
    used = result.settings
    assert (used["loss"], used["lr"], used["lr_decay"], used["steps"]) == ("keras", 100.0, 0.96, 2)
    assert used["style_taps"] == ("relu1_1",)
    with pytest.raises(UserError, match=r"preset gatys: not known\. Did you mean 'gatys2016'\? Allowed: gatys2016, "):
        stylize(*pictures, preset="gatys")


def test_too_few_steps_from_noise_are_said(backbone, content, style):
    given = {"style_taps": ("relu1_1",), "content_taps": ("relu2_1",), "pooling": "max", "gauge": "raw"}
    with pytest.warns(UserWarning, match="--steps 2 of the 500 that gatys2016 takes to get away from noise"):
        stylize(content, style, preset="gatys2016", backbone=backbone, **given, **{**QUICK, "steps": 2})


def test_loaded_backbone_is_not_changed_by_settings_it_cannot_follow(backbone, content, style):
    with pytest.raises(UserError, match=r"pooling, swap with a backbone that is loaded already"):
        stylize(content, style, backbone=backbone, pooling="avg", swap=("relu1_1@random",), **QUICK)


def test_picture_to_start_from(backbone, content, style, draw_picture):
    for init in (draw_picture((30, 70), 5), 0.25 * torch.ones(1, 3, 8, 9)):
        first = stylize(content, style, backbone=backbone, init=init, **{**QUICK, "steps": 1})
        assert first.shape == content.shape
        assert (first - content).abs().mean() > 0.05
    grey = stylize(content, style, backbone=backbone, init=0.25 * torch.ones(1, 3, 8, 9), **{**QUICK, "steps": 1})
    torch.testing.assert_close(grey, torch.full_like(grey, 0.25), rtol=0, atol=0.01)


def test_nothing_of_the_callers_changes(draw_picture):
    from nstkit.backbones.prepare import load_backbone

    threads = torch.get_num_threads()
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    network = load_backbone("vgg11_bn@random:1")
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    content, style = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(0)), draw_picture((40, 32))
    original = content.clone()
    result = stylize(content, style, backbone=network, size=40, init="noise", **QUICK)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert torch.equal(content, original)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert not network.network.training
    assert result.shape == content.shape


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_that_the_caller_has_switched_off_are_computed_all_the_same(mode, backbone, draw_picture):
    pictures = draw_picture((40, 32)), draw_picture((40, 32), 1)
    expected = stylize(*pictures, backbone=backbone, size=40, **QUICK)
    with mode():
        assert np.array_equal(stylize(*pictures, backbone=backbone, size=40, **QUICK), expected)


def test_paths_name_networks_and_first_canvases(checkpoint, content, style, draw_picture, tmp_path):
    draw_picture((48, 32), seed=7).save(tmp_path / "start.png")
    by_text, by_path = (
        stylize(content, style, backbone=kind(checkpoint), init=kind(tmp_path / "start.png"), steps=2, device="cpu")
        for kind in (str, Path)
    )
    assert torch.equal(by_text, by_path)


def test_settings_without_an_effect_are_said(backbone, content, style):
    with pytest.warns(UserWarning, match="--history 5 is not used: it has an effect only with --optimizer lbfgs"):
        stylize(content, style, backbone=backbone, optimizer="adam", history=5, style_taps=[], steps=1, device="cpu")
