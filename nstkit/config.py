"""One frozen dataclass per command <-> command line, JSON and TOML. No torch here, so that `--help` answers at once.

A command's dataclass is the only place where its defaults stand. A preset and a file given with `--config` are read as
flags that stand before the user's own, so that one parser checks all and flags beat the file, which beats the preset.
"""

import dataclasses
import itertools
import json
import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import tyro

from nstkit.errors import UserError

Device = Literal["auto", "cuda", "mps", "cpu"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class CommandConfig:
    """What every command has."""

    config: Path | None = None
    """JSON or TOML file of settings (a run's config.json will do). Flags given beside it win."""
    print_config: bool = False
    """Print the resolved settings as JSON and stop."""
    seed: int = 0
    """Seed of every random number."""
    device: Device = "auto"
    """Where to compute. auto = cuda, then mps, then cpu."""
    precision: Precision = "auto"
    """Number format inside the network. auto = bf16 where the hardware computes in it, else fp32."""
    runs_dir: Path = Path("runs")
    """Folder that holds the results of every command, and TensorBoard's --logdir."""
    run_name: str | None = None
    """Name of this run's folder under RUNS_DIR/<command>/. None = date, time and a few settings."""
    quiet: bool = False
    """No progress bar."""
    debug: bool = False
    """Show the traceback of an error."""


ABOUT_THE_CALL = ("config", "print_config", "quiet", "debug")  # these say how it was called, not what was computed
ABOUT_THE_RUN = ("given", "environment")  # what a run's config.json holds beside the settings

Config = TypeVar("Config", bound=CommandConfig)


def parse(
    cls: type[Config],
    command: str,
    argv: Sequence[str] | None = None,
    presets: Mapping[str, dict[str, Any]] | None = None,
) -> Config:
    """Return the settings of a command line: flags beat `--config FILE`, which beats `--preset NAME`.

    Args:
        cls: the command's dataclass.
        command: the module, for the usage line, such as `transfer`.
        argv: the words after it. None = those of this process.
        presets: settings by the preset's name.

    Raises:
        UserError: for a file that cannot be read or holds an unknown setting.
        SystemExit: (code 2) for a wrong flag, from the parser; (code 0) after `--help`.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    path = _last_value(argv, "--config")
    words = [*settings_to_flags(cls, read_settings(Path(path))), *argv] if path else argv
    preset = (presets or {}).get(_last_value(words, "--preset") or "", {})  # an unknown name is the parser's to report
    return tyro.cli(cls, args=[*settings_to_flags(cls, preset), *words], prog=f"python -m {command}")


def _last_value(words: list[str], flag: str) -> str | None:
    found = None
    for word, following in itertools.zip_longest(words, words[1:]):
        if word == flag:
            found = following
        elif word.startswith(flag + "="):
            found = word.partition("=")[2]
    return found


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings that a JSON or TOML file holds, or raise `UserError`."""
    try:
        text = path.read_text()
        settings = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        if not isinstance(settings, dict):
            raise ValueError("it holds no settings by name")
        return settings
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}. Give a JSON or TOML file of settings.") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(f"--config {path}: not valid JSON or TOML ({error}). A run's config.json will do.") from error


def settings_to_flags(cls: type[CommandConfig], settings: dict[str, Any]) -> list[str]:
    """Return `settings` as words of a command line of `cls`; what only describes a run or a call is passed over."""
    names = {field.name for field in dataclasses.fields(cls)}
    flags: list[str] = []
    unknown = []
    for name, value in settings.items():
        name = name.replace("-", "_")
        if name in ABOUT_THE_CALL or name in ABOUT_THE_RUN:
            continue
        if name not in names:
            unknown.append(name)
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, (list, tuple)):
            flags += [flag, *map(str, value)]
        else:
            flags += [flag, str(value)]
    if unknown:
        raise UserError(f"unknown settings in the file: {', '.join(unknown)}. Allowed: {', '.join(sorted(names))}.")
    return flags


def as_typed(command: str) -> str:
    """Return a command as this user types it: after `uv run` if that is how this one was started."""
    return f"uv run {command}" if "UV_RUN_RECURSION_DEPTH" in os.environ else command


def as_plain(value: Any) -> Any:
    """Return a dataclass, path or container as plain dicts, lists, strings and numbers (JSON, checkpoints)."""
    if dataclasses.is_dataclass(value):
        return {field.name: as_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def settings_of(config: CommandConfig) -> dict[str, Any]:
    """Return the settings that determine a result, plain, without those that only describe the call."""
    return {name: value for name, value in as_plain(config).items() if name not in ABOUT_THE_CALL}
