"""One frozen dataclass per command <-> command line, JSON and TOML. No torch here, so that `--help` answers at once.

A command's dataclass is the only place where its defaults stand. Its settings stand in groups, which `--help` shows
under headings; flags and files do not name the groups. Flags beat the file given with `--config`, which beats a preset;
what they come to is checked together, wherever a value comes from.
"""

import dataclasses
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from nstkit.annotations import SEEDS, Words, path_of
from nstkit.command_help import show_help
from nstkit.command_line import HELP, is_positional, read_words
from nstkit.errors import UserError
from nstkit.names import check_name, is_utf8
from nstkit.presets import Presets
from nstkit.settings import Settings, flag_of, leaves_of
from nstkit.settings_file import settings_in
from nstkit.unused import defaults_of, warn_of_unused

Device = Annotated[str, Words(("auto", "cuda", "mps", "cpu"), (("cuda:N", r"cuda:\d{1,3}"),))]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
MemoryFormat = Literal["auto", "contiguous", "channels_last"]


@dataclass(frozen=True, kw_only=True)
class RunSettings(Settings):
    """How the command is run, where it computes and where its results go."""

    config: Path | None = None
    """JSON or TOML file of settings, the config.json of a run, or a picture that was painted. Flags beside it win."""
    print_config: bool = False
    """Print the resolved settings as JSON and stop."""
    seed: Annotated[int, SEEDS] = 0
    """Seed of every random number."""
    device: Device = "auto"
    """Where to compute. auto = cuda, then mps, then cpu. cuda:1 is the second GPU."""
    precision: Precision = "auto"
    """Number format inside the network. auto = fp32, or bf16 where it is clearly faster for this network here: measured
    on a CPU, once. In nstkit.quality fp32, so that it measures alike on every machine."""
    memory_format: MemoryFormat = "auto"
    """Order of the values in memory. auto = the faster one, measured together with the precision."""
    runs_dir: Path = Path("runs")
    """Folder that holds the results of every command, and TensorBoard's --logdir."""
    run_name: str | None = None
    """Name of this run's folder under RUNS_DIR/<command>/. None = a few settings, date and time."""
    quiet: bool = False
    """Show no progress bar."""
    debug: bool = False
    """Show the traceback of an error."""

    def __post_init__(self) -> None:
        """Refuse a run's name that is a path, and a folder that TensorBoard cannot name."""
        super().__post_init__()
        if not is_utf8(str(self.runs_dir)):
            raise UserError(f"--runs-dir {self.runs_dir}: TensorBoard takes no name that is not UTF-8. Give another.")
        if self.run_name is not None:
            check_name("--run-name", self.run_name)


class CommandConfig(Settings):
    """What every command's settings have: the group `run`, which each command declares as its last field."""

    run: RunSettings


LISTS = ("list_backbones", "list_judges", "list_presets")  # flags that print what there is and stop
ABOUT_THE_CALL = (  # these say how it was called, not what was computed
    *("config", "print_config", "quiet", "debug"),
    *LISTS,
    *("memory", "workers", "threads", "ray_address", "batch"),
)
ABOUT_THE_RUN = ("given", "environment")  # what a run's config.json holds beside the settings

Config = TypeVar("Config", bound=Settings)


def parse(
    cls: type[Config],
    command: str,
    argv: Sequence[str] | None = None,
    presets: Presets | None = None,
    examples: str = "",
) -> Config:
    """Return the settings of a command line: flags beat `--config FILE`, which beats `--preset NAME`.

    A flag that has no effect beside the others is a warning; of a file and a preset nothing is said.

    Args:
        cls: the command's dataclass.
        command: the module, for the usage line, such as `transfer`.
        argv: the words after it. None = those of this process.
        presets: by their names; `--help` lists them.
        examples: command lines that `--help` shows at its foot.

    Raises:
        UserError: for a file that cannot be read, words that are no settings, or values that are not allowed.
        SystemExit: (code 0) after `--help`.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if set(HELP) & set(argv):
        show_help(cls, command, examples, presets)
    typed = read_words(cls, argv)
    path = typed.get("config")
    aside = (*ABOUT_THE_CALL, *ABOUT_THE_RUN)
    filed = {} if path is None else settings_in(path_of(path), cls, aside=aside, given=typed)
    given = {**filed, **typed}
    preset = (presets or {}).get(str(given.get("preset")))  # an unknown name is refused with the rest
    values = {**(preset(given) if preset else {}), **given}
    needed = [name for name, default in defaults_of(cls).items() if default is dataclasses.MISSING]
    if missing := [name for name in needed if name not in values]:
        hints = leaves_of(cls)
        words = (name.upper() if is_positional(hints[name]) else flag_of(name) for name in missing)
        raise UserError(f"not given: {', '.join(words)}. See --help.")
    config = cls.of(**values)
    warn_of_unused(cls, {name: config.flat()[name] for name in typed}, config.effective())
    return config


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
