"""Low-loss paths between trained networks: find them, measure them, keep them."""

from pathsearch.api import Path, connect, network
from pathsearch.errors import PathsearchError
from pathsearch.storage import read

__all__ = ["Path", "PathsearchError", "connect", "network", "read"]
