"""What is there of a run already, looked at before anything heavy is imported."""

from pathlib import Path
from typing import Any

from pathsearch import storage
from pathsearch.launch.config import refuse_other


def past(file: Path, config: dict[str, Any]) -> storage.Run | None:
    """What is kept in `file` of the run with this configuration; None where nothing is.

    Raises PathsearchError where it holds another run, or is damaged.
    """
    if not file.exists():
        return None
    found = storage.read(file)
    refuse_other(file, found.config, config)
    return found
