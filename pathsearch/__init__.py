"""Low-loss paths between trained networks: find them, measure them, keep them."""

from typing import TYPE_CHECKING

from pathsearch.errors import PathsearchError
from pathsearch.lazy import elsewhere
from pathsearch.machine import before_torch

if TYPE_CHECKING:
    from pathsearch.api import Path, connect, network
    from pathsearch.storage import read

__all__ = ["Path", "PathsearchError", "connect", "network", "read"]

before_torch()  # and before any module of the package imports it

__getattr__ = elsewhere(__name__, {"Path": "api", "connect": "api", "network": "api", "read": "storage"})
