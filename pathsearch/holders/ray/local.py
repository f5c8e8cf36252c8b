"""A Ray that a run starts for itself: it listens on this machine alone; its folder is removed when it ends."""

import logging
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import ray
import torch

from pathsearch import clusters, machine
from pathsearch.errors import MachineLost, PathsearchError, complain
from pathsearch.holders.settings import HolderSettings

INSIDE = "r"  # in the folder: Ray lets everybody into that one
ROOM = 36  # characters of a folder in which the names of Ray's sockets are within the 104 bytes that macOS allows
OWN_TOKEN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")  # where a user has set one


def start(options: HolderSettings) -> Callable[[], None]:
    """Start Ray here and connect to it; returns what ends it.

    Where Ray dies before that, this process ends at once with a line and the status of `MachineLost`; otherwise Ray
    would end it after a minute, without a line. Raises PathsearchError where Ray does not start.
    """
    with ExitStack() as stack:
        folder = short_folder(_folders(os.environ))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        settings = {"RAY_USAGE_STATS_ENABLED": "0", **clusters.LOOPBACK}
        if not any(name in os.environ for name in OWN_TOKEN):
            settings["RAY_AUTH_TOKEN_PATH"] = str(clusters.kept_secret(folder / "token"))
        with clusters.environment(settings):
            ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=str(folder / INSIDE),
                **resources(options),
            )
        stack.callback(ray.shutdown)
        (node,) = ray.nodes()
        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        addresses = [(host, int(port)), (node["NodeManagerAddress"], node["NodeManagerPort"])]
        stack.enter_context(clusters.watched(addresses, lambda: _end_without_ray(folder), lambda: True))
        return stack.pop_all().close


def resources(options: HolderSettings) -> dict[str, Any]:
    """What Ray is told it has: all this process may use, and cores for all actors that are asked for."""
    cores = max(machine.cores(), math.ceil((options.actors or 1) * options.cpus_per_actor))
    return {"num_cpus": cores, "num_gpus": torch.cuda.device_count()}


def short_folder(candidates: list[str]) -> Path:
    """A new folder, which nobody else can enter, in the first that is writable and has a short enough name.

    Raises PathsearchError where there is none.
    """
    for parent in candidates:
        with suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix="ps.", dir=parent))
            if len(os.fsencode(folder)) <= ROOM:
                return folder
            folder.rmdir()
    raise PathsearchError(
        f"Ray needs a folder whose name has at most {ROOM - len('/ps.12345678')} characters for its sockets, and none "
        f"of {', '.join(candidates)} is short and writable: set TMPDIR to one, or use holder=serial"
    )


def _folders(environ: Mapping[str, str]) -> list[str]:
    """Where Ray may have its folder: where the user wants such things, then where there usually is room."""
    wanted = [environ[name] for name in ("RAY_TMPDIR", "TMPDIR") if environ.get(name)]
    return [*map(os.path.abspath, wanted), "/tmp", "/var/tmp", f"/run/user/{os.getuid()}", "/dev/shm"]


def _end_without_ray(folder: Path) -> None:
    """End what is left of a dead Ray, and this process, which cannot be called back from its waiting."""
    error = MachineLost(
        "Ray ended on this machine before its time (killed, or out of memory?): "
        "run the same command again; a run goes on from its last checkpoint"
    )
    try:
        sys.stdout.flush()
        complain(error)
        clusters.killed(clusters.descendants(os.getpid()))
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os._exit(error.status)
