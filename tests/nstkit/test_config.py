"""Flags beat the file, which beats the dataclass; what a run saved is what starts it again."""

import contextlib
import importlib
import io
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, fields, make_dataclass
from pathlib import Path
from typing import Literal

import pytest

from nstkit.command_help import field_docstrings
from nstkit.config import CommandConfig, RunSettings, as_plain, parse, settings_of
from nstkit.errors import UserError
from nstkit.quality.config import QualityConfig
from nstkit.settings import Settings
from nstkit.settings_file import read_settings
from train_backbone.config import TrainConfig
from transfer.config import TransferConfig

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Work(Settings):
    """What is done."""

    size: int = 512
    """Side of the picture [px]. This help is long enough to be broken into several lines on every terminal that there
    is, and it holds a path such as RUNS_DIR/demo/<run>/."""
    rate: float | None = None
    """How fast. None = not at all."""
    is_fast: bool = True
    """Whether it is fast."""
    is_loud: bool = False
    """Whether it is loud."""
    mode: Literal["one", "two"] = "one"


@dataclass(frozen=True, kw_only=True)
class Files(Settings):
    """What it is done with."""

    taps: tuple[str, ...] = ("a",)
    """Names."""
    pictures: tuple[Path, ...] = ()
    """None given = none."""
    out: Path | None = None
    """Where it goes."""


@dataclass(frozen=True, kw_only=True)
class DemoRun(RunSettings):
    """How it is run."""

    preset: Literal["quick", "large"] | None = None
    """Settings that go together."""


@dataclass(frozen=True, kw_only=True)
class Demo(CommandConfig):
    """Do one of each kind of thing. This sentence is long enough to be broken into lines on a terminal of 80 columns.

    This is another paragraph.
    """

    work: Work = Work()
    files: Files = Files()
    run: DemoRun = DemoRun()


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
    assert (config.work, config.run) == (Work(size=100), DemoRun(seed=9, config=path))


def test_flags_beat_the_file_whichever_comes_first(tmp_path):
    path = _write(tmp_path / "settings.json", {"size": 100, "taps": ["b", "c"], "is_fast": True, "mode": "two"})
    config = _demo("--size", "3", "--taps", "d", "--no-is-fast", f"--config={path}")
    assert (config.work, config.files) == (Work(size=3, is_fast=False, mode="two"), Files(taps=("d",)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.json", '{"size": 64, "rate": 1e-4, "is_fast": false, "taps": ["x", "y"], "mode": "two", "out": "o.png"}'),
        ("s.toml", 'size = 64\nrate = 1e-4\nis-fast = false\ntaps = ["x", "y"]\nmode = "two"\nout = "o.png"\n'),
    ],
)
def test_json_and_toml_say_the_same(tmp_path, name, text):
    config = _demo("--config", str(_write(tmp_path / name, text)))
    assert config.work == Work(size=64, rate=1e-4, is_fast=False, mode="two")
    assert config.files == Files(taps=("x", "y"), out=Path("o.png"))


def test_none_empty_tuple_and_true_come_back(tmp_path):
    saved = {"rate": None, "out": None, "taps": [], "pictures": [], "is_fast": True, "run_name": None}
    path = _write(tmp_path / "settings.json", saved)
    config = _demo("--config", str(path))
    assert config == Demo(files=Files(taps=()), run=DemoRun(config=path))


def _quick(given):
    """Be quick."""
    return {"size": 64, "taps": ("x", "y"), "is_fast": False}


def _large(given):
    """Take your time, and the more the larger the picture is, which is more than one line of a screen holds.

    Which are not shown.
    """
    return {"size": 2048, "rate": 0.25 if given.get("mode") == "two" else 0.5}


PRESETS = {"quick": _quick, "large": _large}


def _preset_demo(*words):
    return parse(Demo, "demo", list(map(str, words)), presets=PRESETS)


def test_preset_stands_below_the_file_and_the_flags(tmp_path):
    assert _preset_demo() == Demo()
    config = _preset_demo("--preset", "quick")
    assert config == Demo.of(preset="quick", size=64, taps=("x", "y"), is_fast=False)
    path = _write(tmp_path / "settings.json", {"size": 100, "rate": 0.25})
    config = _preset_demo("--is-fast", "--preset=quick", "--config", path)
    assert (config.work, config.files) == (Work(size=100, rate=0.25), Files(taps=("x", "y")))


def test_preset_sees_what_is_given_beside_it(tmp_path):
    assert _preset_demo("--preset", "large").work == Work(size=2048, rate=0.5)
    assert _preset_demo("--preset", "large", "--mode", "two").work == Work(size=2048, rate=0.25, mode="two")
    path = _write(tmp_path / "settings.json", {"preset": "large", "mode": "two"})
    assert _preset_demo("--config", path).work.rate == 0.25


def test_help_says_one_thing_of_each_preset(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        _preset_demo("--help")
    shown = capsys.readouterr().out
    assert "\n  quick  Be quick.\n  large  Take your time, and the more the larger" in shown
    assert "Which are not shown" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_last_preset_holds_and_the_command_lines_beats_the_files(tmp_path):
    config = _preset_demo("--preset", "quick", "--preset", "large")
    assert (config.run.preset, config.work) == ("large", Work(size=2048, rate=0.5))
    path = _write(tmp_path / "settings.json", {"preset": "quick"})
    assert _preset_demo("--config", path).work.size == 64
    assert _preset_demo("--config", path, "--preset", "large").work.size == 2048


def test_no_preset_on_the_command_line_beats_that_of_the_file(tmp_path):
    path = _write(tmp_path / "settings.json", {"preset": "quick"})
    assert _preset_demo("--config", path, "--preset", "None") == Demo.of(config=path)


def test_none_on_the_command_line_beats_a_value_of_the_file(tmp_path):
    path = _write(tmp_path / "settings.json", {"rate": 0.5})
    assert _demo("--config", str(path), "--rate", "None").work.rate is None


def test_a_picture_named_twice_stays_twice(tmp_path):
    path = _write(tmp_path / "settings.json", {"pictures": ["a b.png", "c.png", "a b.png"]})
    assert _demo("--config", str(path)).files.pictures == (Path("a b.png"), Path("c.png"), Path("a b.png"))


def test_text_that_begins_with_a_dash_comes_back(tmp_path):
    path = _write(tmp_path / "settings.json", {"run_name": "--no-is-fast", "out": "-", "rate": -1.5})
    config = _demo("--config", str(path))
    assert (config.run.run_name, config.files.out, config.work) == ("--no-is-fast", Path("-"), Work(rate=-1.5))


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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"size": "large"}', "--size large (a whole number)"),
        ('{"mode": "three"}', "--mode three (one, two"),
        ('{"taps": "a"}', "--taps a (a list)"),
        ('{"rate": NaN, "is_fast": 1}', "--rate nan (a finite number), --is-fast 1 (True or False)"),
    ],
)
def test_wrong_values_in_the_file_are_named_in_one_line(tmp_path, text, said):
    path = _write(tmp_path / "settings.json", text)
    with pytest.raises(UserError) as error:
        _demo("--config", str(path))
    assert str(error.value).startswith(f"not allowed: {said}")
    assert "\n" not in str(error.value)


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
    settings = settings_of(Demo.of(config=Path("c"), quiet=True, debug=True, print_config=True))
    assert not {"config", "quiet", "debug", "print_config"} & set(settings)
    assert settings["taps"] == ["a"]
    assert json.loads(json.dumps(settings)) == settings


def test_as_plain_reaches_into_containers():
    assert as_plain({"a": (Path("b"), [Demo().run.runs_dir]), 3: None}) == {"a": ["b", ["runs"]], "3": None}
    assert as_plain([Files(out=Path("c"))]) == [{"taps": ["a"], "pictures": [], "out": "c"}]


def test_class_without_its_source_has_no_texts():
    cls = make_dataclass("Sourceless", [("more", int, 3)], bases=(Files,), frozen=True, kw_only=True)
    assert field_docstrings(cls) == field_docstrings(Files)


def test_read_settings_keeps_types(tmp_path):
    path = _write(tmp_path / "s.toml", 'a = 1\nb = 1.5\nc = true\nd = ["x"]\n')
    assert read_settings(path) == {"a": 1, "b": 1.5, "c": True, "d": ["x"]}


# --help


COMMANDS = ("train_backbone", "transfer", "transfer.study", "nstkit.quality", "nstkit.export", "nstkit.info")


@pytest.fixture
def help_of(monkeypatch):
    """Return the lines of a command's help on a terminal of some columns."""

    def lines_of(call, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "argv", ["command", "--help"])
        screen = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with contextlib.redirect_stdout(screen), pytest.raises(SystemExit) as ended:
            call()
        assert ended.value.code == 0
        screen.seek(0)
        return screen.read().splitlines()

    return lines_of


def _main_of(command):
    is_package = command not in ("nstkit.export", "nstkit.info")
    return importlib.import_module(f"{command}.__main__" if is_package else command).main


def _text_of(lines):
    """Return what stands inside the boxes, as one line."""
    return " ".join(" ".join(line.strip("│╭╮╰╯─ ") for line in lines).split())


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_help_of_groups(help_of, columns):
    lines = help_of(lambda: parse(Demo, "demo", examples="\n  demo --size 64    # small\n  demo\n"), columns)
    assert lines[0] == "usage: python -m demo [-h] [OPTIONS]"
    assert max(map(len, lines)) == columns  # the boxes; no sentence is longer
    boxes = [line for line in lines if line.startswith("╭")]
    assert [box.strip("╭╮─ ") for box in boxes] == ["options", "work options", "files options", "run options"]
    assert lines[-4:] == ["", "examples:", "  demo --size 64    # small", "  demo"]
    text = _text_of(lines)
    assert "Do one of each kind of thing. This sentence is long enough to be broken into lines on a terminal" in text
    assert lines.count("  This is another paragraph.") == 1
    for group in (Work, Files, DemoRun):
        assert group.__doc__ in text
        for help_text in field_docstrings(group).values():
            assert help_text in text
    flags = [line.split()[1].rstrip(",") for line in lines if line.startswith("│ --")]
    assert flags == [f"--{name.replace('_', '-')}" for name in Demo().flat()]
    assert "RUNS_DIR/demo/<run>/. (default: 512)" in text
    assert "Whether it is fast. (default: True)" in text
    assert "Names. (default: a)" in text
    for nothing in ("(default: )", "(default: None)", "(default: False)"):
        assert nothing not in text


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_fits_and_says_nothing_empty(help_of, command, columns):
    lines = help_of(_main_of(command), columns)
    assert lines[0].startswith(f"usage: python -m {command} ")
    end = lines.index("examples:") if "examples:" in lines else len(lines)
    assert max(map(len, lines[1:end])) <= columns
    assert all(line.startswith("  ") and len(line) <= 110 for line in lines[end + 1 :])  # a command is not broken
    text = _text_of(lines)
    for nothing in ("(default: )", "(default: None)", "(default: False)"):
        assert nothing not in text


@pytest.mark.parametrize("command", ["train_backbone", "nstkit.quality"])
def test_examples_stand_at_the_foot_and_are_command_lines(help_of, command):
    lines = help_of(_main_of(command), 80)
    examples = lines[lines.index("examples:") + 1 :]
    assert len(examples) >= 2
    assert max(map(len, examples)) <= 80
    module = importlib.import_module(f"{command}.config")
    for example in examples:
        words = shlex.split(example, comments=True)
        start = words.index("-m")
        assert words[start + 1] == command
        parse(module.TrainConfig if command == "train_backbone" else module.QualityConfig, command, words[start + 2 :])


def test_every_setting_has_a_help():
    for cls in (RunSettings, *(field.type for config in (TrainConfig, QualityConfig) for field in fields(config))):
        helps = field_docstrings(cls)
        assert list(helps) == [field.name for field in fields(cls)]
        assert all(help_text.endswith(".") for help_text in helps.values())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_does_not_wait_for_torch(command):
    script = f"""
import runpy, sys
sys.argv = ["x", "--help"]
try:
    runpy.run_module("{command}", run_name="__main__", alter_sys=True)
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "False\n")
    assert f"usage: python -m {command}" in done.stdout


def test_items_of_a_list_in_a_file_are_never_flags(tmp_path):
    path = _write(tmp_path / "settings.json", {"taps": ["--size", "3"]})
    assert _demo("--config", str(path)).files.taps == ("--size", "3")
