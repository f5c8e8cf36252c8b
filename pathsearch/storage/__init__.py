"""The file a run is kept in."""

from pathsearch.storage.atomic import sweep
from pathsearch.storage.reader import Run, Stored, is_run, read, read_vectors, stored
from pathsearch.storage.schema import FORMAT_VERSION
from pathsearch.storage.writer import Rows, write

__all__ = ["FORMAT_VERSION", "Rows", "Run", "Stored", "is_run", "read", "read_vectors", "stored", "sweep", "write"]
