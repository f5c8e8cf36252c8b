"""How much of a data set may lie in memory, and how many processes read what does not."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pathsearch.machine import CGROUP, cores

if TYPE_CHECKING:
    import torch

SHARE = 0.25  # of the memory there is
MOST_WORKERS = 8
OWN = Path("/proc/self/cgroup")


def room(device: torch.device) -> float:
    """Bytes of examples that may be held whole: a quarter of the memory that is free here and on the device."""
    import psutil

    free = [float(psutil.virtual_memory().available), _addresses(), _container(CGROUP, OWN)]
    if device.type == "cuda":
        import torch

        free.append(torch.cuda.mem_get_info(device)[0])
    return SHARE * max(0.0, min(free))


def readers(asked: int | None) -> int:
    """Processes that read ahead; by default one for every core but one. None on systems where a fork is not safe."""
    if sys.platform != "linux":
        return 0
    return min(cores() - 1, MOST_WORKERS) if asked is None else asked


def told(name: str, size: float | None, room: float, workers: int, anew: bool = False) -> str:
    """A line for the user: why a set is not held. size: its bytes, where they are known.

    anew: whether each process makes the data set anew.
    """
    by = f"by {workers} process{'es' if workers > 1 else ''} ahead" if workers else "without processes that read ahead"
    by += ", each of which makes it anew (none does with objective.data.workers=0)" if anew and workers else ""
    why = f": it does not fit in {in_words(room)}, a quarter of the memory that is free" if size is not None else ""
    return f"the {name} set{f' of {in_words(size)}' if size else ''} is read as it is drawn, {by}{why}"


def in_words(size: float) -> str:
    """Bytes in the largest fitting unit."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size:.0f} B"


def _addresses() -> float:
    """Bytes that are left of the address space that `ulimit -v` allows."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return float("inf")
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # not on Linux
        return float(limit)
    return float(limit - pages * resource.getpagesize())


def _container(cgroup: Path, own: Path) -> float:
    """Bytes that are left to this process's control groups, version 2 or 1; what they keep of files counts as free."""
    try:
        below = next(line.split("::", 1)[1] for line in own.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        below = "/"
    inner = cgroup / below.strip("/")
    groups = [each for each in (inner, *inner.parents) if each.is_relative_to(cgroup)]
    left = [_left(group / "memory.max", group / "memory.current", group) for group in groups]
    one = cgroup / "memory"
    return min([*left, _left(one / "memory.limit_in_bytes", one / "memory.usage_in_bytes", one)])


def _left(limit: Path, used: Path, group: Path) -> float:
    try:
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return float(int(limit.read_text()) - int(used.read_text()) + int(stat.get("inactive_file", 0)))
    except (OSError, ValueError):  # no such group, or no limit
        return float("inf")
