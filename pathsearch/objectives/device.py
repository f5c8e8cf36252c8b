"""How torch is to compute: device, precision, threads, kernels. One place for the command line and for Python."""

import ctypes
import os
import warnings

import torch

from pathsearch.errors import PathsearchError
from pathsearch.machine import cores

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # variables by which a user says how many


def device_of(name: str) -> torch.device:
    """The device a configuration asks for; raises PathsearchError where there is no GPU to be had."""
    if name == "cuda" and not torch.cuda.is_available():
        raise PathsearchError("device=cuda, but torch sees no GPU here: use device=cpu or device=auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def prepare(precision: str) -> None:
    """Settings of torch for this whole process: the same kernels, and so bits, every time, as far as it can.

    precision: that of float32 products and convolutions on a GPU, `float32` or `tf32`.
    """
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    _set_precision(precision)
    # torch takes a container's quota for cores; sums on a CPU depend on the number, so a smaller one stays
    if torch.get_num_threads() > cores() and not any(name in os.environ for name in THREADS):
        torch.set_num_threads(cores())
    _keep_freed_memory()


def _set_precision(precision: str) -> None:
    tf32 = precision == "tf32"
    with warnings.catch_warnings():
        # some versions of torch call these names old; they raise where a program mixes them with the newer ones, and
        # torch.compile asks by these, so the newer ones are set back to what follows from these
        warnings.simplefilter("ignore", UserWarning)
        if hasattr(torch.backends, "fp32_precision"):
            torch.backends.fp32_precision = "none"
            torch.backends.cudnn.fp32_precision = "none"
            for part in ("conv", "rnn"):
                getattr(torch.backends.mkldnn, part).fp32_precision = "none"
        torch.set_float32_matmul_precision("highest")  # a CPU's too
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32


def _keep_freed_memory() -> None:
    # glibc hands large blocks back to the system and faults them in again at every layer of every step: with these
    # three limits raised a ResNet-20 step on a CPU is 5 to 10 % faster (numbers: M_* of malloc.h)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((-3, 32 << 20), (-1, (1 << 31) - 1), (-2, 64 << 20)):
            mallopt(option, value)
