"""Errors of a user's code or files, said as ours."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pathsearch.errors import MachineLost, PathsearchError, one_line
from pathsearch.objectives.faults import device_fault


@contextmanager
def blamed(what: str) -> Iterator[None]:
    """Turn whatever a user's code or file raises into a PathsearchError that names `what`."""
    try:
        yield
    except (PathsearchError, MemoryError, torch.OutOfMemoryError):
        raise
    except (Exception, SystemExit) as error:
        if fault := device_fault(error):
            raise MachineLost(fault) from error
        raise PathsearchError(f"{what} raised {type(error).__name__}: {one_line(error)}") from error
