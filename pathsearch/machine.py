"""What this process takes of its machine, and how torch computes on it. Imports nothing heavy.

All such settings are made here, at two moments, the same ones for the command line, Python and actors:
`before_torch` when the package is imported, and `prepare_torch` when an objective is opened or taken up again.
"""

from __future__ import annotations

import ctypes
import math
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pathsearch.errors import PathsearchError

if TYPE_CHECKING:
    import torch

CGROUP = Path("/sys/fs/cgroup")

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
"""How OpenMP's threads wait for one another: they spin for some microseconds, then they sleep.

By default they spin for milliseconds at every barrier. Where other work wants the cores, the thread that they wait for
does not run meanwhile, and a step takes many times as long. Threads that sleep at once (PASSIVE alone) wake up too
late: a small network's step then takes half as long again on a machine that has nothing else to do. GOMP_… is for
libgomp, KMP_… (milliseconds) for LLVM's and Intel's. `python -m tests.shared_machine` measures this.
"""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables by which a user says how many threads torch has."""

MALLOC = {"M_MMAP_THRESHOLD": (-3, 32 << 20), "M_TRIM_THRESHOLD": (-1, (1 << 31) - 1), "M_TOP_PAD": (-2, 64 << 20)}
"""Limits of glibc's allocator (numbers of malloc.h, bytes), below which it keeps memory that was freed.

By default it hands large blocks back to the system, which maps them anew at every layer of every step: with these
limits a ResNet-20 step on a CPU is 5 to 10 % faster.
"""

WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
"""The variable without which torch refuses products of matrices on a GPU where deterministic kernels are asked for."""

_kernels_before: list[tuple[int, bool]] = []  # how torch chose kernels before an objective asked for deterministic ones


def cores() -> int:
    """Cores this process may use: those it is bound to (taskset, SLURM), but no more than its container's quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound, _quota(CGROUP) or bound))


def device_of(name: str) -> torch.device:
    """The device that a configuration asks for; raises PathsearchError where it asks for a GPU and torch sees none."""
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise PathsearchError("device=cuda, but torch sees no GPU here: use device=cpu or device=auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def before_torch() -> None:
    """Make the settings that torch's libraries read when they are loaded, for this process and its children."""
    if not any(name in os.environ for name in WAITING):  # else the user has decided
        os.environ.update(WAITING)


def prepare_torch(precision: str, deterministic: bool = False) -> None:
    """Make torch's settings for the whole process: kernels that give the same bits every time, as far as they can.

    precision: of float32 products and convolutions, `float32` or, on a GPU, `tf32`; `bfloat16` is autocast's, and
    leaves what is not under it as `float32` does. deterministic: torch refuses operations that have no such kernel.
    """
    import torch

    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    _set_precision(precision)
    _choose_kernels(deterministic)
    # torch takes all of a machine's cores, whatever a container's quota; a smaller number stays, since the bits of
    # sums on a CPU depend on it
    if torch.get_num_threads() > cores() and not any(name in os.environ for name in THREADS):
        torch.set_num_threads(cores())
    _keep_freed_memory()


def _set_precision(precision: str) -> None:
    import torch

    tf32 = precision == "tf32"
    with warnings.catch_warnings():
        # newer versions of torch warn of these names, and raise where a program mixes them with the newer ones;
        # torch.compile reads these, so the newer ones are set back to what follows from these
        warnings.simplefilter("ignore", UserWarning)
        if hasattr(torch.backends, "fp32_precision"):
            torch.backends.fp32_precision = "none"
            torch.backends.cudnn.fp32_precision = "none"
            for part in ("conv", "rnn"):  # said outright: torch has no public name for what they follow from otherwise
                getattr(torch.backends.mkldnn, part).fp32_precision = "ieee"
        torch.set_float32_matmul_precision("highest")  # a CPU's too
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32  # which torch has on by default


def _choose_kernels(deterministic: bool) -> None:
    """Ask torch for deterministic kernels only, or leave its choice as it was before an objective asked for them."""
    import torch

    memory: Any = torch.utils.deterministic
    if deterministic:
        os.environ.setdefault(*WORKSPACE)  # torch reads it at the first product on a GPU
        if not _kernels_before:
            _kernels_before.append((torch.get_deterministic_debug_mode(), memory.fill_uninitialized_memory))
        torch.use_deterministic_algorithms(True)
        memory.fill_uninitialized_memory = False  # which takes time, and no kernel reads what it has not written
    elif _kernels_before:
        mode, filled = _kernels_before.pop()
        # torch.use_deterministic_algorithms tells torch's compiler as well, which that of three modes does not
        torch.use_deterministic_algorithms(mode > 0, warn_only=mode == 1)
        memory.fill_uninitialized_memory = filled


def _keep_freed_memory() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only glibc has it
    if mallopt is not None:
        for option, value in MALLOC.values():
            mallopt(option, value)


def make_room(size: int) -> None:
    """Hand freed memory back to the system before blocks of `size` bytes are taken, where these cannot lie in it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only glibc has it
    if trim is not None and size >= MALLOC["M_MMAP_THRESHOLD"][1]:  # it takes milliseconds
        trim(0)


def _quota(cgroup: Path) -> int | None:
    """Cores a container's CPU quota pays for, rounded up; None where there is none (cgroup v2, then v1)."""
    try:
        allowed, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            allowed, period = ((cgroup / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            return None
    try:
        return math.ceil(int(allowed) / int(period)) if int(allowed) > 0 else None
    except ValueError:  # max
        return None
