"""Code of the user's own, named on the command line as `package.module:function`. No file ever has it run. No torch.

Whoever reads settings from a file marks those that may name code with `NAMES_CODE`, see `nstkit.settings_file`.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from nstkit.errors import UserError, first_line, is_out_of_memory, nearest

SCHEMES = ("hf-hub", "hf_hub", "local-dir", "torchvision")
"""What stands before a colon and names where a network is from, and no module."""
FORM = r"[^\W\d][\w.]*:[^\W\d]\w*"
"""As a regular expression, for messages and lists of what is allowed; `is_code` is the rule."""


def is_code(text: str) -> bool:
    """Return whether a text names a function in a module.

    Example:
        >>> [is_code(text) for text in ("my.nets:build", "vgg19@random:3", "torchvision:vgg19", "a:b.c", "C:/a.pt")]
        [True, False, False, False, False]
    """
    module, colon, function = text.partition(":")
    is_name = function.isidentifier() and all(part.isidentifier() for part in module.split("."))
    return bool(colon) and is_name and module not in SCHEMES


def names_code(value: object) -> bool:
    """Return whether a setting's value, a text or a list of such, names code, alone or beside weights."""
    if isinstance(value, (list, tuple)):
        return any(map(names_code, value))
    return any(is_code(part) for part in str(value).split("@"))


def find_function(flag: str, name: str) -> Callable[..., Any]:
    """Return the function that `package.module:function` names; the module may lie in the working folder.

    Args:
        flag: that named it, for messages.
        name: see `is_code`.

    Raises:
        UserError: for a text of another form, a module that cannot be imported, or one without this function.
    """
    if not is_code(name):
        raise UserError(f"{flag} {name}: not of the form package.module:function.")
    module_name, _, function_name = name.partition(":")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a program of its own, such as nst-transfer, does not look there
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise UserError(f"{flag} {name}: {error}. Start the command where it can be imported from.") from error
    except Exception as error:  # it is the user's code
        raise UserError(
            f"{flag} {name}: importing {module_name} failed ({type(error).__name__}: {error}). Mend it."
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        names = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(f"{flag} {name}: no function '{function_name}' there.{nearest(function_name, names)}")
    return function


@contextlib.contextmanager
def blamed(what: str, advice: str) -> Iterator[None]:
    """Turn what goes wrong in the user's own code into a `UserError`; too little memory is not its fault.

    Args:
        what: was done, as the beginning of the message.
        advice: its end.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise UserError(f"{what} ({type(error).__name__}: {first_line(error)}){advice}") from error
