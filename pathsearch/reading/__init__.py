"""Reading from Python what was found, while it is searched for as well."""

from pathlib import Path
from typing import TYPE_CHECKING

from pathsearch.reading.run import Opened
from pathsearch.storage.landscape import is_landscape

if TYPE_CHECKING:
    from pathsearch.reading.landscape import OpenedLandscape

__all__ = ["Opened", "open"]


def open(where: str | Path) -> "Opened | OpenedLandscape":
    """Open a run by its folder or its path.h5, or a landscape by its folder or its landscape.h5, finished or under way.

    Raises PathsearchError where there is none, or a damaged one.
    """
    if not is_landscape(where):
        return Opened(where)
    from pathsearch.reading.landscape import OpenedLandscape  # and with it scipy

    return OpenedLandscape(where)
