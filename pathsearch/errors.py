"""The exceptions a user is meant to read."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class PathsearchError(Exception):
    """Something the user can mend; its text is one line that says what to do. `status` is the program's exit code."""

    status = 1


class NotFinite(PathsearchError):
    """A loss or gradient of the search is infinite or not a number."""


class HolderLost(PathsearchError):
    """Vectors are gone with the process that held them; a search can go on from its last checkpoint."""


class Interrupted(PathsearchError):
    """A signal asked the run to stop; its state is kept."""

    status = 130


@contextmanager
def blamed(what: str) -> Iterator[None]:
    """Turn whatever a user's code or file raises into a PathsearchError that names `what`."""
    try:
        yield
    except (PathsearchError, MemoryError, torch.OutOfMemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise PathsearchError(f"{what} raised {type(error).__name__}: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """An exception's text without its line breaks."""
    return " ".join(str(error).split())
