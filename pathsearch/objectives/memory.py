"""Memory that does not suffice: told from other errors, and met with less work at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from pathsearch.errors import PathsearchError

SAYS = ("can't allocate memory", "DefaultCPUAllocator", "out of memory", "ALLOC_FAILED", "bad_alloc")
"""In the text of a RuntimeError that stands for a lack of memory: of torch's CPU allocator, CUDA and its libraries."""

Found = TypeVar("Found")


@contextmanager
def allocations() -> Iterator[None]:
    """Raise MemoryError where torch raises a RuntimeError because memory does not suffice."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if any(text in str(error) for text in SAYS):
            raise MemoryError(str(error)) from error
        raise


def halving(work: Callable[[int], Found], count: int, device: torch.device) -> tuple[Found, int]:
    """What `work` finds with `count` examples at once, and the count, which is halved until memory suffices.

    Raises PathsearchError where memory does not suffice for one example.
    """
    while True:
        try:
            with torch.no_grad(), allocations():
                return work(count), count
        except (MemoryError, torch.OutOfMemoryError) as error:
            if count == 1:
                raise PathsearchError(
                    "out of memory in measuring, with one example at once: use a machine with more, or a smaller "
                    "network"
                ) from error
        count //= 2
        if device.type == "cuda":
            torch.cuda.empty_cache()
