"""Redirecting the output of this process and of those it starts."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathsearch.jobs import textfiles


@contextmanager
def printed_into(file: Path) -> Iterator[None]:
    """Append to a file all that this process and its children print inside the block. Raises OSError."""
    descriptor = textfiles.append(file)
    kept = {number: os.dup(number) for number in (1, 2)}
    _switch(dict.fromkeys(kept, descriptor))
    os.close(descriptor)
    try:
        yield
    finally:
        _switch(kept)
        for old in kept.values():
            os.close(old)


def _switch(descriptors: dict[int, int]) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    for number, other in descriptors.items():
        os.dup2(other, number)
