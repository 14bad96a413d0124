"""Settings read from a JSON or TOML file, in whichever of the usual encodings its editor wrote it, or out of a picture.

No torch here.
"""

import json
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from nstkit.annotations import is_group, marks_of
from nstkit.embedded import read_made_by
from nstkit.errors import UserError
from nstkit.own_code import names_code
from nstkit.settings import Settings, as_word, checked_values, flag_of, hints_of, leaves_of

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")  # that may have settings inside
NAMED = "named"
"""Mark of an annotation: a list of texts NAME: WORDS, which a file may also give as a table of words by name."""
NAMES_CODE = "names code"
"""Mark of an annotation: a value may be `package.module:function`, which is run, so a file alone cannot give it."""


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings that a JSON or TOML file or a picture of ours holds, or raise `UserError`.

    UTF-8 and UTF-16 are told apart by their first bytes, with a byte order mark or without, as JSON has it.
    """
    if path.suffix.lower() in PICTURES and path.is_file():
        try:
            return read_made_by(path)["settings"]
        except UserError as error:
            raise UserError(f"--config {error}") from error
    try:
        raw = path.read_bytes()
        text = raw.decode(json.detect_encoding(raw)).removeprefix("\ufeff")
        settings = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
        if not isinstance(settings, dict):
            raise ValueError("it holds no settings by name")
        return settings
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}. Give a JSON or TOML file of settings.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"--config {path}: not valid JSON or TOML ({error}). A run's config.json will do.") from error


def settings_in(path: Path, cls: type[Settings], *, aside: Collection[str], given: Collection[str]) -> dict[str, Any]:
    """Return what a file sets of a command's settings, by flat name.

    Args:
        path: of the file. Its names may have `-` for `_`, and settings may stand below the name of their group.
        cls: whose settings they are.
        aside: names that are passed over.
        given: settings that the command line gives itself, so that the file's do not count.

    Raises:
        UserError: for a file that cannot be read, names that are no settings or stand there twice, values that are not
            allowed, or one that names code.
    """
    values: dict[str, Any] = {}
    for name, value in _flat(cls, read_settings(path)):
        if name in values:
            raise UserError(f"--config {path}: {name} stands there twice. Leave one of them out.")
        if name not in aside:
            values[name] = value
    hints = leaves_of(cls)
    for name, value in checked_values(hints, values).items():
        if NAMES_CODE in marks_of(hints[name]) and names_code(value) and name not in given:
            flag = f"{flag_of(name)} {as_word(value)}"
            raise UserError(f"--config {path}: {flag} is code, which no file has run. Give {flag} as a flag beside it.")
    return values


def _flat(cls: type[Settings], settings: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return names and values, those below the name of a group among them."""
    hints = hints_of(cls)
    pairs: list[tuple[str, Any]] = []
    for name, value in ((name.replace("-", "_"), value) for name, value in settings.items()):
        if is_group(hints.get(name)) and isinstance(value, dict):
            pairs += _flat(hints[name], value)
        elif isinstance(value, dict) and NAMED in marks_of(leaves_of(cls).get(name)):
            pairs.append((name, [f"{key}: {_joined(words)}" for key, words in value.items()]))
        else:
            pairs.append((name, value))
    return pairs


def _joined(words: Any) -> str:
    """Return the words of a table's entry as one text, in which each of a list can be told apart."""
    return as_word(words) if isinstance(words, list) else str(words)
