"""Tells errors of a device from errors of the code that runs on it."""

import re

import torch

from pathsearch.errors import MachineLost, one_line

FAULT = re.compile(
    r"(CUDA|HIP|XPU|CUDA driver) error: |Triton Error \[\w+\]: |NCCL error|cuDNN error: .*EXECUTION_FAILED"
)
"""The beginnings of messages by which torch and the libraries below it say that a call to the device failed."""

OURS = re.compile(
    # there is too little memory
    "out of memory|ALLOC_FAILED"
    # a network is wrong on any device, as with an index out of range
    "|device-side assert|INVALID_VALUE|NOT_SUPPORTED|not supported|invalid (argument|configuration|device ordinal)"
    # torch and driver do not fit the device or each other
    "|no kernel image|driver version|provided PTX|forward compatibility"
)
"""In messages about calls that fail although the device is in order."""


def device_fault(error: BaseException | None) -> str:
    """Why the device failed, where its failure caused an error; else empty.

    A memory cell is bad, a kernel could not run, or the driver is gone. The process cannot use the device any more.
    """
    while error is not None:
        if isinstance(error, MachineLost):
            return str(error)
        said = one_line(error)
        # torch has a class for these errors since 2.8; before, they are plain RuntimeErrors
        if isinstance(error, RuntimeError) and not isinstance(error, torch.OutOfMemoryError) and FAULT.match(said):
            return "" if OURS.search(said) else f"the device failed ({_short(said)})"
        error = error.__cause__
    return ""


def _short(said: str) -> str:
    """The message without the advice on debugging that torch adds."""
    return re.split(r" (?:Search for|CUDA kernel errors|For debugging|Compile with|Device-side assertion)", said)[0]
