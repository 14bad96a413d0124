"""What `--help` shows: tyro's layout of a command's settings, with the texts below its fields. No torch here."""

import ast
import dataclasses
import functools
import inspect
import itertools
import shutil
import sys
import textwrap
import typing
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec, StructTypeInfo

from nstkit.annotations import Alone, Words, is_group, is_list, marks_of, plain_of
from nstkit.presets import Presets, list_presets
from nstkit.settings import Settings, bare_of, hints_of

KINDS = {int: "INT", float: "FLOAT", str: "TEXT", Path: "PATH"}


def show_help(cls: type[Settings], command: str, examples: str = "", presets: Presets | None = None) -> None:
    """Print the help of a command and leave with code 0.

    Args:
        cls: its settings.
        command: the module, for the usage line, such as `transfer`.
        examples: command lines, for the foot.
        presets: for the foot too.
    """
    try:
        tyro.cli(
            cls,
            args=["--help"],
            prog=" ".join([f"python -m {command}", *(f"[{name.upper()}]" for name in bare_of(cls))]),
            description=_wrapped(cls.__doc__ or ""),
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
            registry=_registry(),
        )
    finally:
        if presets:
            print(f"\npresets:\n{list_presets(presets, shutil.get_terminal_size().columns)}")
        if examples:
            print(f"\nexamples:\n{examples.strip(chr(10))}")


def _wrapped(text: str) -> str:
    """Return a docstring's paragraphs in lines no longer than the terminal is wide."""
    width, margin = shutil.get_terminal_size().columns, "  "  # tyro would join lines that begin with a letter
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return "\n".join(textwrap.fill(part, width, initial_indent=margin, subsequent_indent=margin) for part in paragraphs)


def _registry() -> ConstructorRegistry:
    """Return tyro's rule for groups of settings."""
    registry = ConstructorRegistry()

    @registry.struct_rule
    def settings_rule(info: StructTypeInfo) -> StructConstructorSpec | None:
        if not is_group(info.type):
            return None
        fields = {field.name: field for field in dataclasses.fields(info.type)}
        helps = field_docstrings(info.type)
        return StructConstructorSpec(
            instantiate=info.type,
            fields=tuple(
                StructFieldSpec(name, _with_help(hint), _default(fields[name]), helptext=helps.get(name))
                for name, hint in hints_of(info.type).items()
            ),
        )

    return registry


def _default(field: dataclasses.Field[Any]) -> Any:
    return tyro.MISSING if field.default is dataclasses.MISSING else field.default


def _with_help(hint: Any) -> Any:
    """Return an annotation whose help shows what it takes, and a default only where it says something."""
    if is_group(hint):
        return hint
    metavar = None if plain_of(hint) is bool else metavar_of(hint)
    return Annotated[hint, tyro.conf.arg(metavar=metavar, help_behavior_hint=_describe_default)]


def metavar_of(hint: Any) -> str:
    """Return what stands for a setting's value.

    Example:
        >>> metavar_of(tuple[int, ...]), metavar_of(float | None), metavar_of(typing.Literal["max", "avg"])
        ('[INT ...]', 'FLOAT', '{max,avg}')
    """
    kind, marks = plain_of(hint), marks_of(hint)
    words = next((mark.shown for mark in marks if isinstance(mark, Words)), typing.get_args(kind))
    name = f"{{{','.join(words)}}}" if words else KINDS[kind]
    return f"[{name} ...]" if is_list(hint) else f"[{name}]" if any(isinstance(x, Alone) for x in marks) else name


def _describe_default(default: str) -> str:
    if default in ("", "None", "False"):
        return ""
    return f"(default: {default!r})" if ":" in default else f"(default: {default})"


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
