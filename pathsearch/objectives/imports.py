"""Objects named by import string, `package.module:name`.

Modules are looked for as files are: in the working folder, then beside the configuration, then where Python looks.
"""

import difflib
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from pathsearch.errors import PathsearchError
from pathsearch.files import places
from pathsearch.numerics.seeds import derive
from pathsearch.objectives.seeding import seeded
from pathsearch.objectives.users_code import errors_named

IMPORT = 11  # what a seed is for
NAMES = 12  # most names of a module that an error lists


def imported(target: str, option: str, folder: Path = Path()) -> Any:
    """The class or function that an import string names; `option`: the option whose value it is, for errors.

    `folder` is the configuration's. The module is imported under a seed of its own. Raises PathsearchError that says
    which part of the string is wrong, or how the module failed.
    """
    what = f"{option} {target}"
    module_name, _, name = target.partition(":")
    parts = [*module_name.split("."), name]
    if (len(parts) > 2 and parts[-2] == "py") or not all(part.isidentifier() for part in parts):
        raise PathsearchError(f"{option}: {target!r} is no import string: write it as package.module:name")
    with importable(folder), seeded(derive(IMPORT), torch.device("cpu")):
        module = _module(module_name, what, folder)
        with errors_named(what, passing=()):
            value = getattr(module, name, None)
    if value is None:
        raise PathsearchError(f"{what}: {_described(module)} has no {name!r}{_instead(module, name)}")
    if not callable(value):
        raise PathsearchError(f"{what} is to be a class or a function, it is of type {type(value).__name__}")
    return value


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let imports find modules in the working folder and in `folder`, the configuration's, before all others."""
    added = import_from(folder)
    try:
        yield
    finally:
        for place in added:
            with suppress(ValueError):  # a module of the user's may have changed the list
                sys.path.remove(place)


def import_from(folder: Path) -> list[str]:
    """As `importable`, for the rest of this process; returns the places that were added."""
    added = list(dict.fromkeys(str(place) for place in (Path.cwd(), folder.resolve())))
    sys.path[:0] = added
    importlib.invalidate_caches()  # a module may have been written a moment ago
    return added


def _module(name: str, what: str, folder: Path) -> Any:
    try:
        with errors_named(what, passing=(ModuleNotFoundError, SystemExit)):
            return importlib.import_module(name)
    except SystemExit as error:
        raise PathsearchError(
            f"{what} raised SystemExit: {error}: its module does the work of a program while it is imported; "
            "put that under if __name__ == '__main__':"
        ) from error
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            with errors_named(what):  # the module is there, but one that it imports is not
                raise
        parent = sys.modules.get(name.rpartition(".")[0])
        taken = f"; {_described(parent)} has been found" if parent else ""
        raise PathsearchError(
            f"{what}: cannot import {error.name!r} from what is installed, nor is it {places(name, folder)}{taken}"
        ) from error


def _described(module: Any) -> str:
    """A module's name and where it comes from: another one of the name may have been meant."""
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), "built in")
    return f"module {module.__name__!r} ({file})"


def _instead(module: Any, name: str) -> str:
    """What the user may have meant by a name that a module does not have."""
    known = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", None) == module.__name__]
    close = difflib.get_close_matches(name, known, 1)
    if close:
        return f": did you mean {close[0]!r}?"
    return f": it has {', '.join(known[:NAMES])}{', …' if len(known) > NAMES else ''}" if known else ""
