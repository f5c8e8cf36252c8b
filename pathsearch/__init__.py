"""Low-loss paths between trained networks: find them, measure them, keep them."""

from typing import TYPE_CHECKING

from pathsearch.errors import PathsearchError
from pathsearch.lazy import elsewhere
from pathsearch.machine import before_torch

if TYPE_CHECKING:
    from pathsearch.api import Path, connect, network
    from pathsearch.api_align import align
    from pathsearch.reading import open
    from pathsearch.storage import read

__all__ = ["Path", "PathsearchError", "align", "connect", "network", "open", "read"]

before_torch()  # and before any module of the package imports it

__getattr__ = elsewhere(
    __name__,
    {
        "Path": "api",
        "align": "api_align",
        "connect": "api",
        "network": "api",
        "open": "reading",
        "read": "storage",
    },
)
