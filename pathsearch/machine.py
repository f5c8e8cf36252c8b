"""What this process may use of the machine it is on. Imports nothing heavy."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
"""How OpenMP's threads wait for one another: some microseconds by spinning, then asleep.

Left to themselves they spin for milliseconds at every barrier; where other work wants the cores, the thread that they
wait for does not run meanwhile, and a step takes many times as long. Asleep at once (PASSIVE alone) they would wake up
too late: a small network's step then takes half as long again on a machine that has nothing else to do. GOMP_… is for
libgomp, KMP_… (milliseconds) for LLVM's and Intel's. Measured by `python -m tests.shared_machine`.
"""


def cores() -> int:
    """Cores this process may use: of those it is bound to (taskset, SLURM), as many as its container's quota pays."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound, _quota(CGROUP) or bound))


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


def wait_asleep() -> None:
    """Set WAITING for this process and its children, unless the user set any of it; to be called before torch loads."""
    if not any(name in os.environ for name in WAITING):
        os.environ.update(WAITING)
