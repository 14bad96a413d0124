"""Every preset is a command line; flags beat the file, which beats the preset."""

import json
from typing import get_args

import pytest

from nstkit.config import parse, settings_of
from nstkit.errors import UserError
from train_backbone.config import TrainConfig
from train_backbone.presets import PRESETS, PresetName


def read(*words):
    return parse(TrainConfig, "train_backbone", list(map(str, words)), presets=PRESETS)


def test_every_name_has_its_settings():
    assert set(get_args(PresetName)) == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_what_it_says_and_the_defaults_for_the_rest(name):
    config = read("--preset", name)
    assert config == TrainConfig.of(preset=name, **PRESETS[name]({}))
    resolved = config.resolved(350).flat()
    assert resolved["max_steps"] == 350 * config.recipe.epochs
    assert None not in [resolved[open_one] for open_one in ("lr", "patience", "ema", "init")]


@pytest.mark.parametrize("name", PRESETS)
def test_flags_beat_the_preset_whichever_comes_first(name):
    for words in (("--preset", name, "--epochs", 3, "--clip", 0.5), ("--epochs", 3, "--clip", 0.5, f"--preset={name}")):
        config = read(*words)
        assert (config.recipe.epochs, config.recipe.clip) == (3, 0.5)
        preset = read("--preset", name)
        assert config.changed(epochs=preset.recipe.epochs, clip=preset.recipe.clip) == preset


def test_flags_beat_the_file_which_beats_the_preset(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"epochs": 7, "weight_decay": 0.9}))
    for words in (
        ("--preset", "cpu", "--config", path, "--weight-decay", 0.3),
        ("--weight-decay", 0.3, "--config", path, "--preset", "cpu"),
    ):
        recipe = read(*words).recipe
        assert (recipe.schedule, recipe.epochs, recipe.weight_decay) == ("onecycle", 7, 0.3)


def test_preset_may_stand_in_the_file(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('preset = "fast"\nlr = 0.5\n')
    config = read("--config", path)
    assert (config.run.preset, config.recipe.batch_size, config.recipe.lr) == ("fast", 1024, 0.5)
    assert config.augmentation.progressive == (20, 24)
    config = read("--config", path, "--preset", "cpu")
    assert (config.run.preset, config.recipe.batch_size, config.recipe.lr) == ("cpu", 128, 0.5)
    assert config.recipe.epochs == 20


@pytest.mark.parametrize("name", PRESETS)
def test_settings_that_a_run_saved_give_it_again(name, tmp_path):
    """Also where the preset has changed since: its values stand in the file."""
    config = read("--preset", name, "--seed", 4).resolved(100)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**settings_of(config), "given": {}, "environment": {}}))
    assert settings_of(read("--config", path)) == settings_of(config)


def test_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(UserError) as error:
        read("--preset", "slow")
    assert str(error.value) == f"not allowed: --preset slow ({', '.join(PRESETS)})."
