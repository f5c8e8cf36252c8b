"""What a run was made with, for the record beside its numbers."""

import os
import platform
import subprocess
from contextlib import suppress
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


@cache
def versions() -> dict[str, str]:
    """Versions of this program, of Python and of the libraries that compute, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in ("pathsearch", "torch", "torchvision", "numpy", "h5py", "ray"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def writer(device: str) -> dict[str, Any]:
    """This process, for the history of those that wrote to a file; device: the kinds of device it computes on.

    `when` it began to write, UTC; `job`: SLURM's number, None outside of SLURM.
    """
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "host": platform.node(),
        "device": device,
        "job": os.environ.get("SLURM_JOB_ID"),
        "origin": origin(),
        "versions": versions(),
    }


@cache
def origin() -> str:
    """Host, SLURM job and git revision a run comes from, as far as there are any."""
    parts = [f"host {platform.node()}"]
    if job := os.environ.get("SLURM_JOB_ID"):
        parts.append(f"slurm job {job}")
    here = Path(__file__).parent
    try:
        asked = ["git", "-C", str(here), "describe", "--always", "--dirty", "--exclude", "*"]
        found = subprocess.run(asked, capture_output=True, text=True, timeout=5)
        if found.returncode == 0 and not any(p.name == "site-packages" for p in here.parents):
            parts.append(f"git {found.stdout.strip()}")
    except (OSError, subprocess.TimeoutExpired):
        pass  # no git: the version number has to do
    return ", ".join(parts)
