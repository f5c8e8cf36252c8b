"""The file a run is kept in."""

from pathsearch.storage.reader import Run, read, read_buffers, read_vectors
from pathsearch.storage.schema import FORMAT_VERSION
from pathsearch.storage.writer import sweep, write

__all__ = ["FORMAT_VERSION", "Run", "read", "read_buffers", "read_vectors", "sweep", "write"]
