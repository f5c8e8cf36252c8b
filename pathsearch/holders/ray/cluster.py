"""A Ray cluster, the user's own or one started for this run, and room on it; errors that say what to do."""

import atexit
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from pathsearch import clusters
from pathsearch.errors import PathsearchError, one_line
from pathsearch.holders.ray import local
from pathsearch.holders.settings import HolderSettings

ANSWER = 5.0  # seconds for a cluster's address to answer
LOOK = 0.2  # seconds between two looks
ROOM = 20.0  # seconds for other work on a cluster to make room
TRIES = 3  # times that, where actors were lost


def join(options: HolderSettings) -> Callable[[], None]:
    """Connect to the cluster that options name; returns what ends that, which is nothing where it was connected before.

    Raises PathsearchError where there is none.
    """
    if ray.is_initialized():
        return lambda: None
    address = options.address or os.environ.get("RAY_ADDRESS") or "local"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # `Worker` sees to that itself
    with _handlers_kept(address == "local"):
        try:
            if address == "local":
                return local.start(options)
            _refuse_silent(address)
            _close_token()
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except PathsearchError:
            raise
        except Exception as error:  # Ray has one for each way of not being there
            raise PathsearchError(f"holder.address={address}: {_advice(one_line(error))}") from error
    return leave


def await_nodes(count: int, seconds: float, quit: Callable[[], bool]) -> None:
    """Wait until so many nodes are there, or `quit`. Raises PathsearchError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not quit():
        there = sum(node["Alive"] for node in ray.nodes())
        if there >= count:
            return
        if time.monotonic() > deadline:
            raise PathsearchError(f"{there} of {count} nodes joined Ray within {seconds:g} s: the job's log says why")
        time.sleep(LOOK)


def leave() -> None:
    """Disconnect this process; not from a cluster that is gone, which would take a minute."""
    if answers():
        ray.shutdown()
    else:
        atexit.unregister(ray.shutdown)


def answers() -> bool:
    """Whether the cluster this process is connected to is still there."""
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    return clusters.silent(host, int(port), ANSWER) is None


def reserve(options: HolderSettings, fewer: bool) -> tuple[PlacementGroup, float]:
    """Room for all actors at once, and the GPUs each gets. `fewer`: as many actors as fit will do.

    Raises PathsearchError, with what was asked for and what there is, where there is no room.
    """
    # a cluster takes a while to notice that a node is gone: what it promised first may not be there
    for _ in range(TRIES if fewer else 1):
        there = ray.cluster_resources()
        each, fitting = _fit(options, there)
        actors = options.actors or max(fitting, 1)
        actors = max(1, min(actors, fitting)) if fewer else actors
        _refuse(actors, fitting, each, there)
        group = placement_group([each] * actors, strategy="PACK")
        deadline = time.monotonic() + ROOM
        while time.monotonic() < deadline and not (fewer and _shrunk(there)):
            if group.wait(timeout_seconds=1):
                return group, each.get("GPU", 0.0)
        remove_placement_group(group)
    raise PathsearchError(
        f"no room for {_asked(actors, each)} within {ROOM:g} s: of {_said(there)}, free are "
        f"{_said(ray.available_resources())}; wait for other work on the cluster to end, or ask for less"
    )


def refuse_too_many(options: HolderSettings) -> None:
    """Raise PathsearchError where a cluster without other work has no room for the actors that are asked for."""
    there = ray.cluster_resources()
    each, fitting = _fit(options, there)
    _refuse(options.actors or 1, fitting, each, there)


def _fit(options: HolderSettings, there: dict[str, float]) -> tuple[dict[str, float], int]:
    """What each actor takes, and how many of them the cluster's nodes have room for."""
    gpus = gpus_each(options, there)
    each = {"CPU": options.cpus_per_actor, **({"GPU": gpus} if gpus else {})}
    return each, sum(_fitting(node["Resources"], each) for node in ray.nodes() if node["Alive"])


def _refuse(actors: int, fitting: int, each: dict[str, float], there: dict[str, float]) -> None:
    if actors > fitting:
        raise PathsearchError(
            f"holder asks for {_asked(actors, each)}, the cluster has {_said(there)}: set "
            f"holder.actors={max(fitting, 1)} or less, or change holder.gpus_per_actor or holder.cpus_per_actor"
        )


def _asked(actors: int, each: dict[str, float]) -> str:
    return f"{actors} actors with {each.get('GPU', 0):g} GPU and {each['CPU']:g} CPU each"


def gpus_each(options: HolderSettings, there: dict[str, float]) -> float:
    """GPUs for an actor or a task on a cluster that has these resources: one if there are any, unless options say."""
    if options.gpus_per_actor is not None:
        return options.gpus_per_actor
    return 1.0 if there.get("GPU", 0) >= 1 else 0.0


def _fitting(there: dict[str, float], each: dict[str, float]) -> int:
    """Actors that fit on one node, none of which has parts of two GPUs."""
    gpus = each.get("GPU", 0.0)
    rooms = [math.floor(there.get("CPU", 0) / each["CPU"] + 1e-9)]
    if gpus >= 1:
        rooms.append(math.floor(there.get("GPU", 0) / gpus + 1e-9))
    elif gpus > 0:
        rooms.append(math.floor(there.get("GPU", 0)) * math.floor(1 / gpus + 1e-9))
    return min(rooms)


def _shrunk(before: dict[str, float]) -> bool:
    now = ray.cluster_resources()
    return any(now.get(kind, 0) < before.get(kind, 0) for kind in ("CPU", "GPU"))


def _said(resources: dict[str, float]) -> str:
    return f"{resources.get('GPU', 0):g} GPUs and {resources.get('CPU', 0):g} CPUs"


def _refuse_silent(address: str) -> None:
    """Raise PathsearchError at once where nothing answers: Ray itself would try for a long while."""
    host, colon, port = address.rpartition(":")
    if "://" in address:
        raise PathsearchError(
            f"holder.address={address}: connect from a machine of the cluster, with host:port or auto "
            "(or `ray job submit -- pathsearch run …`)"
        )
    if not colon:
        return  # auto
    error = clusters.silent(host, int(port), ANSWER) if port.isdigit() else ValueError(f"{port!r} is no port")
    if error is not None:
        raise PathsearchError(
            f"holder.address={address}: nothing answers there ({error}): start Ray with `ray start --head`, "
            "or use holder.address=local"
        ) from error


def _close_token() -> None:
    """Let nobody else read the token of the user's clusters, which Ray makes readable for all."""
    with suppress(OSError, RuntimeError):  # there is none; there is no home
        (Path.home() / ".ray" / "auth_token").chmod(0o600)


def _advice(said: str) -> str:
    if "Version mismatch" in said:
        return f"{said}; install the cluster's Ray and Python here, or start the cluster from this environment"
    if "Could not find any running Ray" in said:
        return "no Ray is running here: start it with `ray start --head`, or use holder.address=local"
    return said


@contextmanager
def _handlers_kept(starts: bool) -> Iterator[None]:
    """Keep this program's handlers, which Ray replaces; keep Ray's processes from dying of SLURM's SIGUSR2."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)}
    if starts and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # which children inherit
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():  # the only one that has handlers
            for number, handler in kept.items():
                signal.signal(number, handler)
