"""One frozen dataclass per command <-> command line, JSON and TOML. No torch here, so that `--help` answers at once.

A command's dataclass is the only place where its defaults stand. Its settings stand in groups, which `--help` shows
under headings; flags and files do not name the groups. A preset and a file given with `--config` are read as flags that
stand before the user's own, so that one parser checks all and flags beat the file, which beats the preset.
"""

import ast
import contextlib
import dataclasses
import functools
import inspect
import itertools
import json
import os
import shutil
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro
from annotated_types import Interval
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

from nstkit.errors import UserError
from nstkit.names import check_name
from nstkit.settings import Group, NotAllowed, Settings, check_values, flag_of, hints_of, is_group, leaves_of

SEEDS = Interval(ge=0, le=2**63 - 1)  # what every generator takes
Device = Literal["auto", "cuda", "mps", "cpu"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class RunSettings(Settings):
    """How the command is run, where it computes and where its results go."""

    config: Path | None = None
    """JSON or TOML file of settings; the config.json of a run will do. Flags given beside it win."""
    print_config: bool = False
    """Print the resolved settings as JSON and stop."""
    seed: Annotated[int, SEEDS] = 0
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
    """Show no progress bar."""
    debug: bool = False
    """Show the traceback of an error."""

    def __post_init__(self) -> None:
        """Refuse a run's name that is a path."""
        super().__post_init__()
        if self.run_name is not None:
            check_name("--run-name", self.run_name)


class CommandConfig(Settings):
    """What every command's settings have: the group `run`, which each command declares as its last field."""

    run: RunSettings


ABOUT_THE_CALL = ("config", "print_config", "quiet", "debug")  # these say how it was called, not what was computed
ABOUT_THE_RUN = ("given", "environment")  # what a run's config.json holds beside the settings

Config = TypeVar("Config", bound=CommandConfig)


def parse(
    cls: type[Config],
    command: str,
    argv: Sequence[str] | None = None,
    presets: Mapping[str, dict[str, Any]] | None = None,
    examples: str = "",
) -> Config:
    """Return the settings of a command line: flags beat `--config FILE`, which beats `--preset NAME`.

    Args:
        cls: the command's dataclass.
        command: the module, for the usage line, such as `transfer`.
        argv: the words after it. None = those of this process.
        presets: settings by the preset's name.
        examples: command lines that `--help` shows at its foot.

    Raises:
        UserError: for a file that cannot be read, an unknown setting, or values that are not allowed.
        SystemExit: (code 2) for a word that the parser cannot read; (code 0) after `--help`.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    path = _last_value(argv, "--config")
    words = [*settings_to_flags(cls, read_settings(Path(path))), *argv] if path else argv
    preset = (presets or {}).get(_last_value(words, "--preset") or "", {})  # an unknown name is the parser's to report
    return read_command_line(cls, command, [*settings_to_flags(cls, preset), *words], examples)


def read_command_line(cls: type[Group], command: str, words: Sequence[str], examples: str = "") -> Group:
    """Return an instance of a settings class from the words of a command line; see `parse`."""
    wrong: list[str] = []
    with _examples_after_help(words, examples):
        settings = tyro.cli(
            cls,
            args=words,
            prog=f"python -m {command}",
            description=_wrapped(cls.__doc__ or ""),
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
            registry=_registry(wrong),
        )
    if wrong:
        raise NotAllowed(wrong)
    return settings


def _wrapped(text: str) -> str:
    """Return a docstring's paragraphs in lines no longer than the terminal is wide."""
    width, margin = shutil.get_terminal_size().columns, "  "  # tyro would join lines that begin with a letter
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return "\n".join(textwrap.fill(part, width, initial_indent=margin, subsequent_indent=margin) for part in paragraphs)


def _registry(wrong: list[str]) -> ConstructorRegistry:
    """Return tyro's rules for groups of settings: their help, and their mistakes collected in `wrong`."""
    registry = ConstructorRegistry()

    @registry.struct_rule
    def settings_rule(info: StructTypeInfo) -> StructConstructorSpec | None:
        if not is_group(info.type):
            return None
        fields = {field.name: field for field in dataclasses.fields(info.type)}
        helps = field_docstrings(info.type)
        return StructConstructorSpec(
            instantiate=_collecting(info.type, wrong),
            fields=tuple(
                StructFieldSpec(name, _with_hint(hint), _default(fields[name]), helptext=helps.get(name))
                for name, hint in hints_of(info.type).items()
            ),
        )

    return registry


def _collecting(cls: type[Settings], wrong: list[str]) -> Callable[..., Settings]:
    """Return a constructor that adds the wrong values to `wrong` and goes on, so that all groups are looked at."""

    def construct(**values: Any) -> Settings:
        try:
            return cls(**values)
        except NotAllowed as error:
            wrong.extend(error.wrong)
        except UserError:
            if not wrong:  # otherwise it may only look broken, because a group with a wrong value is at its defaults
                raise
        try:
            return cls()
        except UserError:  # a command that does nothing by default
            return object.__new__(cls)

    construct.__doc__ = cls.__doc__  # the text below the heading
    return construct


def _default(field: dataclasses.Field[Any]) -> Any:
    return tyro.MISSING if field.default is dataclasses.MISSING else field.default


def _with_hint(hint: Any) -> Any:
    """Return an annotation whose help shows a default only where it says something."""
    return hint if is_group(hint) else Annotated[hint, tyro.conf.arg(help_behavior_hint=_describe_default)]


def _describe_default(default: str) -> str:
    return "" if default in ("", "None", "False") else f"(default: {default})"


def field_docstrings(cls: type) -> dict[str, str]:
    """Return the text below each field of a dataclass and its bases, line breaks removed, by the field's name.

    Where a program comes without its source there are none.
    """
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        definition = _classes_of(base.__module__).get(base.__name__) if dataclasses.is_dataclass(base) else None
        for statement, following in itertools.pairwise(definition.body if definition else ()):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                match following:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        texts[statement.target.id] = " ".join(text.split())
    return texts


@functools.cache
def _classes_of(module: str) -> dict[str, ast.ClassDef]:
    try:
        source = inspect.getsource(sys.modules[module])
    except (OSError, TypeError, KeyError):
        return {}
    return {node.name: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)}


@contextlib.contextmanager
def _examples_after_help(words: Sequence[str], examples: str) -> Iterator[None]:
    try:
        yield
    except SystemExit as end:
        if end.code == 0 and examples and {"--help", "-h"} & set(words):
            print(f"\nexamples:\n{examples.strip(chr(10))}")
        raise


def _last_value(words: list[str], flag: str) -> str | None:
    value = None
    for word, following in itertools.zip_longest(words, words[1:]):
        if word == flag:
            value = following
        elif word.startswith(flag + "="):
            value = word.partition("=")[2]
    return value


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


def settings_to_flags(cls: type[Settings], settings: Mapping[str, Any]) -> list[str]:
    """Return `settings` as words of a command line of `cls`; what only describes a run or a call is passed over.

    Raises:
        UserError: for names that are no settings of `cls`, values that are not allowed, or items that look like flags.
    """
    renamed = {name.replace("-", "_"): value for name, value in settings.items()}
    values = {name: value for name, value in renamed.items() if name not in (*ABOUT_THE_CALL, *ABOUT_THE_RUN)}
    check_values(leaves_of(cls), values)
    flags: list[str] = []
    for name, value in values.items():
        flag = flag_of(name)
        if isinstance(value, bool):
            flags.append(flag if value else flag.replace("--", "--no-", 1))
        elif isinstance(value, (list, tuple)):
            if dashed := [item for item in value if isinstance(item, str) and item.startswith("-")]:
                raise UserError(f"{flag} {dashed[0]}: it would be read as a flag. Names and files begin with no dash.")
            flags += [flag, *map(str, value)]
        else:
            flags.append(f"{flag}={value}")  # in one word, as the value may begin with a dash
    return flags


def as_typed(command: str) -> str:
    """Return a command as this user types it: after `uv run` if that is how this one was started."""
    return f"uv run {command}" if "UV_RUN_RECURSION_DEPTH" in os.environ else command


def as_plain(value: Any) -> Any:
    """Return settings, a path or a container as plain dicts, lists, strings and numbers (JSON, checkpoints)."""
    if isinstance(value, Settings):
        return as_plain(value.flat())
    if isinstance(value, dict):
        return {str(key): as_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def settings_of(config: Settings) -> dict[str, Any]:
    """Return the settings that determine a result, plain and flat, without those that only describe the call."""
    return {name: value for name, value in as_plain(config).items() if name not in ABOUT_THE_CALL}
