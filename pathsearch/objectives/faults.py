"""Which errors are the device's, and not those of whoever's code was running on it."""

import re

import torch

from pathsearch.errors import MachineLost, one_line

FAULT = re.compile(
    r"(CUDA|HIP|XPU|CUDA driver) error: |Triton Error \[\w+\]: |NCCL error|cuDNN error: .*EXECUTION_FAILED"
)
"""How torch and the libraries below it begin to say that a call to the device failed."""

OURS = re.compile(
    # memory that does not suffice
    "out of memory|ALLOC_FAILED"
    # an index out of range in a user's network, say, which fails on any device
    "|device-side assert|INVALID_VALUE|NOT_SUPPORTED|not supported|invalid (argument|configuration|device ordinal)"
    # torch and driver do not fit the device or each other
    "|no kernel image|driver version|provided PTX|forward compatibility"
)
"""What such a call fails of on a device that is in order."""


def device_fault(error: BaseException | None) -> str:
    """What a device failed of, where that is why an error was raised: a bad memory cell, a kernel that could not run,
    a driver that is gone; else empty. A process that has seen one can use the device no more.
    """
    while error is not None:
        if isinstance(error, MachineLost):
            return str(error)
        said = one_line(error)
        # torch 2.8 has a class for these; before, they are any RuntimeError
        if isinstance(error, RuntimeError) and not isinstance(error, torch.OutOfMemoryError) and FAULT.match(said):
            return "" if OURS.search(said) else f"the device failed ({_short(said)})"
        error = error.__cause__
    return ""


def _short(said: str) -> str:
    """The fault without the advice on debugging that torch adds to it."""
    return re.split(r" (?:Search for|CUDA kernel errors|For debugging|Compile with|Device-side assertion)", said)[0]
