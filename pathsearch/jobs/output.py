"""Where this process and those it starts print."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pathsearch.jobs import textfiles


@contextmanager
def printed_into(file: Path) -> Iterator[None]:
    """Have all that is printed meanwhile appended to a file, by child processes too. Raises OSError."""
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
