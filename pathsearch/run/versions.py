"""What a run was made with, for the record beside its numbers."""

import os
import platform
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def versions() -> dict[str, str]:
    """Versions of this program, of Python and of the libraries that compute, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in ("pathsearch", "torch", "torchvision", "numpy", "h5py", "ray"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


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
