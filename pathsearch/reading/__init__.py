"""Reading from Python what was found, while it is searched for as well."""

from pathlib import Path

from pathsearch.reading.landscape import OpenedLandscape
from pathsearch.reading.run import Opened
from pathsearch.storage.landscape import is_landscape

__all__ = ["Opened", "OpenedLandscape", "open"]


def open(where: str | Path) -> Opened | OpenedLandscape:
    """Open a run by its folder or its path.h5, or a landscape by its folder or its landscape.h5, finished or under way.

    Raises PathsearchError where there is none, or a damaged one.
    """
    return OpenedLandscape(where) if is_landscape(where) else Opened(where)
