"""The file a run is kept in."""

from pathsearch.atomic import sweep
from pathsearch.storage.layout import Arrays, Kept, Made, Rows
from pathsearch.storage.reader import Run, Stored, is_run, read, read_buffers, read_vectors, stored
from pathsearch.storage.seal import FORMAT_VERSION
from pathsearch.storage.writer import write

__all__ = [
    "FORMAT_VERSION",
    "Arrays",
    "Kept",
    "Made",
    "Rows",
    "Run",
    "Stored",
    "is_run",
    "read",
    "read_buffers",
    "read_vectors",
    "stored",
    "sweep",
    "write",
]
