"""Low-loss paths between trained networks: find them, measure them, keep them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pathsearch.errors import PathsearchError
from pathsearch.machine import wait_asleep

if TYPE_CHECKING:
    from pathsearch.api import Path, connect, network
    from pathsearch.storage import read

__all__ = ["Path", "PathsearchError", "connect", "network", "read"]

wait_asleep()  # before any module of the package imports torch


def __getattr__(name: str) -> Any:
    """The rest when it is asked for: torch takes two seconds to import, which `pathsearch jobs` does without."""
    if name not in __all__:
        raise AttributeError(f"module 'pathsearch' has no attribute {name!r}")
    return getattr(import_module("pathsearch.storage" if name == "read" else "pathsearch.api"), name)
