"""Flags beat the file, which beats the dataclass; what a run saved is what starts it again."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from nstkit.config import CommandConfig, as_plain, parse, read_settings, settings_of
from train_backbone.config import TrainConfig
from transfer.config import TransferConfig

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Demo(CommandConfig):
    """One of each kind of setting."""

    size: int = 512
    rate: float | None = None
    is_fast: bool = True
    taps: tuple[str, ...] = ("a",)
    pictures: tuple[Path, ...] = ()
    mode: Literal["one", "two"] = "one"
    out: Path | None = None


@dataclass(frozen=True, kw_only=True)
class PresetDemo(Demo):
    """The same with presets."""

    preset: Literal["quick", "large"] | None = None


def _demo(*words):
    return parse(Demo, "demo", words)


def _write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_nothing_given_is_the_dataclass():
    assert _demo() == Demo()


def test_flags_beat_the_file_which_beats_the_dataclass(tmp_path):
    path = _write(tmp_path / "settings.json", {"size": 100, "seed": 7})
    config = _demo("--config", str(path), "--seed", "9")
    assert (config.size, config.seed, config.mode) == (100, 9, "one")


def test_flags_beat_the_file_whichever_comes_first(tmp_path):
    path = _write(tmp_path / "settings.json", {"size": 100, "taps": ["b", "c"], "is_fast": True, "mode": "two"})
    config = _demo("--size", "3", "--taps", "d", "--no-is-fast", f"--config={path}")
    assert (config.size, config.taps, config.is_fast, config.mode) == (3, ("d",), False, "two")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.json", '{"size": 64, "rate": 1e-4, "is_fast": false, "taps": ["x", "y"], "mode": "two", "out": "o.png"}'),
        ("s.toml", 'size = 64\nrate = 1e-4\nis-fast = false\ntaps = ["x", "y"]\nmode = "two"\nout = "o.png"\n'),
    ],
)
def test_json_and_toml_say_the_same(tmp_path, name, text):
    config = _demo("--config", str(_write(tmp_path / name, text)))
    given = (config.size, config.rate, config.is_fast, config.taps, config.mode, config.out)
    assert given == (64, 1e-4, False, ("x", "y"), "two", Path("o.png"))


def test_none_empty_tuple_and_true_come_back(tmp_path):
    saved = {"rate": None, "out": None, "taps": [], "pictures": [], "is_fast": True, "run_name": None}
    path = _write(tmp_path / "settings.json", saved)
    config = _demo("--config", str(path))
    assert (config.rate, config.out, config.taps, config.pictures) == (None, None, (), ())
    assert config.is_fast is True
    assert config.run_name is None


PRESETS = {"quick": {"size": 64, "taps": ("x", "y"), "is_fast": False}, "large": {"size": 2048, "rate": 0.5}}


def _preset_demo(*words):
    return parse(PresetDemo, "demo", list(map(str, words)), presets=PRESETS)


def test_preset_stands_below_the_file_and_the_flags(tmp_path):
    assert _preset_demo() == PresetDemo()
    config = _preset_demo("--preset", "quick")
    assert config == PresetDemo(preset="quick", size=64, taps=("x", "y"), is_fast=False)
    path = _write(tmp_path / "settings.json", {"size": 100, "rate": 0.25})
    config = _preset_demo("--is-fast", "--preset=quick", "--config", path)
    assert (config.size, config.rate, config.taps, config.is_fast) == (100, 0.25, ("x", "y"), True)


def test_the_last_preset_holds_and_the_command_lines_beats_the_files(tmp_path):
    config = _preset_demo("--preset", "quick", "--preset", "large")
    assert (config.preset, config.size, config.is_fast) == ("large", 2048, True)
    path = _write(tmp_path / "settings.json", {"preset": "quick"})
    assert _preset_demo("--config", path).size == 64
    assert _preset_demo("--config", path, "--preset", "large").size == 2048


def test_no_preset_on_the_command_line_beats_that_of_the_file(tmp_path):
    path = _write(tmp_path / "settings.json", {"preset": "quick"})
    assert _preset_demo("--config", path, "--preset", "None") == PresetDemo(config=path)


def test_none_on_the_command_line_beats_a_value_of_the_file(tmp_path):
    path = _write(tmp_path / "settings.json", {"rate": 0.5})
    assert _demo("--config", str(path), "--rate", "None").rate is None


def test_a_picture_named_twice_stays_twice(tmp_path):
    path = _write(tmp_path / "settings.json", {"pictures": ["a b.png", "c.png", "a b.png"]})
    assert _demo("--config", str(path)).pictures == (Path("a b.png"), Path("c.png"), Path("a b.png"))


def test_unknown_settings_are_all_named_with_the_allowed_ones(tmp_path, user_error):
    path = _write(tmp_path / "settings.json", {"sizes": 3, "size": 3, "colour": "x"})
    with user_error("sizes, colour", "Allowed:", "size,", "taps"):
        _demo("--config", str(path))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("s.json", "{", "not valid JSON or TOML"),
        ("s.json", "[1, 2]", "no settings by name"),
        ("s.toml", "a =", "not valid JSON or TOML"),
        ("s.json", b"\xff\xfe", "not valid JSON or TOML"),
    ],
)
def test_a_broken_file_is_named(tmp_path, user_error, name, text, words):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with user_error(path, words):
        _demo("--config", str(path))


def test_a_missing_file_is_named(tmp_path, user_error):
    with user_error(tmp_path / "no.toml", "No such file"):
        _demo("--config", str(tmp_path / "no.toml"))


@pytest.mark.parametrize("text", ['{"size": "large"}', '{"mode": "three"}'])
def test_a_wrong_value_in_the_file_is_refused_like_a_wrong_flag(tmp_path, capsys, text):
    path = _write(tmp_path / "settings.json", text)
    with pytest.raises(SystemExit) as ended:
        _demo("--config", str(path))
    assert ended.value.code == 2
    assert next(iter(json.loads(text))) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (TransferConfig, "--backbone vgg19 a.pt --content x.png --tv-weight 0 --list-taps --seed 3 --out o --quiet"),
        (TrainConfig, "--width 0.25 --max-steps 5 --resume auto --dataset patterns --device cpu --image-size 40"),
    ],
)
def test_what_a_run_saved_starts_it_again(tmp_path, cls, words):
    config = parse(cls, "x", words.split())
    config = config.resolved(10) if cls is TrainConfig else config.resolved()
    # As `nstkit.runs.Run` writes it.
    saved = {**settings_of(config), "given": settings_of(config), "environment": {"device": "cpu"}}
    path = _write(tmp_path / "config.json", saved)
    again = parse(cls, "x", ["--config", str(path)])
    assert settings_of(again) == settings_of(config)
    assert settings_of(again) != settings_of(cls())


def test_settings_leave_out_how_it_was_called():
    settings = settings_of(Demo(config=Path("c"), quiet=True, debug=True, print_config=True))
    assert not {"config", "quiet", "debug", "print_config"} & set(settings)
    assert settings["taps"] == ["a"]
    assert json.loads(json.dumps(settings)) == settings


def test_as_plain_reaches_into_containers():
    assert as_plain({"a": (Path("b"), [Demo().runs_dir]), 3: None}) == {"a": ["b", ["runs"]], "3": None}


def test_read_settings_keeps_types(tmp_path):
    path = _write(tmp_path / "s.toml", 'a = 1\nb = 1.5\nc = true\nd = ["x"]\n')
    assert read_settings(path) == {"a": 1, "b": 1.5, "c": True, "d": ["x"]}


@pytest.mark.parametrize("command", ["train_backbone", "transfer", "nstkit.export"])
def test_help_does_not_wait_for_torch(command):
    script = f"""
import runpy, sys
sys.argv = ["x", "--help"]
try:
    runpy.run_module("{command}", run_name="__main__")
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "False\n")
    assert f"usage: python -m {command}" in done.stdout
