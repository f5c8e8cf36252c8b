"""Objects named by import string, `package.module:name`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from pathsearch.errors import PathsearchError


def imported(target: str) -> Any:
    """What an import string names; raises PathsearchError that says which part of it is wrong."""
    module_name, colon, name = target.partition(":")
    if not colon or not name:
        raise PathsearchError(f"{target!r} is no import string: write it as package.module:name")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise PathsearchError(
            f"cannot import {module_name!r} of {target!r}: {error}; it is looked for beside the configuration too"
        ) from error
    try:
        return getattr(module, name)
    except AttributeError:
        raise PathsearchError(f"module {module_name!r} has no {name!r}") from None


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let import strings find modules in `folder` first: a user's own lie beside the configuration."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
