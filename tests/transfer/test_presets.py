"""Every preset is a command line that paints: what it sets, what beats it, and which networks it goes with."""

import json
from typing import get_args

import pytest
import torch
from PIL import Image

from nstkit.config import parse, settings_of
from nstkit.errors import UserError
from transfer.__main__ import main
from transfer.config import TransferConfig
from transfer.painting.settings import split_weights
from transfer.presets import IDENTITY_BLOCKS, PRESETS, PresetName

TINY = ("--device", "cpu", "--precision", "fp32", "--steps", "2", "--quiet", "--judge", "none")


def read(*words):
    return parse(TransferConfig, "transfer", list(map(str, words)), presets=PRESETS)


def test_every_name_has_its_settings_and_a_line():
    assert set(get_args(PresetName)) == set(PRESETS)
    for preset in PRESETS.values():
        assert preset.__doc__.partition("\n")[0].endswith((".", ":"))


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_what_it_says_and_the_defaults_for_the_rest(name):
    config = read("--preset", name)
    assert config == TransferConfig.of(preset=name, **PRESETS[name]({}))
    resolved = config.resolved().flat()
    named = ("content_weight", "style_weight", "tv_weight", "optimizer", "init", "steps", "scales", "style_taps")
    assert {key: resolved[key] for key in named} == {key: config.flat()[key] for key in named}  # nothing is left open
    assert resolved["canvas"] == "pixels"


@pytest.mark.parametrize("name", PRESETS)
def test_flags_and_files_beat_the_preset(name, tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text(f'preset = "{name}"\nsteps = 7\ntv-weight = 0.5\n')
    config = read("--config", path, "--steps", 9, "--backbone", "carried")
    assert (config.optimization.steps, config.losses.tv_weight) == (9, 0.5)
    assert config.network.backbone == ("carried",)
    preset = read("--preset", name)
    again = config.changed(config=None, steps=preset.optimization.steps, tv_weight=preset.losses.tv_weight)
    assert again.changed(backbone=preset.network.backbone) == preset


@pytest.mark.parametrize("name", PRESETS)
def test_settings_that_a_run_saved_give_it_again(name, tmp_path):
    config = read("--preset", name, "--seed", 4).resolved()
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**settings_of(config), "given": {}, "environment": {}}))
    assert settings_of(read("--config", path)) == settings_of(config)


@pytest.mark.parametrize(
    ("backbone", "style", "content"),
    [
        ("vgg16@random", [f"pool{block}" for block in range(1, 6)], "pool4"),
        ("carried", [f"pool{block}" for block in range(1, 6)], "pool4"),
        ("resnet50.a1_in1k", [f"stage{stage}" for stage in range(5)], "stage3"),
        ("inception_v3@random", ["stage0", "Pool1", "Pool2", "stage2", "stage3"], "stage2"),
    ],
)
def test_one_paper_takes_other_layers_of_each_network(backbone, style, content):
    losses = read("--preset", "gupta2019", "--backbone", backbone).losses
    assert losses.style_taps == tuple(style)
    assert losses.content_taps == (content,)


@pytest.mark.parametrize("backbones", [("densenet121",), ("vgg19", "resnet50")])
def test_networks_that_a_paper_has_no_layers_for_are_refused(backbones):
    with pytest.raises(UserError) as error:
        read("--preset", "gupta2019", "--backbone", *backbones)
    assert str(error.value) == (
        f"--preset gupta2019 with --backbone {' '.join(backbones)}: give vgg16, vgg19, resnet50 or inception_v3, one "
        "at a time."
    )


def test_networks_of_the_papers_have_their_layers():
    from timm import create_model

    with torch.device("meta"):
        modules = {name for name, _ in create_model("resnet50").named_modules()}
    assert len(IDENTITY_BLOCKS) == 12
    for name in ("basheer2021", "gupta2019-twelve"):
        losses = read("--preset", name).losses
        assert {*split_weights(losses.style_taps, ""), *losses.content_taps} <= modules
    assert len(read("--preset", "basheer2021").losses.style_taps) == 8


def test_network_without_the_papers_layers_is_one_line(call_command, checkpoint, tmp_path, capsys):
    words = ("--preset", "basheer2021", "--backbone", checkpoint, "--runs-dir", tmp_path / "runs", *TINY)
    assert call_command(main, *words) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: --preset basheer2021: tap 'layer1.0.act2' is not in tiny. Allowed: conv1_1,")
    assert said.endswith("Or give another --backbone.")
    assert "\n" not in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.filterwarnings("ignore:no canvas was better than the first")  # of a tiny network, in two steps
@pytest.mark.parametrize(("name", "loss"), [("balaji2021-sgd", "keras"), ("elmitwally2022", "tensorflow")])
def test_preset_paints(name, loss, call_command, checkpoint, pictures, tmp_path):
    words = ("--preset", name, "--backbone", checkpoint, "--runs-dir", tmp_path, "--run-name", "x")
    pair = ("--content", pictures / "content" / "boat.png", "--style", pictures / "style" / "dots.jpg")
    size = ("--rows", "40") if name == "balaji2021-sgd" else ("--size", "48")
    taps = ("--content-taps", "relu4_2", "--out", tmp_path / "x.tif", "--animation", "gif")
    assert call_command(main, *words, *pair, *TINY, *size, *taps) == 0
    settings = json.loads((tmp_path / "transfer" / "x" / "config.json").read_text())
    assert (settings["preset"], settings["given"]["preset"]) == (name, name)
    assert settings["loss"] == loss
    again = read("--config", tmp_path / "x.tif")
    assert {name: settings[name] for name in settings if name not in ("given", "environment")} == settings_of(again)
    for suffix in ("png", "gif"):
        with Image.open(tmp_path / "transfer" / "x" / "images" / f"boat-dots.{suffix}") as picture:
            assert picture.size == ((50, 40) if "--rows" in size else (48, 38))
