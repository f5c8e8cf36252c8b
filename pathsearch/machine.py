"""What this process may use of the machine it is on. Imports nothing heavy."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


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
