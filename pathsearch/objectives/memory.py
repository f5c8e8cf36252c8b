"""Memory that does not suffice, told from other errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SAYS = ("can't allocate memory", "DefaultCPUAllocator", "out of memory", "ALLOC_FAILED", "bad_alloc")
"""In the text of a RuntimeError that stands for a lack of memory: of torch's CPU allocator, CUDA and its libraries."""


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
