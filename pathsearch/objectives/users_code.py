"""Errors that a user's code or files raise, turned into errors of this program."""

import os
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import torch

from pathsearch.errors import MachineLost, PathsearchError, described
from pathsearch.objectives.determinism import refusal
from pathsearch.objectives.faults import device_fault

OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
NOT_THEIRS = tuple(
    os.path.join(folder, "")
    for folder in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), Path(__file__).resolve().parents[1])
)
"""Folders that hold no code of users."""


@contextmanager
def errors_named(what: str, passing: tuple[type[BaseException], ...] = OUT_OF_MEMORY) -> Iterator[None]:
    """Turn what the code inside raises into a PathsearchError that names `what`, and the user's file and line.

    KeyboardInterrupt and the kinds in `passing` pass as they are. By default these are the errors of memory, for which
    the caller may know a remedy. SystemExit and its like count as errors: a user's code does not end the program.
    Raises MachineLost where the device has failed.
    """
    ours: tuple[type[BaseException], ...] = (PathsearchError, KeyboardInterrupt, *passing)
    try:
        yield
    except ours:
        raise
    except BaseException as error:
        if fault := device_fault(error):
            raise MachineLost(fault) from error
        if said := refusal(error):
            raise PathsearchError(f"{what}: {said}") from error
        raise PathsearchError(f"{what} raised {described(error)}{_place(error)}") from error


def _place(error: BaseException) -> str:
    """The last file and line of the user's on the way to an error, in brackets; empty where there is none."""
    place = None
    if isinstance(error, SyntaxError) and error.filename:
        place = error.filename, error.lineno
    else:
        for file, line in _lines(error.__traceback__):
            if not (file.startswith(("<", *NOT_THEIRS)) or "site-packages" in file or "dist-packages" in file):
                place = file, line
    return f" ({place[0]}, line {place[1]})" if place else ""


def _lines(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    while traceback is not None:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next
