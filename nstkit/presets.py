"""Settings that go together, by name: `--preset NAME`. No torch here.

A preset is a function of what the user gives beside it, and returns settings by flat name. The first line of its
docstring is what `--help` says of it; the rest says where the settings come from and what that leaves open.
"""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

Preset = Callable[[Mapping[str, Any]], dict[str, Any]]
Presets = Mapping[str, Preset]

GAP = 2  # blanks before and behind a name


def list_presets(presets: Presets, width: int) -> str:
    """Return one line a preset: its name, and the first line of its docstring.

    Args:
        presets: by name.
        width: longest line [characters]; what is longer is continued below itself.

    Example:
        >>> def large(given):
        ...     '''Paint a large picture.'''
        ...     return {"size": 2048}
        >>> list_presets({"large": large}, 80)
        '  large  Paint a large picture.'
    """
    column = max(map(len, presets)) + 2 * GAP
    lines = []
    for name, preset in presets.items():
        about = (inspect.getdoc(preset) or "").partition("\n\n")[0]
        first = f"{'':{GAP}}{name}".ljust(column)
        lines += textwrap.wrap(about, width, initial_indent=first, subsequent_indent=" " * column) or [first]
    return "\n".join(lines)
